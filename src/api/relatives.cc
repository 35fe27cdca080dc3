#include "api/relatives.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/listing.h"
#include "schema/type.h"

namespace sluice::api {
namespace {

using Kind = schema::Type::Kind;

// What stands at a path as those of problems, "spec.rules[0].matches", in another kind; nullptr where that
// has nothing there.
const schema::Type* type_at(const schema::Type& root, std::string_view path) {
  const schema::Type* type = &root;
  while (type != nullptr && !path.empty()) {
    if (path.front() == '.') path.remove_prefix(1);
    const bool in_brackets = path.starts_with('[');
    const std::size_t end = in_brackets ? path.find(']') : path.find_first_of(".[");
    const std::string_view step = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : in_brackets ? end + 1 : end);
    if (type->kind == (in_brackets ? Kind::kList : Kind::kMap)) {
      type = type->item.get();
    } else if (in_brackets || type->kind != Kind::kObject) {
      type = nullptr;
    } else {
      const schema::Field* const field = type->find(step);
      type = field == nullptr || field->is_ignored ? nullptr : field->type.get();
    }
  }
  return type;
}

bool is_scalar(Kind kind) {
  return kind != Kind::kObject && kind != Kind::kMap && kind != Kind::kList && kind != Kind::kAny;
}

// The value has the form of the type, as far as that is seen from outside: what fields it has, not what is in
// them.
bool fits(const schema::Type& type, const Tree& value) {
  if (value.is_map()) {
    return type.kind == Kind::kMap || (type.kind == Kind::kObject &&
                                       std::ranges::all_of(value.members(), [&type](const Tree::Member& m) {
                                         return type.find(m.key) != nullptr;
                                       }));
  }
  if (value.is_list()) {
    return type.kind == Kind::kList && (value.items().empty() || fits(*type.item, value.items().front()));
  }
  return is_scalar(type.kind);
}

// It has fields by which to tell whose it is.
bool has_fields(const Tree& value) {
  if (value.is_list()) return !value.items().empty() && has_fields(value.items().front());
  return value.is_map() && !value.members().empty();
}

bool has_value(const schema::Type& type, const Tree& value) {
  return type.kind == Kind::kString && value.is_string() &&
         std::ranges::find(type.values, value.as_string()) != type.values.end();
}

// "Route" of HTTPRoute, "Policy" of BackendTLSPolicy.
std::string_view sort_of(std::string_view kind) {
  const std::size_t at = kind.find_last_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return at == std::string_view::npos ? kind : kind.substr(at);
}

// "HTTPRoute, GRPCRoute and TLSRoute have".
std::string who_have(const std::vector<std::string_view>& kinds, std::string_view one,
                     std::string_view many) {
  constexpr std::size_t kMost = 3;
  std::vector<std::string> shown(kinds.begin(), kinds.end());
  if (shown.size() > kMost) {
    shown.resize(kMost - 1);
    shown.push_back(fmt::format("{} other kinds", kinds.size() - shown.size()));
  }
  return fmt::format("{} {}", listing(shown, " and "), kinds.size() == 1 ? one : many);
}

class Relatives {
 public:
  explicit Relatives(const GroupKind& kind) : kind_(kind) {}

  // Those kinds whose type at `path` is what is wanted: relatives, or others.
  template <typename Wanted>
  std::vector<std::string_view> find(std::string_view path, bool relatives, const Wanted& wanted) const {
    std::vector<std::string_view> found;
    for (const KindInfo& other : kinds()) {
      const bool is_same = other.group == kind_.group() && other.kind == kind_.kind();
      const bool is_relative = other.group == kind_.group() || sort_of(other.kind) == sort_of(kind_.kind());
      if (is_same || is_relative != relatives) continue;
      const schema::Type* const type = type_at(type_of(other, other.versions.front()), path);
      if (type != nullptr && wanted(*type)) found.push_back(other.kind);
    }
    return found;
  }

  std::string of_unknown_field(const std::string& path, const Tree& value) const {
    const auto fitting = [&value](const schema::Type& type) { return fits(type, value); };
    std::vector<std::string_view> found = find(path, true, fitting);
    if (found.empty() && has_fields(value)) found = find(path, false, fitting);
    if (found.empty()) found = find(path, true, [](const schema::Type&) { return true; });
    if (found.empty()) return "";
    return fmt::format("{} it, and {} does not", who_have(found, "has", "have"), kind_.kind());
  }

  std::string of_wrong_type(const std::string& path, const Tree& value) const {
    const std::vector<std::string_view> found = find(path, true, [&value](const schema::Type& type) {
      return has_value(type, value) || (has_fields(value) && fits(type, value));
    });
    if (found.empty()) return "";
    return fmt::format("{} it so, and {} does not", who_have(found, "has", "have"), kind_.kind());
  }

  std::string of_unknown_value(const std::string& path, const Tree& value) const {
    const std::vector<std::string_view> found =
        find(path, true, [&value](const schema::Type& type) { return has_value(type, value); });
    if (found.empty()) return "";
    return fmt::format("{} it, and {} does not", who_have(found, "takes", "take"), kind_.kind());
  }

 private:
  const GroupKind& kind_;
};

}  // namespace

void suggest_relatives(const Tree& document, const GroupKind& kind, std::vector<Problem>& problems) {
  const Relatives relatives(kind);
  for (Problem& problem : problems) {
    if (!problem.suggestion.empty()) continue;
    const Tree* const value = document.at(problem.path);
    if (value == nullptr) continue;
    if (problem.code == "schema/unknown-field") {
      problem.suggestion = relatives.of_unknown_field(problem.path, *value);
    } else if (problem.code == "schema/wrong-type") {
      problem.suggestion = relatives.of_wrong_type(problem.path, *value);
    } else if (problem.code == "schema/enum") {
      problem.suggestion = relatives.of_unknown_value(problem.path, *value);
    }
  }
}

}  // namespace sluice::api
