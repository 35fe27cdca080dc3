#include "schema/check.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/closest.h"
#include "base/letter_case.h"
#include "base/quote.h"
#include "schema/cel/cel.h"
#include "schema/codec.h"
#include "schema/engine.h"
#include "schema/path.h"
#include "schema/plain_check.h"

namespace sluice::schema {

namespace {

using Kind = Type::Kind;

// A tree with more problems is another kind's, or no one's: the rest of them would help nobody.
constexpr std::size_t kMaxProblems = 100;
// How far around a misplaced field its place is looked for.
constexpr int kMaxSearchDepth = 3;

// Values with such a problem are not what rules expect to see: a rule's message about a misspelt field would
// lead astray. With another form or size they are.
constexpr std::string_view kShapeCodes[] = {"schema/unknown-field", "schema/wrong-type", "schema/required",
                                            "schema/enum",          "schema/items",      "schema/duplicate"};

// Of problems that a Rule's `fault` finds.
constexpr std::string_view kValueCode = "value/";

// A scalar as it could be written, or empty.
std::string scalar_text(const Tree& tree) {
  switch (tree.type()) {
    case Tree::Type::kBool:
      return tree.as_bool() ? "true" : "false";
    case Tree::Type::kInt:
      return fmt::format("{}", tree.as_int());
    case Tree::Type::kFloat:
      return fmt::format("{}", tree.as_float());
    case Tree::Type::kString:
      return tree.as_string();
    case Tree::Type::kNull:
    case Tree::Type::kList:
    case Tree::Type::kMap:
      break;
  }
  return "";
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// "`a`, `b` or `c`".
template <typename Range>
std::string alternatives(const Range& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += i + 1 == values.size() ? " or " : ", ";
    text += fmt::format("`{}`", values[i]);
  }
  return text;
}

std::string wanted_form(const Pattern& pattern) {
  return pattern.meaning.empty() ? fmt::format("a match of `{}`", pattern.regex)
                                 : std::string(pattern.meaning);
}

bool is_absent(const Tree* value, const Type& type) {
  return value == nullptr || (value->is_null() && !type.is_nullable && type.kind != Kind::kAny);
}

class Checker {
 public:
  // `engine` may be null where no Type has a pattern or a rule in CEL.
  Checker(std::vector<Problem>* problems, Effort effort, const Engine* engine)
      : problems_(problems), first_(problems->size()), effort_(effort), engine_(engine) {}

  void check(const Path& path) {
    if (is_full()) return;
    const Type& type = *path.type;
    if (path.tree->is_null() && type.is_nullable) return;
    const bool secret_outside = secret_;
    secret_ = secret_ || type.is_secret;
    const std::size_t before = shapeless_;
    const std::size_t wrong = problems_->size();
    switch (type.kind) {
      case Kind::kAny:
        break;
      case Kind::kObject:
        if (path.tree->is_map()) {
          check_object(path);
        } else {
          wrong_type(path);
        }
        break;
      case Kind::kMap:
        if (path.tree->is_map()) {
          check_map(path);
        } else {
          wrong_type(path);
        }
        break;
      case Kind::kList:
        if (path.tree->is_list()) {
          check_list(path);
        } else {
          wrong_type(path);
        }
        break;
      case Kind::kString:
        check_string(path);
        break;
      case Kind::kBool:
        if (path.tree->type() != Tree::Type::kBool) wrong_type(path);
        break;
      case Kind::kInteger:
        check_integer(path);
        break;
      case Kind::kNumber:
        if (path.tree->type() != Tree::Type::kInt && path.tree->type() != Tree::Type::kFloat)
          wrong_type(path);
        break;
      case Kind::kIntOrString:
        check_int_or_string(path);
        break;
    }
    if (shapeless_ == before) {
      const std::size_t first = problems_->size();
      for (const Rule& rule : type.rules) {
        check_rule(path, rule, wrong < first);
        forget_repeated(first);
      }
    }
    secret_ = secret_outside;
  }

  // Forgets that fields are missing which are there, in another place or under another name. True when
  // nothing is wrong with the tree's form.
  bool finish() {
    const auto ours = problems_->begin() + static_cast<std::ptrdiff_t>(first_);
    problems_->erase(std::remove_if(ours, problems_->end(),
                                    [this](const Problem& problem) {
                                      return problem.code == "schema/required" &&
                                             explained_.contains(problem.path);
                                    }),
                     problems_->end());
    // What a merge key or an alias stands for is in several places, and written in one.
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::string, std::string>> said;
    problems_->erase(
        std::remove_if(problems_->begin() + static_cast<std::ptrdiff_t>(first_), problems_->end(),
                       [&said](const Problem& problem) {
                         return problem.where.line != 0 &&
                                !said.emplace(problem.where.line, problem.where.column, problem.code,
                                              problem.message)
                                     .second;
                       }),
        problems_->end());
    return !was_full_ &&
           std::all_of(problems_->begin() + static_cast<std::ptrdiff_t>(first_), problems_->end(),
                       [](const Problem& problem) { return problem.code.starts_with(kValueCode); });
  }

 private:
  bool is_full() {
    was_full_ =
        was_full_ || problems_->size() - first_ >= kMaxProblems || (effort_ == Effort::kBrief && is_refused_);
    return was_full_;
  }

  Problem& report(const Path& path, std::string code, std::string message, std::string suggestion = {}) {
    Problem& problem = problems_->emplace_back();
    if (std::ranges::find(kShapeCodes, code) != std::end(kShapeCodes)) ++shapeless_;
    is_refused_ = is_refused_ || !code.starts_with(kValueCode);
    problem.code = std::move(code);
    problem.where.line = path.tree->line();
    problem.where.column = path.tree->column();
    problem.path = path.to_string();
    problem.message = std::move(message);
    problem.suggestion = std::move(suggestion);
    return problem;
  }

  // Rules of one name say the same of different values: "needs an address", "has exactly one address". Of
  // those that blame one place the first is enough.
  void forget_repeated(std::size_t first) {
    if (problems_->size() <= first + 1) return;
    const Problem& last = problems_->back();
    const auto begin = problems_->begin() + static_cast<std::ptrdiff_t>(first);
    const bool repeated = std::any_of(begin, problems_->end() - 1, [&last](const Problem& problem) {
      return problem.code == last.code && problem.path == last.path;
    });
    if (repeated) problems_->pop_back();
  }

  // The place of `other` beside that of the problem.
  static void relate(Problem& problem, const Path& other, std::string message) {
    Related& related = problem.also.emplace_back();
    related.where.line = other.tree->line();
    related.where.column = other.tree->column();
    related.path = other.to_string();
    related.message = std::move(message);
  }

  // `is_wrong`: something else is wrong with the value. A rule that cannot be told then, as that of two
  // durations of which one is none, has nothing to add.
  void check_rule(const Path& path, const Rule& rule, bool is_wrong) {
    const Value self(path.tree, path.type);
    if (rule.fault != nullptr) {
      const std::optional<Fault> fault = rule.fault(self);
      if (fault) report(path, std::string(kValueCode) + rule.name, fault->message, fault->suggestion);
      return;
    }
    cel::Verdict verdict;
    if (rule.program != nullptr) {
      verdict = engine_->evaluate(*rule.program, self);
    } else {
      verdict.holds = rule.holds(self);
    }
    if (verdict.holds || (is_wrong && !verdict.error.empty())) return;
    Problem& problem = report(path, "schema/" + rule.name, rule.message, rule.suggestion);
    if (!verdict.error.empty() && !secret_) problem.message += ": " + verdict.error;
    const Tree* blamed = path.tree;
    const auto step_to = [&](const std::string& below) {
      if (below.empty()) return;
      if (!problem.path.empty() && below.front() != '[') problem.path += '.';
      problem.path += below;
      const Tree* const next = blamed == nullptr ? nullptr : blamed->at(below);
      if (next != nullptr && next->line() != 0) {
        problem.where.line = next->line();
        problem.where.column = next->column();
      }
      blamed = next;
    };
    if (rule.program != nullptr) {
      const cel::Culprit culprit = engine_->culprit(*rule.program, self);
      if (culprit.item != nullptr) step_to(path_below(*path.tree, culprit.item));
      if (culprit.earlier != nullptr) {
        const std::string below = path_below(*path.tree, culprit.earlier);
        Related& related = problem.also.emplace_back();
        related.where.line = culprit.earlier->line();
        related.where.column = culprit.earlier->column();
        related.path = below.front() == '[' || path.parent == nullptr ? path.to_string() + below
                                                                      : path.to_string() + "." + below;
        related.message = "the earlier one is here";
      }
    }
    step_to(rule.blame);
    if (problem.suggestion.empty() && blamed != nullptr && blamed->is_string() && !secret_) {
      problem.suggestion =
          did_you_mean(closest(blamed->as_string(), {rule.choices.begin(), rule.choices.end()}));
    }
  }

  // " `x`" or, for secrets, nothing.
  std::string shown(std::string_view text) const { return secret_ ? "" : " " + quote(text); }

  void wrong_type(const Path& path) {
    const Tree& tree = *path.tree;
    const Kind wanted = path.type->kind;
    const std::string text = scalar_text(tree);
    std::string found(words_for(tree.type()));
    if (!text.empty()) {
      if (tree.is_string()) found = "the string";
      if (tree.type() == Tree::Type::kInt || tree.type() == Tree::Type::kFloat) found = "the number";
      if (tree.type() == Tree::Type::kBool) found = "the boolean";
      if (secret_) {
        found = words_for(tree.type());
      } else {
        found += shown(text);
      }
    }
    const Tree::Member* const key = key_of(path);
    report(path, "schema/wrong-type", fmt::format("expected {}, found {}", words_for(wanted), found),
           type_suggestion(tree, *path.type, text, key != nullptr && key->line == tree.line()));
  }

  bool takes(const Type& type, std::string_view text) const {
    return type.regex == nullptr || engine_->found(*type.regex, text);
  }

  // A form of the text that the type takes, if a small change makes one.
  std::string mended_form(const Type& type, const std::string& text) const {
    // What is written in place of what is meant, in the order in which it is tried.
    struct Mend {
      const char* pattern;
      const char* replacement;
    };
    static constexpr Mend kMends[] = {
        {R"(^([a-z0-9.-]+)/v[0-9][a-z0-9]*$)", R"(\1)"},    // an apiVersion for a group
        {"^([0-9]+)$", R"(\1s)"},                           // a number for a duration
        {R"(^([0-9]+) *(?:s|secs?|seconds?)$)", R"(\1s)"},  // … and other units
        {R"(^([0-9]+) *(?:m|mins?|minutes?)$)", R"(\1m)"},
        {R"(^([0-9]+) *(?:h|hrs?|hours?)$)", R"(\1h)"},
        {R"(^([0-9]+) *(?:ms|millis(?:econds)?)$)", R"(\1ms)"},
        {R"(^[ \t]*(.*?)[ \t:/.]+$)", R"(\1)"},                       // something behind it
        {R"(^[a-z]+://([^/:?#]+)(?:[:/?#].*)?$)", R"(\1)"},           // a URL for a host
        {R"(^([^/:?#]+\.[^/:?#]+)/.*$)", R"(\1)"},                    // a host with a path
        {R"(^(.+):[0-9]+$)", R"(\1)"},                                // a host with a port
        {R"(^([^/:]+(?:\.[^/:]+)+(?::[0-9]+)?)$)", R"(https://\1)"},  // a host for an origin
    };
    if (text.empty() || takes(type, text)) return "";
    std::string lower = lower_case(text);
    if (lower != text && takes(type, lower)) return lower;
    if (lower.contains('_')) {
      std::string dashed = lower;
      std::ranges::replace(dashed, '_', '-');
      if (takes(type, dashed)) return dashed;
    }
    // Names take a letter more, too: a number is meant to be a duration where it is none as it stands.
    for (const Mend& mend : kMends) {
      std::string form = lower;
      if (engine_->replace(&form, mend.pattern, mend.replacement) && form != text && takes(type, form))
        return form;
    }
    return "";
  }

  // A string in flow style: as it is, in quotes, or empty where it takes more than that or is long.
  static std::string flow_text(const std::string& text) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";
    constexpr std::string_view kMore = "-0123456789.~$+=@?*()|;";  // not at the beginning
    static constexpr std::string_view kNoStrings[] = {"true", "false", "null", "yes", "no",
                                                      "on",   "off",   "y",    "n"};
    constexpr std::size_t kMaxFlow = 60;
    if (text.size() > kMaxFlow) return "";
    const std::string lower = lower_case(text);
    const auto begins = [&](char c) { return kLetters.contains(c) || c == '/' || c == '_' || c == '^'; };
    const bool plain = !text.empty() && begins(lower.front()) &&
                       std::ranges::all_of(lower, [&](char c) { return begins(c) || kMore.contains(c); });
    if (plain && std::ranges::find(kNoStrings, lower) == std::end(kNoStrings)) return text;
    return text.find_first_of("\"\\") == std::string::npos ? fmt::format("\"{}\"", text) : "";
  }

  // A scalar as an item of this type: itself, or the value of the one field that an object cannot do without;
  // or, where there is none of these, of its field `value`, with what goes beside it by default.
  static std::string item_text(const Type& item, const std::string& text) {
    if (item.kind != Kind::kObject) return text;
    const std::string value = flow_text(text);
    const Field* needed = nullptr;
    for (const Field& field : item.fields) {
      if (!field.is_required || field.default_value) continue;
      if (needed != nullptr || field.type->kind != Kind::kString) return "";
      needed = &field;
    }
    if (needed == nullptr) needed = item.find("value");
    if (needed == nullptr || needed->type->kind != Kind::kString || value.empty()) return "";
    const Field* const type = item.find("type");
    const bool has_default = type != nullptr && type->default_value && type->default_value->is_string();
    return has_default
               ? fmt::format("{{type: {}, {}: {}}}", type->default_value->as_string(), needed->name, value)
               : fmt::format("{{{}: {}}}", needed->name, value);
  }

  // `{x-a: b}` where a list of names with values is wanted: `[{name: x-a, value: b}]`. Empty for other maps.
  static std::string list_of_names(const Tree& map, const Type& item) {
    constexpr std::size_t kShown = 2;
    if (item.kind != Kind::kObject || map.members().empty()) return "";
    for (const char* name : {"name", "value"}) {
      const Field* const field = item.find(name);
      if (field == nullptr || !field->is_required || field->type->kind != Kind::kString) return "";
    }
    std::string text;
    for (std::size_t i = 0; i < map.members().size(); ++i) {
      const Tree::Member& member = map.members()[i];
      const std::string value = scalar_text(member.value);
      const std::string name = flow_text(member.key);
      const std::string shown = member.value.is_string() ? flow_text(value) : fmt::format("\"{}\"", value);
      if (value.empty() || name.empty() || shown.empty() || item.find(member.key) != nullptr) return "";
      if (i == kShown) return fmt::format("write a list: `[{}, …]`", text);
      if (i > 0) text += ", ";
      text += fmt::format("{{name: {}, value: {}}}", name, shown);
    }
    return fmt::format("write a list: `[{}]`", text);
  }

  // `on_line_of_key`: a map or list that begins there is in flow style.
  std::string type_suggestion(const Tree& tree, const Type& type, const std::string& text,
                              bool on_line_of_key) const {
    const Kind wanted = type.kind;
    // Nobody copies what cannot be shown as it is.
    if (!secret_ && quote(text) != fmt::format("`{}`", text)) return "";
    if (wanted == Kind::kString && !text.empty()) {
      if (secret_) return "write it in quotes";
      if (takes(type, text)) return fmt::format("write it in quotes: `\"{}\"`", text);
      const std::string mended = mended_form(type, text);
      return mended.empty() ? "" : fmt::format("write `{}`", mended);
    }
    if (tree.is_string() && !secret_) {
      if (wanted == Kind::kBool) {
        for (const std::string_view yes : {"true", "yes", "on", "y"}) {
          if (folded(text) == yes) return "write `true`";
        }
        for (const std::string_view no : {"false", "no", "off", "n"}) {
          if (folded(text) == no) return "write `false`";
        }
      }
      if (wanted == Kind::kInteger || wanted == Kind::kNumber) {
        std::int64_t value = 0;
        const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && stop == text.data() + text.size()) {
          return fmt::format("write it without quotes: `{}`", text);
        }
        // "50%", "80/TCP".
        if (error == std::errc() && std::string_view("%/ ").contains(*stop)) {
          return fmt::format("write `{}`", value);
        }
      }
    }
    if (wanted == Kind::kList && tree.is_map()) {
      const std::string list = secret_ ? "" : list_of_names(tree, *type.item);
      if (!list.empty()) return list;
      return on_line_of_key ? "put it into a list: `[{…}]`" : "begin each item with `- `";
    }
    if (wanted == Kind::kList && !text.empty()) {
      if (secret_) return "write a list";
      const std::string item = item_text(*type.item, text);
      return item.empty() ? "" : fmt::format("write a list: `[{}]`", item);
    }
    if (wanted == Kind::kObject && tree.is_string() && !secret_) {
      const std::string item = item_text(type, text);
      return item.empty() ? "" : fmt::format("write `{}`", item);
    }
    if ((wanted == Kind::kObject || wanted == Kind::kMap) && tree.is_list() && tree.items().size() == 1 &&
        tree.items()[0].is_map()) {
      return "remove the `- `";
    }
    return "";
  }

  void check_object(const Path& path) {
    const Type& type = *path.type;
    std::optional<FieldNames> names;
    for (const Tree::Member& member : path.tree->members()) {
      const Field* const field = type.find(member.key);
      if (field == nullptr) {
        if (type.preserves_unknown) continue;
        if (is_full()) return;
        if (!names) names = names_of(path);
        unknown_field(path, member, *names);
        continue;
      }
      if (field->is_ignored || is_absent(&member.value, *field->type)) continue;
      check({.parent = &path, .name = field->name, .tree = &member.value, .type = field->type.get()});
    }
    for (const Field& field : type.fields) {
      if (!field.is_required || field.is_ignored || field.default_value) continue;
      if (!is_absent(path.tree->find(field.name), *field.type)) continue;
      const Path missing{.parent = &path, .name = field.name, .tree = path.tree, .type = field.type.get()};
      const std::string where = path.to_string();
      Problem& problem = report(missing, "schema/required",
                                where.empty() ? fmt::format("missing field `{}`", field.name)
                                              : fmt::format("missing field `{}` in `{}`", field.name, where),
                                missing_suggestion(field));
      if (const Tree::Member* const key = key_of(path)) {
        problem.where.line = key->line;
        problem.where.column = key->column;
      }
    }
  }

  // The member of a map that leads here; none at the root and of items.
  static const Tree::Member* key_of(const Path& path) {
    if (path.parent == nullptr || !path.parent->tree->is_map()) return nullptr;
    for (const Tree::Member& member : path.parent->tree->members()) {
      if (&member.value == path.tree) return &member;
    }
    return nullptr;
  }

  static std::string missing_suggestion(const Field& field) {
    if (!field.if_missing.empty() || field.type->values.empty()) return field.if_missing;
    const std::vector<std::string>& values = field.type->values;
    return values.size() == 1 ? fmt::format("add `{}: {}`", field.name, values[0])
                              : fmt::format("add `{}`: it is {}", field.name, alternatives(values));
  }

  // The fields that an object lacks and has: a misspelt field is first looked for among the former.
  struct FieldNames {
    std::vector<std::string_view> absent;
    std::vector<std::string_view> present;
  };

  static FieldNames names_of(const Path& path) {
    FieldNames names;
    for (const Field& field : path.type->fields) {
      (path.tree->find(field.name) == nullptr ? names.absent : names.present).push_back(field.name);
    }
    return names;
  }

  void unknown_field(const Path& path, const Tree::Member& member, const FieldNames& names) {
    Near near;
    Home home;
    if (effort_ == Effort::kFull) {
      near = nearest(member.key, names.absent);
      if (near.word.empty()) near = nearest(member.key, names.present);
      if (near.word.empty()) near.word = called_otherwise(*path.type, member.key);
      if (near.word.empty() || near.distance > 1) home = find_home(path, member.key);
      if (home.suggestion.empty() && near.word.empty()) near.word = containing(member.key, names.absent);
    }
    std::string suggestion = home.suggestion;
    if (home.field != nullptr) {
      explain(home.path, member.key);
    } else if (!suggestion.empty()) {
      near.word = {};
    } else if (!near.word.empty()) {
      suggestion = did_you_mean(near.word);
      explain(path.to_string(), near.word);
    }
    Problem& problem = report(path, "schema/unknown-field",
                              fmt::format("unknown field {}", quote(member.key)), std::move(suggestion));
    const Path here{.parent = &path, .name = member.key, .is_key = true};
    problem.path = here.to_string();
    problem.where.line = member.line;
    problem.where.column = member.column;
    // It is looked through where it stands, so that nothing is wrong with it once it is moved.
    if (home.field == nullptr || is_absent(&member.value, *home.field->type)) return;
    check({.parent = &path,
           .name = member.key,
           .tree = &member.value,
           .type = home.field->type.get(),
           .is_key = true});
  }

  // The field of the object is there, and so is each object that it would be in.
  void explain(const std::string& object, std::string_view field) {
    std::string path = object.empty() ? std::string(field) : fmt::format("{}.{}", object, field);
    while (!path.empty()) {
      explained_.insert(path);
      const std::size_t end = path.find_last_of(".[");
      path.resize(end == std::string::npos ? 0 : end);
    }
  }

  // The field that has this name elsewhere.
  static std::string_view called_otherwise(const Type& type, std::string_view name) {
    for (const Field& field : type.fields) {
      const auto is_it = [name](std::string_view other) { return folded(other) == folded(name); };
      if (std::ranges::any_of(field.other_names, is_it)) return field.name;
    }
    return {};
  }

  static std::string level_words(int levels) {
    constexpr std::string_view kWords[] = {"", "one level", "two levels", "three levels"};
    return levels <= 3 ? std::string(kWords[levels]) : fmt::format("{} levels", levels);
  }

  // Where a field would be right.
  struct Home {
    std::string path;  // of the object
    const Field* field = nullptr;
    std::string suggestion;
  };

  // The one near `path` for a field of this name, or none.
  static Home find_home(const Path& path, std::string_view name) {
    Home home;
    for (int depth = 1; depth <= kMaxSearchDepth; ++depth) {
      const int count = count_homes(*path.type, path.tree, name, depth, "", &home);
      if (count > 1) return {};
      if (count == 0) continue;
      home.suggestion =
          fmt::format("`{}` belongs {} deeper, inside `{}`", name, level_words(depth), home.path);
      const std::string here = path.to_string();
      if (!here.empty()) home.path = fmt::format("{}.{}", here, home.path);
      return home;
    }
    int levels = 0;
    const Path* beside = &path;  // the member of *outer that leads here
    for (const Path* outer = path.parent; outer != nullptr; beside = outer, outer = outer->parent) {
      if (outer->type->kind != Kind::kObject) continue;
      ++levels;
      const std::string outer_path = outer->to_string();
      if (const Field* const field = outer->type->find(name)) {
        if (beside->name == name) {
          return {.suggestion = fmt::format("all of this is in `{}` already", beside->to_string())};
        }
        return {
            outer_path, field,
            fmt::format("`{}` belongs {} up, beside `{}`", name, level_words(levels), beside->to_string())};
      }
      for (int depth = 1; depth < kMaxSearchDepth; ++depth) {
        const int count = count_homes(*outer->type, outer->tree, name, depth, outer_path, &home);
        if (count > 1) return {};
        if (count == 0) continue;
        home.suggestion = fmt::format("`{}` belongs in `{}`", name, home.path);
        return home;
      }
    }
    return {};
  }

  // How many objects exactly `depth` levels below have a field of this name; *home gets the path and field of
  // the last one found. Objects that the text has come before those that it might have had.
  static int count_homes(const Type& type, const Tree* tree, std::string_view name, int depth,
                         const std::string& prefix, Home* home) {
    int written = 0;
    int unwritten = 0;
    Home unwritten_home;
    for (const Field& field : type.fields) {
      const Type* below = field.type.get();
      const Tree* value = tree == nullptr ? nullptr : tree->find(field.name);
      std::string here = prefix.empty() ? field.name : prefix + "." + field.name;
      if (below->kind == Kind::kList) {
        below = below->item.get();
        value =
            value != nullptr && value->is_list() && !value->items().empty() ? value->items().data() : nullptr;
        here += "[0]";
      }
      if (below->kind != Kind::kObject) continue;
      int found = 0;
      Home place;
      if (depth > 1) {
        found = count_homes(*below, value, name, depth - 1, here, &place);
      } else if (const Field* const fitting = below->find(name)) {
        found = 1;
        place = {here, fitting, ""};
      }
      if (found == 0) continue;
      if (value != nullptr) {
        written += found;
        *home = place;
      } else {
        unwritten += found;
        unwritten_home = place;
      }
    }
    if (written > 0) return written;
    if (unwritten > 0) *home = unwritten_home;
    return unwritten;
  }

  void check_map(const Path& path) {
    const Type& type = *path.type;
    const std::vector<Tree::Member>& members = path.tree->members();
    check_size(path, members.size(), "entry", "entries");
    for (const Tree::Member& member : members) {
      if (is_full()) return;
      const Path here{.parent = &path,
                      .name = member.key,
                      .tree = &member.value,
                      .type = type.item.get(),
                      .is_key = true};
      if (type.key_regex != nullptr && !engine_->found(*type.key_regex, member.key)) {
        Problem& problem = report(
            here, "schema/pattern",
            fmt::format("invalid key {}: expected {}", quote(member.key), wanted_form(*type.key_pattern)));
        problem.where.line = member.line;
        problem.where.column = member.column;
      }
      if (!is_absent(&member.value, *type.item)) check(here);
    }
  }

  void check_size(const Path& path, std::size_t size, std::string_view one, std::string_view many) {
    const Type& type = *path.type;
    const auto noun = [&](std::size_t count) { return count == 1 ? one : many; };
    if (type.min_size && size < *type.min_size) {
      report(path, "schema/items",
             size == 0 ? fmt::format("the {} is empty, at least {} {} {} needed",
                                     path.type->kind == Kind::kList ? "list" : "map", *type.min_size,
                                     noun(*type.min_size), *type.min_size == 1 ? "is" : "are")
                       : fmt::format("{} {}, at least {} are needed", size, noun(size), *type.min_size));
    }
    if (type.max_size && size > *type.max_size) {
      report(path, "schema/items",
             fmt::format("{} {}, at most {} {} allowed", size, noun(size), *type.max_size,
                         *type.max_size == 1 ? "is" : "are"));
    }
  }

  void check_list(const Path& path) {
    const Type& type = *path.type;
    const std::vector<Tree>& items = path.tree->items();
    check_size(path, items.size(), "item", "items");
    for (std::size_t i = 0; i < items.size(); ++i) {
      check({.parent = &path, .index = i, .tree = &items[i], .type = type.item.get()});
    }
    if (type.list_kind == ListKind::kAtomic || items.size() < 2) return;
    std::unordered_map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < items.size() && !is_full(); ++i) {
      std::string words;
      const std::string key = list_key(items[i], type, &words);
      if (key.empty()) continue;
      const auto [first, inserted] = seen.emplace(key, i);
      if (inserted) continue;
      const Path item{.parent = &path, .index = i, .tree = &items[i], .type = type.item.get()};
      Problem& problem =
          report(item, "schema/duplicate",
                 type.list_kind == ListKind::kSet ? fmt::format("{} stands twice in the list", words)
                                                  : fmt::format("a second item with {}", words));
      relate(problem, {.parent = &path, .index = first->second, .tree = &items[first->second]},
             "the first one is here");
    }
  }

  // What makes the item the same as another, and how to say it: "`name` `web`".
  std::string list_key(const Tree& item, const Type& type, std::string* words) const {
    if (type.list_kind == ListKind::kSet) {
      const std::string text = scalar_text(item);
      *words = secret_ ? "a value" : quote(text);
      return text.empty() ? "" : fmt::format("{}:{}", static_cast<int>(item.type()), text);
    }
    std::string key;
    const Value value(&item, type.item.get());
    for (const std::string& name : type.list_keys) {
      const Value part = value[name];
      const std::string text = part.tree() == nullptr ? "" : scalar_text(*part.tree());
      if (!words->empty()) *words += " and ";
      *words += fmt::format("`{}` {}", name,
                            text.empty() ? "unset"
                            : secret_    ? "of the same value"
                                         : quote(text));
      key += fmt::format("{}:{};", text.size(), text);
    }
    return key;
  }

  void check_string(const Path& path) {
    const Type& type = *path.type;
    if (!path.tree->is_string()) return wrong_type(path);
    const std::string& text = path.tree->as_string();
    if (!type.values.empty() &&
        std::find(type.values.begin(), type.values.end(), text) == type.values.end()) {
      const std::vector<std::string_view> values(type.values.begin(), type.values.end());
      const Near near = nearest(text, values);
      report(path, "schema/enum",
             fmt::format("unknown value{}: expected {}", shown(text), alternatives(values)),
             did_you_mean(near.word.empty() ? containing(text, values) : near.word));
      return;
    }
    if (!check_length(path, text)) return;
    if (!takes(type, text)) {
      const std::string mended = secret_ ? "" : mended_form(type, text);
      report(path, "schema/pattern",
             fmt::format("invalid value{}: expected {}", shown(text), wanted_form(*type.pattern)),
             !mended.empty() ? did_you_mean(mended)
             : text == "*"   ? std::string(type.pattern->of_star)
                             : "");
      return;
    }
    check_format(path, text);
  }

  bool check_length(const Path& path, std::string_view text) {
    const Type& type = *path.type;
    // Bytes are at least as many as code points: most texts need no counting.
    if (type.max_size && text.size() > *type.max_size && code_points(text) > *type.max_size) {
      report(
          path, "schema/length",
          fmt::format("{}, at most {} are allowed", plural(code_points(text), "character"), *type.max_size));
      return false;
    }
    if (type.min_size && text.size() < *type.min_size * 4 && code_points(text) < *type.min_size) {
      report(path, "schema/length",
             text.empty() ? "the value is empty"
                          : fmt::format("{}, at least {} are needed", plural(code_points(text), "character"),
                                        *type.min_size));
      return false;
    }
    return true;
  }

  void check_format(const Path& path, std::string_view text) {
    const std::string& format = path.type->format;
    if (format.empty()) return;
    if (format == "byte" && !decode_base64(text)) {
      report(path, "schema/format", "the value is no base64",
             secret_ ? "encode it, or put it into `stringData` as it is" : "encode it");
    } else if (format == "date-time" && !is_date_time(text)) {
      report(path, "schema/format", fmt::format("invalid value{}: expected an RFC 3339 time", shown(text)),
             "write it as in `2026-01-31T12:00:00Z`");
    }
  }

  static bool is_date_time(std::string_view text) {
    constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
    if (text.size() <= kShape.size()) return false;
    for (std::size_t i = 0; i < kShape.size(); ++i) {
      if (kShape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != kShape[i]) return false;
    }
    text.remove_prefix(kShape.size());
    if (text.starts_with('.')) {
      text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
    }
    return text == "Z" || (text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':');
  }

  void check_integer(const Path& path) {
    const Type& type = *path.type;
    const Tree& tree = *path.tree;
    std::int64_t value = 0;
    if (!store_int64(&value, tree, type)) return is_beyond(tree) ? beyond(path) : wrong_type(path);
    if (!type.int_values.empty()) {
      if (std::find(type.int_values.begin(), type.int_values.end(), value) == type.int_values.end()) {
        report(path, "schema/enum",
               fmt::format("unknown value `{}`: expected {}", value, alternatives(type.int_values)));
      }
      return;
    }
    check_range(path, value);
  }

  // An integer beyond 64 bits, which is read as a float.
  static bool is_beyond(const Tree& tree) {
    return tree.type() == Tree::Type::kFloat && std::isfinite(tree.as_float()) &&
           std::trunc(tree.as_float()) == tree.as_float();
  }

  void beyond(const Path& path) {
    const double value = path.tree->as_float();
    const auto [min, max] = limits_of(*path.type);
    // Beyond this a float may be another than what was written.
    constexpr double kExact = 9007199254740992;
    const std::string text = std::abs(value) < kExact ? fmt::format("{:.0f}", value) : "the number";
    out_of_range(path, text, value < 0, value < 0 ? min : max);
  }

  static std::pair<std::int64_t, std::int64_t> limits_of(const Type& type) {
    std::int64_t min = type.minimum.value_or(std::numeric_limits<std::int64_t>::min());
    std::int64_t max = type.maximum.value_or(std::numeric_limits<std::int64_t>::max());
    if (type.format == "int32") {
      min = std::max<std::int64_t>(min, std::numeric_limits<std::int32_t>::min());
      max = std::min<std::int64_t>(max, std::numeric_limits<std::int32_t>::max());
    }
    return {min, max};
  }

  void out_of_range(const Path& path, const std::string& number, bool small, std::int64_t limit) {
    report(path, "schema/range",
           fmt::format("{} is too {} {} is allowed", secret_ ? "the number" : number,
                       small ? "small: at least" : "large: at most", limit));
  }

  void check_range(const Path& path, std::int64_t value) {
    const auto [min, max] = limits_of(*path.type);
    if (value < min) out_of_range(path, fmt::format("{}", value), true, min);
    if (value > max) out_of_range(path, fmt::format("{}", value), false, max);
  }

  void check_int_or_string(const Path& path) {
    if (path.tree->is_string()) {
      const Type& type = *path.type;
      const std::string& text = path.tree->as_string();
      if (!takes(type, text)) {
        report(path, "schema/pattern",
               fmt::format("invalid value{}: expected {}", shown(text), wanted_form(*type.pattern)));
      }
      return;
    }
    std::int64_t value = 0;
    if (!store_int64(&value, *path.tree, *path.type)) {
      return is_beyond(*path.tree) ? beyond(path) : wrong_type(path);
    }
    check_range(path, value);
  }

  std::vector<Problem>* problems_;
  const std::size_t first_;  // of *problems_ that is ours
  const Effort effort_;
  const Engine* const engine_;
  bool secret_ = false;
  std::size_t shapeless_ = 0;        // problems of kShapeCodes
  bool is_refused_ = false;          // not for values alone
  bool was_full_ = false;            // not all was looked at
  std::set<std::string> explained_;  // paths that a problem has told where to find
};

}  // namespace

bool check_with(const Engine* engine, const Tree& tree, const Type& type, std::vector<Problem>* problems,
                Effort effort) {
  Checker checker(problems, effort, engine);
  checker.check({.tree = &tree, .type = &type});
  return checker.finish();
}

bool check_plain(const Tree& tree, const Type& type, std::vector<Problem>* problems) {
  return check_with(nullptr, tree, type, problems, Effort::kFull);
}

}  // namespace sluice::schema
