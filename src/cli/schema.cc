#include "cli/schema.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/definitions.h"
#include "api/kinds.h"
#include "base/closest.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "tree/write.h"

namespace sluice::cli {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return result;
}

struct File {
  std::string name;
  std::string text;
};

std::string json_text(const Tree& tree) {
  return nlohmann::ordered_json::parse(to_json(tree)).dump(2) + "\n";
}

std::vector<File> crds(const std::vector<api::KindInfo>& kinds) {
  std::vector<File> files;
  for (const api::KindInfo& kind : kinds) {
    const std::string_view plural = api::plural_of(kind);
    if (plural.empty()) continue;
    files.push_back({fmt::format("{}_{}.yaml", kind.group, plural),
                     "---\n" + to_yaml(api::custom_resource_definition(kind))});
  }
  return files;
}

std::vector<File> json_schemas(const std::vector<api::KindInfo>& kinds, bool each) {
  std::vector<File> files;
  for (const api::KindInfo& kind : kinds) {
    if (each) files.push_back({lower(kind.kind) + ".json", json_text(api::json_schema_of({kind}))});
  }
  files.push_back({each ? "all.json" : "", json_text(api::json_schema_of(kinds))});
  return files;
}

std::vector<File> pages(const std::vector<api::KindInfo>& kinds, bool with_index) {
  std::vector<File> files;
  for (const api::KindInfo& kind : kinds)
    files.push_back({lower(kind.kind) + ".md", api::reference_page_of(kind)});
  if (with_index) files.push_back({"README.md", api::reference_index(kinds)});
  return files;
}

int unknown_kind(const std::string& name, Console& console) {
  std::vector<std::string_view> names;
  for (const api::KindInfo& kind : api::kinds()) names.push_back(kind.kind);
  const std::string_view meant = closest(name, names);
  std::string known;
  for (const std::string_view one : names) known += fmt::format("{}{}", known.empty() ? "" : ", ", one);
  console.err << paint("error:", kRed, console.err_color) << fmt::format(" unknown kind `{}`\n", name)
              << (meant.empty() ? fmt::format("the kinds are {}\n", known) : did_you_mean(meant) + "\n");
  return kUsage;
}

}  // namespace

int schema(const SchemaOptions& options, Console& console) {
  std::vector<api::KindInfo> kinds = api::kinds();
  if (!options.kind.empty()) {
    const api::KindInfo* const meant = api::kind_called(options.kind);
    if (meant == nullptr) return unknown_kind(options.kind, console);
    kinds = {*meant};
  }
  const bool in_folder = options.output != "-";
  std::vector<File> files;
  if (options.form == "crd") {
    files = crds(kinds);
    if (files.empty()) {
      console.err << paint("error:", kRed, console.err_color)
                  << fmt::format(" the definition of {} comes with Kubernetes or its add-ons\n",
                                 kinds[0].kind);
      return kProblems;
    }
  } else if (options.form == "json") {
    files = json_schemas(kinds, in_folder && options.kind.empty());
    if (in_folder && !options.kind.empty()) files.back().name = lower(kinds[0].kind) + ".json";
  } else {
    files = pages(kinds, in_folder && options.kind.empty());
  }
  if (!in_folder) {
    for (const File& file : files) console.out << file.text;
    return kOk;
  }
  std::error_code error;
  std::filesystem::create_directories(options.output, error);  // what is wrong, writing will tell
  for (const File& file : files) {
    if (!write_file(std::filesystem::path(options.output) / file.name, file.text, console)) return kProblems;
  }
  return kOk;
}

}  // namespace sluice::cli
