#include "schema/reference.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "schema/open_api.h"
#include "tree/write.h"

namespace sluice::schema {

namespace {

using Kind = Type::Kind;

// Text in a cell of a table.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result;
}

std::string alternatives(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    text +=
        fmt::format("{}{}", text.empty() ? "" : ", ", value.empty() ? "\"\"" : fmt::format("`{}`", value));
  }
  return text;
}

// "1 to 16 items", "at most 63 characters".
std::string sizes(const Type& type, std::string_view noun) {
  const std::size_t min = type.min_size.value_or(0);
  if (type.max_size && min > 0) {
    return min == *type.max_size ? fmt::format("{} {}", min, noun)
                                 : fmt::format("{} to {} {}", min, *type.max_size, noun);
  }
  if (type.max_size) return fmt::format("at most {} {}", *type.max_size, noun);
  return min > 0 ? fmt::format("at least {} {}", min, noun) : "";
}

std::string range(const Type& type) {
  if (type.minimum && type.maximum) return fmt::format("{} to {}", *type.minimum, *type.maximum);
  if (type.minimum) return fmt::format("at least {}", *type.minimum);
  return type.maximum ? fmt::format("at most {}", *type.maximum) : "";
}

std::string type_name(const Type& type) {
  switch (type.kind) {
    case Kind::kObject:
      return "object";
    case Kind::kList:
      return "list of " + type_name(*type.item);
    case Kind::kMap:
      return "map of " + type_name(*type.item);
    case Kind::kString:
      return type.format.empty() ? "string" : fmt::format("string ({})", type.format);
    case Kind::kBool:
      return "boolean";
    case Kind::kInteger:
      return "integer";
    case Kind::kNumber:
      return "number";
    case Kind::kIntOrString:
      return "integer or string";
    case Kind::kAny:
      return "anything";
  }
  return "";
}

// What values may be, in one sentence or nothing.
std::string limits(const Type& type) {
  std::vector<std::string> parts;
  const auto add = [&parts](std::string part) {
    if (!part.empty()) parts.push_back(std::move(part));
  };
  const bool holds_others = type.kind == Kind::kList || type.kind == Kind::kMap;
  add(sizes(type, type.kind == Kind::kList ? "items" : type.kind == Kind::kMap ? "entries" : "characters"));
  if (!type.list_keys.empty()) add(fmt::format("unique by {}", alternatives(type.list_keys)));
  if (type.list_kind == ListKind::kSet) add("no item twice");
  const Type& value = holds_others ? *type.item : type;
  if (!value.values.empty()) add("one of " + alternatives(value.values));
  if (!value.int_values.empty()) {
    std::vector<std::string> values;
    for (const std::int64_t one : value.int_values) values.push_back(fmt::format("{}", one));
    add("one of " + alternatives(values));
  }
  add(range(value));
  if (value.pattern != nullptr && !value.pattern->meaning.empty()) add(std::string(value.pattern->meaning));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  if (!text.empty())
    text[0] = text[0] >= 'a' && text[0] <= 'z' ? static_cast<char>(text[0] - 'a' + 'A') : text[0];
  return text.empty() ? "" : text + ".";
}

// The object in lists and maps of objects, or nullptr.
const Type* object_in(const Type& type, std::string* path) {
  if (type.kind == Kind::kObject) return type.fields.empty() ? nullptr : &type;
  if (type.kind == Kind::kList) {
    *path += "[]";
    return object_in(*type.item, path);
  }
  if (type.kind == Kind::kMap) {
    *path += ".*";
    return object_in(*type.item, path);
  }
  return nullptr;
}

std::string anchor_of(std::string_view path) {
  std::string anchor;
  for (const char c : path) {
    if (c >= 'A' && c <= 'Z') anchor += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') anchor += c;
  }
  return anchor;
}

class Page {
 public:
  std::string write(const Type& root) {
    add_section("", root);
    // Sections are added while they are written, so that they come in the order of depth.
    for (std::size_t i = 0; i < sections_.size(); ++i) write_section(i);
    return std::move(text_);
  }

 private:
  struct Section {
    std::string path;
    Type type;
    Tree schema;  // sections are alike when these are
  };

  // The path of the section that describes the object.
  std::string add_section(const std::string& path, const Type& type) {
    Tree schema = open_api(type);
    for (const Section& section : sections_) {
      if (section.schema == schema) return section.path;
    }
    sections_.push_back({path, type, std::move(schema)});
    return path;
  }

  void write_section(std::size_t index) {
    const Section section = sections_[index];
    if (!section.path.empty()) text_ += fmt::format("\n## {}\n", section.path);
    text_ += "\n| field | type | |\n|---|---|---|\n";
    for (const Field& field : section.type.fields) {
      std::string path = section.path.empty() ? field.name : section.path + "." + field.name;
      const Type* const below = object_in(*field.type, &path);
      std::string type = type_name(*field.type);
      if (below != nullptr && !is_common(section, field)) {
        type = fmt::format("[{}](#{})", type, anchor_of(add_section(path, *below)));
      }
      std::string about = field.about();
      const std::string more = limits(*field.type);
      if (!more.empty()) about += " " + more;
      if (field.default_value) about += fmt::format(" Default: `{}`.", to_json(*field.default_value));
      text_ +=
          fmt::format("| `{}`{} | {} | {} |\n", field.name,
                      field.is_required && !field.default_value ? " **required**" : "", type, cell(about));
      add_rules(field.name, *field.type);
      if (field.type->item != nullptr && field.type->item->kind != Kind::kObject)
        add_rules(field.name, *field.type->item);
    }
    add_rules("", section.type);
    if (rules_.empty()) return;
    text_ += "\nRules:\n\n" + std::exchange(rules_, "");
  }

  // Metadata and status are the same for many kinds, and nobody writes the latter.
  static bool is_common(const Section& section, const Field& field) {
    return section.path.empty() && (field.name == "metadata" || field.name == "status");
  }

  void add_rules(std::string_view field, const Type& type) {
    for (const Rule& rule : type.rules) {
      std::string line =
          field.empty() ? fmt::format("- {}", rule.message) : fmt::format("- `{}`: {}", field, rule.message);
      line += fmt::format(" (`{}/{}`)\n", rule.fault == nullptr ? "schema" : "value", rule.name);
      if (rules_.find(line) == std::string::npos) rules_ += line;
    }
  }

  std::string text_;
  std::string rules_;
  std::vector<Section> sections_;
};

}  // namespace

std::string reference_page(std::string_view kind, const std::vector<std::string>& api_versions,
                           bool is_namespaced, const Type& type) {
  return fmt::format("# {}\n\n{}\n\n`apiVersion`: {}. {}\n", kind, type.description,
                     alternatives(api_versions),
                     is_namespaced ? "Objects live in namespaces." : "Objects live in no namespace.") +
         Page().write(type);
}

}  // namespace sluice::schema
