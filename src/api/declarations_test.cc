// Our declarations against the upstream schemas: field names, types, enumerations, defaults, limits,
// patterns, list kinds, rules.

#include "api/declarations.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/definitions.h"
#include "schema/check.h"
#include "tree/parse.h"
#include "tree/write.h"

namespace sluice::api {
namespace {

using schema::Field;
using schema::ListKind;
using schema::Type;
using Kind = Type::Kind;

const std::filesystem::path kSchemas = "../shared/crds";

Tree read_tree(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::vector<Problem> problems;
  const std::string content = text.str();
  const std::vector<Document> documents = parse(content, path.string(), &problems);
  EXPECT_TRUE(problems.empty()) << path;
  // Upstream's files may hold a second document of another kind.
  EXPECT_FALSE(documents.empty()) << path;
  return documents.empty() ? Tree() : documents[0].tree;
}

std::string text_of(const Tree& schema, std::string_view key) {
  const Tree* const value = schema.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

bool is_true(const Tree& schema, std::string_view key) {
  const Tree* const value = schema.find(key);
  return value != nullptr && value->type() == Tree::Type::kBool && value->as_bool();
}

// A schema without what is ours to word, and with the default of `atomic` written out.
Tree normal(const Tree& tree, bool is_rule = false) {
  if (tree.is_list()) {
    std::vector<Tree> items;
    for (const Tree& item : tree.items()) items.push_back(normal(item, is_rule));
    if (is_rule) {
      std::ranges::sort(items, {}, [](const Tree& item) { return text_of(item, "rule"); });
    }
    return Tree::list(std::move(items));
  }
  if (!tree.is_map()) return tree;
  std::vector<Tree::Member> members;
  for (const Tree::Member& member : tree.members()) {
    if (member.key == "description" && member.value.is_string()) continue;
    if (is_rule && member.key == "message") continue;
    if (member.key == "x-kubernetes-list-type" && member.value == Tree::string("atomic")) continue;
    members.push_back(
        {.key = member.key, .value = normal(member.value, member.key == "x-kubernetes-validations")});
  }
  return Tree::map(std::move(members));
}

class Comparison {
 public:
  // `subset`: ours may have more.
  explicit Comparison(bool subset) : subset_(subset) {}

  void compare(const Tree& ours, const Tree& theirs, const std::string& path) {
    ++compared;
    for (const Tree::Member& member : theirs.members()) {
      const Tree* const our_value = ours.find(member.key);
      if (member.key == "items" && our_value != nullptr) {
        compare(*our_value, member.value, path + "[]");
      } else if (member.key == "additionalProperties" && our_value != nullptr && our_value->is_map()) {
        compare(*our_value, member.value, path + "{}");
      } else if (member.key == "properties") {
        compare_fields(our_value, member.value, path);
      } else if (member.key == "x-kubernetes-validations" || member.key == "enum") {
        compare_sets(our_value, member.value, path);
      } else {
        EXPECT_TRUE(our_value != nullptr && *our_value == member.value)
            << path << ": " << member.key << " is " << to_json(member.value) << " upstream, "
            << (our_value == nullptr ? "absent" : to_json(*our_value)) << " here";
      }
    }
    for (const Tree::Member& member : ours.members()) {
      // The experimental channel has more rules and, of header values, a pattern.
      if (subset_ && (member.key == "x-kubernetes-validations" || member.key == "pattern")) continue;
      EXPECT_NE(theirs.find(member.key), nullptr) << path << ": upstream has no " << member.key;
    }
  }

  std::size_t compared = 0;

 private:
  void compare_fields(const Tree* ours, const Tree& theirs, const std::string& path) {
    static const Tree none = Tree::map({});
    const Tree& fields = ours == nullptr ? none : *ours;
    for (const Tree::Member& member : theirs.members()) {
      const Tree* const field = fields.find(member.key);
      if (field == nullptr) {
        ADD_FAILURE() << "not declared: " << path << "." << member.key;
      } else {
        compare(*field, member.value, path + "." + member.key);
      }
    }
    for (const Tree::Member& member : fields.members()) {
      EXPECT_TRUE(subset_ || theirs.find(member.key) != nullptr)
          << "upstream has no " << path << "." << member.key;
    }
  }

  void compare_sets(const Tree* ours, const Tree& theirs, const std::string& path) {
    static const Tree none = Tree::list({});
    const Tree& list = ours == nullptr ? none : *ours;
    const auto has = [](const Tree& among, const Tree& item) {
      return std::ranges::find(among.items(), item) != among.items().end();
    };
    for (const Tree& item : theirs.items()) {
      if (subset_ && path.ends_with(".parentRefs")) continue;  // the rules name `port`, which is experimental
      EXPECT_TRUE(has(list, item)) << path << " lacks " << to_json(item);
    }
    for (const Tree& item : list.items()) {
      EXPECT_TRUE(subset_ || has(theirs, item)) << path << ": upstream has no " << to_json(item);
    }
  }

  const bool subset_;
};

bool has_schemas() {
  if (std::filesystem::exists(kSchemas)) return true;
  std::puts("declarations_test: no upstream schemas here, nothing compared");
  return false;
}

bool is_gateway_api(const KindInfo& kind) { return kind.group == "gateway.networking.k8s.io"; }

// Where the schemas of a group are.
std::string folder_of(const KindInfo& kind) {
  if (kind.group.starts_with("gateway.networking.")) return "gateway-api/experimental";
  return kind.group == "gateway.envoyproxy.io" ? "envoy-gateway" : "inference";
}

std::filesystem::path schema_file(const std::string& folder, const KindInfo& kind) {
  return kSchemas / folder / fmt::format("{}_{}.yaml", kind.group, plural_of(kind));
}

const Tree* version_of(const Tree& definition, std::string_view name) {
  for (const Tree& version : definition.at("spec.versions")->items()) {
    if (text_of(version, "name") == name) return &version;
  }
  return nullptr;
}

void compare_definitions(const KindInfo& kind, const Tree& ours, const Tree& theirs, bool subset) {
  Comparison comparison(subset);
  std::size_t served = 0;
  for (const Tree& version : theirs.at("spec.versions")->items()) {
    if (!is_true(version, "served")) continue;
    const Tree* const our_version = version_of(ours, text_of(version, "name"));
    ++served;
    if (our_version == nullptr) {
      ADD_FAILURE() << "not declared: " << text_of(version, "name");
      continue;
    }
    const auto schema = [](const Tree& of) { return normal(*of.at("schema.openAPIV3Schema")); };
    comparison.compare(schema(*our_version), schema(version), std::string(kind.kind));
    for (const char* const member : {"additionalPrinterColumns", "deprecated", "storage", "subresources"}) {
      const Tree* const mine = our_version->find(member);
      const Tree* const other = version.find(member);
      // Two old versions have no columns.
      if (std::string_view(member) == "additionalPrinterColumns" && other == nullptr) continue;
      EXPECT_TRUE(mine == nullptr ? other == nullptr : other != nullptr && *mine == *other)
          << kind.kind << ": " << member << " of " << text_of(version, "name");
    }
  }
  if (!subset) {
    EXPECT_EQ(served, kind.versions.size());
  }
  EXPECT_GT(comparison.compared, 10u);
}

TEST(Declarations, EqualUpstream) {
  if (!has_schemas()) return;
  std::size_t compared = 0;
  for (const KindInfo& kind : kinds()) {
    if (plural_of(kind).empty()) continue;
    SCOPED_TRACE(kind.kind);
    const Tree ours = custom_resource_definition(kind);
    const Tree theirs = read_tree(schema_file(folder_of(kind), kind));
    compare_definitions(kind, ours, theirs, false);
    for (const char* const member : {"spec.group", "spec.names", "spec.scope", "metadata.name"}) {
      EXPECT_TRUE(*ours.at(member) == *theirs.at(member)) << member;
    }
    if (folder_of(kind) != "envoy-gateway") {
      EXPECT_TRUE(*ours.at("metadata.annotations") == *theirs.at("metadata.annotations"));
    }
    if (is_gateway_api(kind)) {
      compare_definitions(kind, ours, read_tree(schema_file("gateway-api/standard", kind)), true);
    }
    ++compared;
  }
  EXPECT_GT(compared, 5u);
}

// Kinds of our groups have a definition.
TEST(Declarations, HaveDefinitions) {
  for (const KindInfo& kind : kinds()) {
    constexpr std::string_view kOurs[] = {"gateway.networking.k8s.io", "gateway.envoyproxy.io",
                                          "inference.networking.k8s.io", "llm-d.ai",
                                          "gateway.networking.x-k8s.io"};
    const bool is_ours = std::ranges::find(kOurs, kind.group) != std::end(kOurs);
    EXPECT_EQ(plural_of(kind).empty(), !is_ours) << kind.kind << ": add it to kDefinitions in definitions.cc";
  }
}

// What the binding trusts: a bound field has a place and a way to take its type.
void expect_sound(const Type& type, const std::string& path) {
  for (const Field& field : type.fields) {
    const std::string here = path + "." + field.name;
    EXPECT_EQ(field.at == nullptr, field.codec == nullptr) << here;
    if (field.codec != nullptr && field.type->kind != Kind::kAny) {
      using CodecKind = schema::Codec::Kind;
      switch (field.codec->kind) {
        case CodecKind::kStruct:
          EXPECT_EQ(field.type->kind, Kind::kObject) << here;
          break;
        case CodecKind::kList:
          EXPECT_EQ(field.type->kind, Kind::kList) << here;
          break;
        case CodecKind::kMap:
          EXPECT_EQ(field.type->kind, Kind::kMap) << here;
          break;
        case CodecKind::kScalar:
          EXPECT_NE(field.codec->store, nullptr) << here;
          break;
      }
    }
    if (field.default_value) {
      std::vector<Problem> problems;
      const Tree parent = Tree::map({{.key = field.name, .value = *field.default_value}});
      Type alone = schema::object({field});
      EXPECT_TRUE(schema::check(parent, alone, &problems)) << here;
    }
    expect_sound(*field.type, here);
  }
  if (type.item != nullptr) expect_sound(*type.item, path + "[]");
}

TEST(Declarations, AreSound) {
  for (const KindInfo& kind : kinds()) {
    for (const std::string_view version : kind.versions)
      expect_sound(type_of(kind, version), std::string(kind.kind));
  }
}

// A line for each field that lacks a description: `.doc("…")` on the field, or on its type where that says it
// all.
void expect_described(const Type& type, const std::string& path) {
  for (const Field& field : type.fields) {
    const std::string here = path + "." + field.name;
    EXPECT_FALSE(field.about().empty()) << here << " has no description";
    if (!field.about().empty()) {
      EXPECT_TRUE(field.about().ends_with('.')) << here << ": a description is a sentence";
    }
    expect_described(*field.type, here);
  }
  if (type.item != nullptr) expect_described(*type.item, path + "[]");
}

TEST(Declarations, AreDescribed) {
  for (const KindInfo& kind : kinds()) {
    const Type& type = type_of(kind, kind.versions.front());
    EXPECT_FALSE(type.description.empty()) << kind.kind << " has no description";
    expect_described(type, std::string(kind.kind));
  }
}

}  // namespace
}  // namespace sluice::api
