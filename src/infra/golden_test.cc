// Whole objects, to the letter: testdata/CASE/in.yaml → objects.yaml, and where a case has one,
// bootstrap.yaml. `make golden` writes them anew.
//
// The first document of in.yaml is the request, the second the EnvoyProxy, if there is one. Where the request
// says `shows`, the expectation has objects of these kinds only.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "infra/objects.h"
#include "infra/testing.h"
#include "tree/json.h"

namespace sluice::infra {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const fs::path kCases = "src/infra/testdata";

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCases)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

api::StringMap strings(const json& map) {
  api::StringMap result;
  for (const auto& [key, value] : map.items()) result[key] = value.get<std::string>();
  return result;
}

Settings settings_of(const json& from) {
  Settings settings{.shutdown_image = "docker.io/sluice/sluice:v1"};
  if (from.value("mode", "") == "GatewayNamespace") settings.mode = Mode::kGatewayNamespace;
  settings.ca_pem = from.value("ca", "");
  return settings;
}

Request request_of(const json& from) {
  Request request{.proxy = {.key = from["proxy"], .log_levels = {{"default", "warn"}}},
                  .gateway_class = from["class"],
                  .class_uid = from.value("classUid", ""),
                  .is_merged = from.value("merged", false)};
  request.proxy.labels = strings(from.value("labels", json::object()));
  request.proxy.annotations = strings(from.value("annotations", json::object()));
  for (const json& gateway : from["gateways"]) {
    request.gateways.push_back({.name = {Interned(gateway["namespace"].get<std::string>()), gateway["name"]},
                                .uid = gateway.value("uid", ""),
                                .addresses = gateway.value("addresses", std::vector<std::string>())});
  }
  for (const json& listener : from["listeners"]) {
    request.sockets.push_back({.protocol = listener["protocol"],
                               .port = listener["port"],
                               .container_port = listener["containerPort"]});
  }
  return request;
}

std::string yaml_of(const json& document) {
  std::vector<Problem> problems;
  return to_yaml(parse_json(document.dump(), "", &problems).at(0).tree);
}

// Takes the bootstrap out of Envoy's arguments: a line of thousands of bytes.
json take_bootstrap(json& document) {
  json bootstrap;
  for (json& container : document["spec"]["template"]["spec"]["containers"]) {
    if (!container.contains("args")) continue;
    json& arguments = container["args"];
    const auto option = std::find(arguments.begin(), arguments.end(), json("--config-yaml"));
    if (option == arguments.end()) continue;
    json& text = *std::next(option);
    bootstrap = json::parse(text.get<std::string>());
    text = "(bootstrap)";
  }
  return bootstrap;
}

struct Texts {
  std::string objects;
  std::string bootstrap;
};

Texts texts_of(const std::string& input) {
  const std::vector<Tree> documents = trees_of(input);
  const json from = to_document(documents.at(0));
  Request request = request_of(from);
  if (documents.size() > 1) use_envoy_proxy(documents[1], request);
  Result result = make_objects(request, settings_of(from));
  Texts texts;
  for (const Problem& problem : result.problems) {
    texts.objects += fmt::format("# {} {}\n#   {}: {}\n", problem.code, problem.object.to_string(),
                                 problem.path, problem.message);
  }
  for (const ObjectKey& key : result.withheld) {
    texts.objects += fmt::format("# withheld: {}\n", key.to_string());
  }
  const json shows = from.value("shows", json());
  for (Object& object : result.objects) {
    if (!shows.is_null() && std::find(shows.begin(), shows.end(), object.key.kind.kind()) == shows.end())
      continue;
    if (object.document["spec"].contains("template"))
      texts.bootstrap = yaml_of(take_bootstrap(object.document));
    if (object.document["spec"].is_null()) object.document.erase("spec");
    texts.objects += "---\n" + yaml_of(object.document);
  }
  return texts;
}

class Golden : public testing::TestWithParam<std::string> {};

void expect_text(const fs::path& file, const std::string& text) {
  if (std::getenv("SLUICE_UPDATE_GOLDEN") != nullptr) std::ofstream(file) << text;
  EXPECT_EQ(read_file(file).value_or(""), text) << file;
}

TEST_P(Golden, Objects) {
  const fs::path folder = kCases / GetParam();
  const std::optional<std::string> input = read_file(folder / "in.yaml");
  ASSERT_TRUE(input);
  const Texts texts = texts_of(*input);
  expect_text(folder / "objects.yaml", texts.objects);
  if (fs::exists(folder / "bootstrap.yaml")) expect_text(folder / "bootstrap.yaml", texts.bootstrap);
}

INSTANTIATE_TEST_SUITE_P(Infra, Golden, testing::ValuesIn(case_names()), [](const auto& instance) {
  std::string name = instance.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace sluice::infra
