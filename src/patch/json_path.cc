#include "patch/json_path.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/closest.h"
#include "base/quote.h"
#include "patch/json_path_query.h"

namespace sluice::patch {
namespace {

using nlohmann::json;

// Values that are looked at for one expression, and places that it may find.
constexpr std::size_t kMaxLooks = 200'000;
constexpr std::size_t kMaxPlaces = 2'000;
constexpr std::size_t kRoot = static_cast<std::size_t>(-1);

// A value, and how it was come to: from an earlier one, by a name or an index.
struct Node {
  const json* value;
  std::size_t parent;
  const std::string* name;  // of a member; null: an entry
  std::size_t index;
};
using Found = std::vector<std::size_t>;  // of nodes

class Search {
 public:
  explicit Search(const json& root) : root_(root) {}

  // False where it was given up because there is too much to look at.
  bool complete() const { return nodes_.size() + looks_ < kMaxLooks; }

  // What the first `length` steps lead to.
  Found run(const JsonPath::Query& query, std::size_t length, const json& current) {
    Found found{add(query.from_root ? root_ : current, kRoot, nullptr, 0)};
    for (std::size_t i = 0; i < length && !found.empty(); ++i) found = step(query.steps[i], found);
    return found;
  }

  Pointer pointer_to(std::size_t node) const {
    Pointer pointer;
    for (; nodes_[node].parent != kRoot; node = nodes_[node].parent) {
      const Node& n = nodes_[node];
      pointer.push_back(n.name != nullptr ? *n.name : std::to_string(n.index));
    }
    std::ranges::reverse(pointer);
    return pointer;
  }
  const json& value(std::size_t node) const { return *nodes_[node].value; }

  // What a name in the step was probably meant to be, where the step finds nothing below these: "did you mean
  // `default/web/http`?", or nothing.
  std::string meant(const Step& step, const Found& from) {
    Found within;
    for (const std::size_t node : from) {
      Found here{node};
      if (step.descends) add_below(here);
      within.insert(within.end(), here.begin(), here.end());
    }
    for (const Selector& selector : step.selectors) {
      std::string_view near;
      if (const auto* name = std::get_if<std::string>(&selector)) {
        near = nearest_member(*name, within);
      } else if (const auto* filter = std::get_if<std::shared_ptr<const Condition>>(&selector)) {
        Found children;
        for (const std::size_t node : within) select(Everything(), node, children);
        near = nearest_text(**filter, children);
      }
      if (!complete()) return "";
      if (!near.empty()) return did_you_mean(near);
    }
    return "";
  }

 private:
  std::size_t add(const json& value, std::size_t parent, const std::string* name, std::size_t index) {
    nodes_.push_back({&value, parent, name, index});
    return nodes_.size() - 1;
  }

  Found step(const Step& step, const Found& from) {
    Found found;
    for (const std::size_t node : from) {
      Found within{node};
      if (step.descends) add_below(within);
      for (const std::size_t here : within) {
        for (const Selector& selector : step.selectors) {
          if (!complete()) return {};
          select(selector, here, found);
        }
      }
    }
    return found;
  }

  // Those below the first, each before what is below it.
  void add_below(Found& within) {
    Found open{within.front()};
    within.clear();
    while (!open.empty() && complete()) {
      const std::size_t node = open.back();
      open.pop_back();
      within.push_back(node);
      Found children;
      select(Everything(), node, children);
      open.insert(open.end(), children.rbegin(), children.rend());
    }
  }

  void select(const Selector& selector, std::size_t node, Found& found) {
    const json& value = *nodes_[node].value;
    const auto size = static_cast<std::int64_t>(value.is_array() ? value.size() : 0);
    const auto entry = [&](std::int64_t i) {
      found.push_back(add(value[static_cast<std::size_t>(i)], node, nullptr, static_cast<std::size_t>(i)));
    };
    if (const auto* name = std::get_if<std::string>(&selector)) {
      if (!value.is_object()) return;
      const auto member = value.find(*name);
      if (member != value.end()) found.push_back(add(*member, node, &member.key(), 0));
    } else if (const auto* index = std::get_if<std::int64_t>(&selector)) {
      const std::int64_t at = *index < 0 ? *index + size : *index;
      if (at >= 0 && at < size) entry(at);
    } else if (const auto* slice = std::get_if<Slice>(&selector)) {
      for (const std::int64_t i : indexes(*slice, size)) entry(i);
    } else {
      const auto* filter = std::get_if<std::shared_ptr<const Condition>>(&selector);
      const auto fits = [&](const json& child) { return filter == nullptr || holds(**filter, child); };
      if (value.is_object()) {
        for (auto member = value.begin(); member != value.end() && complete(); ++member) {
          if (fits(*member)) found.push_back(add(*member, node, &member.key(), 0));
        }
      }
      for (std::int64_t i = 0; i < size && complete(); ++i) {
        if (fits(value[static_cast<std::size_t>(i)])) entry(i);
      }
    }
  }

  static std::vector<std::int64_t> indexes(const Slice& slice, std::int64_t size) {
    std::vector<std::int64_t> all;
    const auto within = [size](std::optional<std::int64_t> at, std::int64_t otherwise, std::int64_t low,
                               std::int64_t high) {
      const std::int64_t from_begin = at ? (*at < 0 ? *at + size : *at) : otherwise;
      return std::clamp(from_begin, low, high);
    };
    if (slice.step > 0) {
      const std::int64_t end = within(slice.end, size, 0, size);
      for (std::int64_t i = within(slice.begin, 0, 0, size); i < end;) {
        all.push_back(i);
        if (slice.step >= end - i) break;
        i += slice.step;
      }
    } else if (slice.step < 0) {
      const std::int64_t end = within(slice.end, -1, -1, size - 1);
      const std::int64_t begin = within(slice.begin, size - 1, -1, size - 1);
      for (std::int64_t i = begin; i > end;) {
        all.push_back(i);
        if (slice.step <= end - i) break;
        i += slice.step;
      }
    }
    return all;
  }

  // ---- filters

  bool holds(const Condition& condition, const json& current) {
    ++looks_;
    if (!complete()) return false;
    const auto part_holds = [&](const Condition& part) { return holds(part, current); };
    switch (condition.kind) {
      case Condition::Kind::kAnd:
        return std::ranges::all_of(condition.parts, part_holds);
      case Condition::Kind::kOr:
        return std::ranges::any_of(condition.parts, part_holds);
      case Condition::Kind::kNot:
        return !part_holds(condition.parts.front());
      case Condition::Kind::kExists:
        return !values_of(condition.left, current).empty();
      case Condition::Kind::kRegex:
        return std::ranges::any_of(values_of(condition.left, current), [&](const json& value) {
          if (!value.is_string()) return false;
          const std::string& text = value.get_ref<const std::string&>();
          return condition.whole ? re2::RE2::FullMatch(text, *condition.regex)
                                 : re2::RE2::PartialMatch(text, *condition.regex);
        });
      case Condition::Kind::kCompare:
        break;
    }
    const std::vector<json> left = values_of(condition.left, current);
    const std::vector<json> right = values_of(condition.right, current);
    if (left.empty() || right.empty()) {
      const bool same = left.empty() && right.empty();
      return condition.comparison == Condition::Comparison::kNotEqual
                 ? !same
                 : condition.comparison == Condition::Comparison::kEqual && same;
    }
    return std::ranges::any_of(left, [&](const json& a) {
      return std::ranges::any_of(right, [&](const json& b) {
        ++looks_;
        return complete() && compare(a, b, condition.comparison);
      });
    });
  }

  static bool compare(const json& a, const json& b, Condition::Comparison how) {
    using Comparison = Condition::Comparison;
    if (how == Comparison::kEqual) return a == b;
    if (how == Comparison::kNotEqual) return a != b;
    const bool ordered = (a.is_number() && b.is_number()) || (a.is_string() && b.is_string());
    if (!ordered) return false;
    switch (how) {
      case Comparison::kLess:
        return a < b;
      case Comparison::kLessEqual:
        return a <= b;
      case Comparison::kGreater:
        return a > b;
      default:
        return a >= b;
    }
  }

  // ---- what was meant

  std::string_view nearest_member(std::string_view name, const Found& within) const {
    std::set<std::string_view> names;
    for (const std::size_t node : within) {
      if (!value(node).is_object()) continue;
      for (auto member = value(node).begin(); member != value(node).end(); ++member) {
        names.insert(member.key());
      }
    }
    return closest(name, {names.begin(), names.end()});
  }

  // Of the texts that the condition compares with one that is written down, or whose beginning it wants.
  std::string_view nearest_text(const Condition& condition, const Found& children) {
    switch (condition.kind) {
      case Condition::Kind::kAnd:
      case Condition::Kind::kOr:
        for (const Condition& part : condition.parts) {
          if (const std::string_view near = nearest_text(part, children); !near.empty()) return near;
        }
        return {};
      case Condition::Kind::kCompare: {
        if (condition.comparison != Condition::Comparison::kEqual) return {};
        const auto* left = std::get_if<json>(&condition.left.what);
        const auto* right = std::get_if<json>(&condition.right.what);
        if ((left == nullptr) == (right == nullptr)) return {};
        const json& literal = left != nullptr ? *left : *right;
        if (!literal.is_string()) return {};
        keep_texts(left != nullptr ? condition.right : condition.left, children);
        return closest_of(literal.get_ref<const std::string&>());
      }
      case Condition::Kind::kRegex: {
        // As far as the last slash in front of what stands for something else.
        const std::string_view pattern = condition.regex->pattern();
        const auto slash = pattern.substr(0, pattern.find_first_of(R"(.*+?()[]{}|\^$)")).rfind('/');
        if (slash == std::string_view::npos) return {};
        const std::string_view beginning = pattern.substr(0, slash + 1);
        keep_texts(condition.left, children);
        const auto slashes = std::ranges::count(beginning, '/');
        std::set<std::string> beginnings;
        for (const std::string& text : texts_) {
          std::size_t end = 0;
          for (std::ptrdiff_t i = 0; i < slashes && end != std::string::npos; ++i) {
            end = text.find('/', end);
            if (end != std::string::npos) ++end;
          }
          if (end != std::string::npos) beginnings.insert(text.substr(0, end));
        }
        texts_ = std::move(beginnings);
        return closest_of(beginning);
      }
      case Condition::Kind::kNot:
      case Condition::Kind::kExists:
        return {};
    }
    return {};
  }

  void keep_texts(const Operand& operand, const Found& children) {
    texts_.clear();
    for (const std::size_t child : children) {
      if (!complete()) return;
      for (const json& value : values_of(operand, *nodes_[child].value)) {
        if (value.is_string()) texts_.insert(value.get<std::string>());
      }
    }
  }

  std::string_view closest_of(std::string_view word) const {
    const std::string_view near = closest(word, {texts_.begin(), texts_.end()});
    return near == word ? std::string_view() : near;
  }

  std::vector<json> values_of(const Operand& operand, const json& current) {
    std::vector<json> values;
    if (const auto* literal = std::get_if<json>(&operand.what)) {
      values.push_back(*literal);
    } else {
      const auto& query = std::get<JsonPath::Query>(operand.what);
      const std::size_t before = nodes_.size();
      for (const std::size_t node : run(query, query.steps.size(), current)) {
        // No more of a value than comparisons need.
        const json& value = *nodes_[node].value;
        values.push_back(operand.of == Operand::Of::kLength && value.is_structured() ? json(value.size())
                                                                                     : value);
        ++looks_;
      }
      looks_ += nodes_.size() - before;
      nodes_.resize(before);
    }
    if (operand.of == Operand::Of::kCount) return {json(values.size())};
    if (operand.of == Operand::Of::kLength) {
      for (json& value : values) {
        if (value.is_string()) value = value.get_ref<const std::string&>().size();
      }
    }
    return values;
  }

  const json& root_;
  std::vector<Node> nodes_;
  std::size_t looks_ = 0;
  std::set<std::string> texts_;  // that nearest_text() looks among
};

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) {
  Result<Query> query = parse_query(text);
  if (!query) return std::unexpected(std::move(query.error()));
  return JsonPath(std::make_shared<const Query>(*std::move(query)));
}

Result<std::vector<Pointer>> JsonPath::locate(const json& document) const {
  const auto fail = [](std::string message) {
    return std::unexpected(Failure{.field = "jsonPath", .message = std::move(message), .suggestion = {}});
  };
  Search search(document);
  const Found found = search.run(*query_, query_->steps.size(), document);
  if (!search.complete()) return fail(fmt::format("{} looks at too many values", quote(query_->text)));
  std::vector<Pointer> places;
  std::set<const json*> seen;
  for (const std::size_t node : found) {
    if (!seen.insert(&search.value(node)).second) continue;
    if (places.size() == kMaxPlaces)
      return fail(fmt::format("{} finds too many places", quote(query_->text)));
    places.push_back(search.pointer_to(node));
  }
  if (!places.empty()) return places;

  // How far it goes.
  std::size_t good = query_->steps.size() - 1;
  Search again(document);
  Found last;
  while ((last = again.run(*query_, good, document)).empty()) --good;
  const std::string_view text = query_->text;
  const std::size_t end = query_->steps[good].end;
  if (!again.complete()) return fail(fmt::format("{} finds nothing", quote(text)));
  const Pointer pointer = again.pointer_to(last.front());
  std::string message = fmt::format("{} finds nothing: {}", quote(text.substr(0, end)),
                                    describe(again.value(last.front()), pointer, pointer.size()));
  return std::unexpected(Failure{.field = "jsonPath",
                                 .message = std::move(message),
                                 .suggestion = again.meant(query_->steps[good], last)});
}

}  // namespace sluice::patch
