#include "patch/strategic_merge.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/closest.h"
#include "base/quote.h"

namespace sluice::patch {
namespace {

using nlohmann::json;
using Fields = std::span<const MergeField>;

constexpr char kDirective[] = "$patch";
constexpr char kRetainKeys[] = "$retainKeys";
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDeletions = "$deleteFromPrimitiveList/";

const MergeField* find_field(Fields fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &MergeField::name);
  return found == fields.end() ? nullptr : &*found;
}

// As Tree::at reads it.
std::string below(const std::string& path, std::string_view name) {
  if (name.find_first_of("./[]") != std::string_view::npos) return fmt::format("{}[{}]", path, name);
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

bool contains(const json& list, const json& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// What tells an item of a list that merges from others: its key's value, or a scalar itself. Null: it has
// none.
json identity_of(const json& item, const MergeField& list) {
  if (list.key.empty()) return item;
  if (!item.is_object()) return nullptr;
  const auto found = item.find(list.key);
  return found == item.end() ? json() : *found;
}

std::optional<std::size_t> position_of(const json& identity, const json& items, const MergeField& list) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (identity_of(items[i], list) == identity) return i;
  }
  return std::nullopt;
}

template <typename Predicate>
void erase_if(json& items, Predicate is_unwanted) {
  json rest = json::array();
  for (json& item : items) {
    if (!is_unwanted(item)) rest.push_back(std::move(item));
  }
  items = std::move(rest);
}

// Those items that `order` has, in its order, among the others, which stay as they are. Where both were in
// `before`, they keep their order there; or else those of `order` come first.
json ordered(const json& items, const json& order, const json& before, const MergeField& list) {
  std::vector<std::pair<std::size_t, json>> named;
  std::vector<json> others;
  for (const json& item : items) {
    if (const auto at = position_of(identity_of(item, list), order, list)) {
      named.emplace_back(*at, item);
    } else {
      others.push_back(item);
    }
  }
  std::ranges::stable_sort(named, {}, [](const auto& entry) { return entry.first; });
  json result = json::array();
  auto next = named.begin();
  for (json& other : others) {
    const auto at = position_of(identity_of(other, list), before, list);
    while (next != named.end()) {
      const auto rival = position_of(identity_of(next->second, list), before, list);
      if (at && rival && *at < *rival) break;
      result.push_back(std::move((next++)->second));
    }
    result.push_back(std::move(other));
  }
  while (next != named.end()) result.push_back(std::move((next++)->second));
  return result;
}

class Merger {
 public:
  // False: failure() says why, and the document is good for nothing.
  bool merge_map(const json& patch, Fields fields, const std::string& path, json& to) {
    if (const auto directive = patch.find(kDirective); directive != patch.end()) {
      if (*directive == "delete") {
        to = json::object();
        return true;
      }
      if (*directive != "replace") return bad_directive(path, *directive);
      to = json::object();
    }
    if (!retain_keys(patch, path, to)) return false;
    for (const auto& [name, value] : patch.items()) {
      if (!merge_member(patch, name, value, fields, path, to)) return false;
    }
    return true;
  }

  Failure& failure() { return failure_; }

 private:
  bool fail(std::string path, std::string message, std::string suggestion = {}) {
    failure_ = {.field = std::move(path), .message = std::move(message), .suggestion = std::move(suggestion)};
    return false;
  }

  bool bad_directive(const std::string& path, const json& directive) {
    return fail(below(path, kDirective),
                fmt::format("{} is neither `replace` nor `delete`",
                            quote(directive.is_string() ? directive.get<std::string>() : directive.dump())));
  }

  bool retain_keys(const json& patch, const std::string& path, json& to) {
    const auto kept = patch.find(kRetainKeys);
    if (kept == patch.end()) return true;
    if (!kept->is_array()) return fail(below(path, kRetainKeys), "the members to retain are a list of names");
    const auto is_kept = [&](const std::string& name) { return contains(*kept, name); };
    for (const auto& [name, value] : patch.items()) {
      if (name.starts_with('$') || value.is_null() || is_kept(name)) continue;
      return fail(below(path, name), "the patch changes a member that `$retainKeys` has not",
                  fmt::format("add `{}` to `$retainKeys`", name));
    }
    for (auto member = to.begin(); member != to.end();) {
      member = is_kept(member.key()) ? std::next(member) : to.erase(member);
    }
    return true;
  }

  bool merge_member(const json& patch, const std::string& name, const json& value, Fields fields,
                    const std::string& path, json& to) {
    if (name == kDirective || name == kRetainKeys) return true;
    if (name.starts_with(kDeletions)) return take_out(name, value, path, to);
    if (name.starts_with(kOrder)) {
      const std::string list = name.substr(kOrder.size());
      return patch.contains(list) || put_in_order(list, value, fields, path, to);
    }
    const std::string here = below(path, name);
    if (name.starts_with('$')) {
      return fail(here, fmt::format("{} is no directive", quote(name)),
                  did_you_mean(closest(name, {kDirective, kRetainKeys})));
    }
    if (value.is_null()) {
      to.erase(name);
      return true;
    }
    const MergeField* field = find_field(fields, name);
    const bool replaces = field != nullptr && field->how == MergeField::How::kReplace;
    const auto found = to.find(name);
    const bool is_alike = found != to.end() && found->type() == value.type() && !replaces;
    if (value.is_object()) {
      json& target = to[name];
      if (!is_alike) target = json::object();
      return merge_map(value, field != nullptr ? field->fields : Fields(), here, target);
    }
    if (value.is_array() && field != nullptr && !replaces) {
      json& target = to[name];
      if (!is_alike) target = json::array();
      const auto order = patch.find(std::string(kOrder) + name);
      return merge_list(value, *field, order != patch.end() ? &*order : nullptr, here, target);
    }
    to[name] = value;
    return true;
  }

  bool take_out(const std::string& name, const json& value, const std::string& path, json& to) {
    if (!value.is_array()) return fail(below(path, name), "what is to go is a list of values");
    const auto list = to.find(name.substr(kDeletions.size()));
    if (list == to.end() || !list->is_array()) return true;
    erase_if(*list, [&](const json& item) { return contains(value, item); });
    return true;
  }

  bool put_in_order(const std::string& name, const json& order, Fields fields, const std::string& path,
                    json& to) {
    if (!order.is_array()) return fail(below(path, std::string(kOrder) + name), "an order is a list");
    const MergeField* field = find_field(fields, name);
    const auto list = to.find(name);
    if (list == to.end() || !list->is_array() || field == nullptr) return true;
    *list = ordered(*list, order, *list, *field);
    return true;
  }

  // All items are in `order`, one after the other.
  static bool has_order(const json& items, const json& order, const MergeField& list) {
    std::size_t next = 0;
    for (const json& item : items) {
      const json identity = identity_of(item, list);
      if (identity.is_null()) continue;  // a directive for the whole list
      const auto at = position_of(identity, order, list);
      if (!at || *at < next) return false;
      next = *at + 1;
    }
    return true;
  }

  bool merge_list(const json& patch, const MergeField& list, const json* order, const std::string& path,
                  json& to) {
    const json before = to;
    json changes = json::array();
    if (!take_special_items(patch, list, path, to, changes)) return false;
    if (order != nullptr && !has_order(patch, *order, list)) {
      return fail(path, fmt::format("the items do not stand in the order of `{}{}`", kOrder, list.name));
    }
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const json identity = identity_of(changes[i], list);
      const auto at = position_of(identity, to, list);
      if (list.key.empty()) {
        if (!at) to.push_back(changes[i]);
        continue;
      }
      json& target = at ? to[*at] : to.emplace_back(json::object());
      if (!merge_map(changes[i], list.fields, path, target)) return false;
    }
    to = ordered(to, changes, before, list);
    if (order != nullptr) to = ordered(to, *order, before, list);
    return true;
  }

  // Deletes, and empties the list if it is to be replaced. `changes` are the other items.
  bool take_special_items(const json& patch, const MergeField& list, const std::string& path, json& to,
                          json& changes) {
    for (std::size_t i = 0; i < patch.size(); ++i) {
      const json& item = patch[i];
      const std::string here = fmt::format("{}[{}]", path, i);
      if (list.key.empty()) {
        changes.push_back(item);
        continue;
      }
      if (!item.is_object()) return fail(here, "the items of this list are objects");
      const auto directive = item.find(kDirective);
      if (directive != item.end() && *directive == "replace") {
        to = json::array();
        continue;
      }
      const json identity = identity_of(item, list);
      if (identity.is_null()) {
        return fail(here,
                    fmt::format("an item of this list is found by its `{}`, which it has not", list.key),
                    fmt::format("add `{}`", list.key));
      }
      if (directive == item.end()) {
        changes.push_back(item);
      } else if (*directive == "delete") {
        erase_if(to, [&](const json& one) { return identity_of(one, list) == identity; });
      } else {
        return bad_directive(here, *directive);
      }
    }
    return true;
  }

  Failure failure_;
};

}  // namespace

Result<void> merge_strategically(const json& patch, Fields fields, json& document) {
  if (!patch.is_object()) {
    return std::unexpected(Failure{
        .field = "", .message = "a patch is an object, as a part of what it changes", .suggestion = ""});
  }
  json changed = document;
  Merger merger;
  if (!merger.merge_map(patch, fields, "", changed)) return std::unexpected(std::move(merger.failure()));
  document = std::move(changed);
  return {};
}

}  // namespace sluice::patch
