#include "patch/patch.h"

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/quote.h"
#include "patch/json_path.h"
#include "patch/pointer.h"

namespace sluice::patch {
namespace {

using nlohmann::json;

std::unexpected<Failure> fail(std::string field, std::string message, std::string suggestion = {}) {
  return std::unexpected(Failure{std::move(field), std::move(message), std::move(suggestion)});
}

std::string_view name_of(Op op) {
  constexpr std::string_view kNames[] = {"add", "remove", "replace", "move", "copy", "test"};
  return kNames[static_cast<std::size_t>(op)];
}

struct Size {
  std::size_t values = 0;
  std::size_t levels = 0;
};

// Without recursion, for it is what keeps documents from being deep.
Size size_of(const json& document) {
  Size size;
  std::vector<std::pair<const json*, std::size_t>> open{{&document, 1}};
  while (!open.empty()) {
    const auto [value, level] = open.back();
    open.pop_back();
    ++size.values;
    size.levels = std::max(size.levels, level);
    if (!value->is_structured()) continue;
    for (const json& child : *value) open.emplace_back(&child, level + 1);
  }
  return size;
}

// Short, for a message.
std::string text_of(const json& value) {
  return quote(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

// One operation at places that are known.
class Application {
 public:
  Application(const Operation& operation, json& document, bool secret)
      : operation_(operation), document_(document), secret_(secret) {}

  Result<void> at(const Pointer& place) {
    switch (operation_.op) {
      case Op::kAdd:
        return add(place, *operation_.value, "path");
      case Op::kRemove:
        return remove(place, "path");
      case Op::kReplace:
        return replace(place, *operation_.value);
      case Op::kMove:
      case Op::kCopy:
        return transfer(place);
      case Op::kTest:
        return test(place);
    }
    return {};
  }

 private:
  Result<void> replace(const Pointer& place, json value) {
    if (Result<void> fits = limit(place, value); !fits) return fits;
    Result<json*> present = find(document_, place, place.size(), "path");
    if (!present) return std::unexpected(std::move(present.error()));
    **present = std::move(value);
    return {};
  }

  // Whether the document does not get too large.
  Result<void> limit(const Pointer& place, const json& value) {
    const Size size = size_of(value);
    if (place.size() + size.levels > kMaxLevels) return fail("op", "the resource would get too deep");
    values_ += size.values;
    if (values_ > kMaxValues) return fail("op", "the resource would get too large");
    return {};
  }

  Result<void> add(const Pointer& place, json value, std::string_view field) {
    if (place.empty()) return replace(place, std::move(value));
    if (Result<void> fits = limit(place, value); !fits) return fits;
    json* container = &document_;
    for (std::size_t i = 0; i + 1 < place.size(); ++i) {
      const std::string& next = place[i + 1];
      json made = next == "-" || next == "0" ? json::array() : json::object();
      if (container->is_object() && !container->contains(place[i])) {
        container = &((*container)[place[i]] = std::move(made));
      } else if (container->is_array() && (place[i] == "-" || index_of(place[i]) == container->size())) {
        container = &container->emplace_back(std::move(made));
      } else {
        Result<json*> found = find(document_, place, i + 1, field);
        if (!found) return std::unexpected(std::move(found.error()));
        container = *found;
      }
    }
    const std::string& last = place.back();
    if (container->is_object()) {
      (*container)[last] = std::move(value);
      return {};
    }
    if (container->is_array()) {
      const std::optional<std::size_t> index =
          last == "-" ? std::optional(container->size()) : index_of(last);
      if (index && *index <= container->size()) {
        container->insert(container->begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
        return {};
      }
    }
    return fail(std::string(field),
                fmt::format("nothing can be added at {}: {}", quote(to_string(place)),
                            describe(*container, place, place.size() - 1)),
                container->is_array() ? "`-` is the place behind the last entry" : "");
  }

  Result<void> remove(const Pointer& place, std::string_view field) {
    if (place.empty()) return fail(std::string(field), "the whole resource cannot be removed");
    Result<json*> value = find(document_, place, place.size(), field);
    if (!value) return std::unexpected(std::move(value.error()));
    json& container = **find(document_, place, place.size() - 1, field);
    if (container.is_object()) {
      container.erase(place.back());
    } else {
      container.erase(*index_of(place.back()));
    }
    return {};
  }

  Result<void> transfer(const Pointer& place) {
    const Result<Pointer> from = parse_pointer(*operation_.from, "from");
    if (!from) return std::unexpected(from.error());
    Result<json*> value = find(document_, *from, from->size(), "from");
    if (!value) return std::unexpected(std::move(value.error()));
    json moved = **value;
    if (operation_.op == Op::kMove) {
      if (*from == place) return {};
      if (from->size() < place.size() && std::ranges::equal(*from, place | std::views::take(from->size()))) {
        return fail("path", fmt::format("{} is inside of what is moved", quote(to_string(place))));
      }
      if (Result<void> removed = remove(*from, "from"); !removed) return removed;
    }
    return add(place, std::move(moved), "path");
  }

  Result<void> test(const Pointer& place) {
    Result<json*> value = find(document_, place, place.size(), "path");
    if (!value) return std::unexpected(std::move(value.error()));
    if (**value == *operation_.value) return {};
    const std::string where = place.empty() ? "the resource" : quote(to_string(place));
    return fail("value", secret_ ? fmt::format("{} is something else", where)
                                 : fmt::format("{} is {}, not {}", where, text_of(**value),
                                               text_of(*operation_.value)));
  }

  const Operation& operation_;
  json& document_;
  bool secret_;
  std::size_t values_ = size_of(document_).values;
};

// Below each place that is found.
Result<std::vector<Pointer>> places_of(const Operation& operation, const json& document) {
  std::string path = operation.path.value_or("");
  if (!operation.json_path) {
    Result<Pointer> place = parse_pointer(path, "path");
    if (!place) return std::unexpected(std::move(place.error()));
    return std::vector<Pointer>{*std::move(place)};
  }
  if (!path.empty() && !path.starts_with('/')) path.insert(path.begin(), '/');
  const Result<Pointer> below = parse_pointer(path, "path");
  if (!below) return std::unexpected(below.error());
  const Result<JsonPath> expression = JsonPath::parse(*operation.json_path);
  if (!expression) return std::unexpected(expression.error());
  Result<std::vector<Pointer>> places = expression->locate(document);
  if (!places) return places;
  for (Pointer& place : *places) place.insert(place.end(), below->begin(), below->end());
  return places;
}

}  // namespace

bool Operation::operator==(const Operation& other) const {
  const bool same_value = value == other.value || (value && other.value && *value == *other.value);
  return op == other.op && path == other.path && json_path == other.json_path && from == other.from &&
         same_value;
}

std::optional<Failure> check(const Operation& operation) {
  const std::string_view op = name_of(operation.op);
  const auto failure = [](std::string field, std::string message, std::string suggestion) {
    return Failure{std::move(field), std::move(message), std::move(suggestion)};
  };
  if (!operation.path && !operation.json_path) {
    return failure("path", fmt::format("`{}` has neither `path` nor `jsonPath`", op),
                   operation.op == Op::kAdd ? "`path: \"\"` adds a whole resource" : "");
  }
  const bool transfers = operation.op == Op::kMove || operation.op == Op::kCopy;
  const bool has_value =
      operation.op == Op::kAdd || operation.op == Op::kReplace || operation.op == Op::kTest;
  if (has_value && !operation.value) return failure("value", fmt::format("`{}` needs a `value`", op), "");
  if (!has_value && operation.value) {
    return failure("value", fmt::format("`{}` has no `value`", op),
                   transfers ? "what it takes is at `from`" : "remove it");
  }
  if (transfers && !operation.from) return failure("from", fmt::format("`{}` needs `from`", op), "");
  if (!transfers && operation.from)
    return failure("from", fmt::format("`{}` has no `from`", op), "remove it");
  if (operation.from) {
    if (const auto from = parse_pointer(*operation.from, "from"); !from) return from.error();
  }
  if (!operation.json_path) {
    if (const auto path = parse_pointer(*operation.path, "path"); !path) return path.error();
  } else if (const auto expression = JsonPath::parse(*operation.json_path); !expression) {
    return expression.error();
  }
  return std::nullopt;
}

Result<void> carry_out(const Operation& operation, json& document, bool secret) {
  if (auto failure = check(operation)) return std::unexpected(*std::move(failure));
  Result<std::vector<Pointer>> places = places_of(operation, document);
  if (!places) return std::unexpected(std::move(places.error()));
  if (operation.op == Op::kRemove) std::ranges::reverse(*places);

  json before;
  if (places->size() > 1 || operation.op == Op::kMove) before = document;
  Application application(operation, document, secret);
  for (const Pointer& place : *places) {
    Result<void> done = application.at(place);
    if (done) continue;
    if (!before.is_null()) document = std::move(before);
    return done;
  }
  return {};
}

}  // namespace sluice::patch
