// Real objects: everything that upstream takes has no problem of ours, everything that it refuses has one.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "api/kinds.h"
#include "tree/parse.h"

namespace sluice::api {
namespace {

const std::filesystem::path kParity = "../shared/parity";

std::vector<Document> read_documents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string content = text.str();
  std::vector<Problem> problems;
  std::vector<Document> documents = parse(content, path.string(), &problems);
  for (const Problem& problem : problems)
    ADD_FAILURE() << path << ":" << problem.where.line << ": " << problem.message;
  return documents;
}

// False, and a printed line, where the inputs are not here.
bool has_inputs() {
  if (std::filesystem::exists(kParity)) return true;
  std::puts("parity_test: no recorded inputs here, nothing compared");
  return false;
}

TEST(Parity, WhatUpstreamTakesHasNoProblem) {
  if (!has_inputs()) return;
  std::size_t bound = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kParity / "cases")) {
    for (const Document& document : read_documents(entry.path() / "in.yaml")) {
      const ReadObject object = read_object(document.tree, Trust::kCheck);
      for (const Problem& problem : object.problems) {
        if (problem.severity == Severity::kWarning && problem.code.starts_with("support/")) continue;
        ADD_FAILURE() << entry.path() << ":" << problem.where.line << ": " << problem.code << ": "
                      << object.key.to_string() << " " << problem.path << ": " << problem.message;
      }
      if (!object.bound) continue;
      ++bound;
      // The checks change nothing about the binding.
      const ReadObject trusted = read_object(document.tree, Trust::kFromServer);
      ASSERT_TRUE(trusted.bound.has_value());
      EXPECT_TRUE(std::visit(
          [&trusted](const auto& one) {
            return *one == *std::get<std::decay_t<decltype(one)>>(trusted.bound->object);
          },
          object.bound->object));
    }
  }
  EXPECT_GT(bound, 1000u);
}

TEST(Parity, WhatUpstreamRefusesHasAProblem) {
  if (!has_inputs()) return;
  std::size_t refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kParity / "rejected")) {
    std::map<std::string, std::set<std::string>> expected;  // the fields refused, by object
    const std::vector<Document> rejected = read_documents(entry.path() / "rejected.yaml");
    ASSERT_EQ(rejected.size(), 1u);
    for (const Tree& item : rejected[0].tree.items()) {
      std::set<std::string>& fields =
          expected[item.at("kind")->as_string() + " " + item.at("namespace")->as_string() + "/" +
                   item.at("name")->as_string()];
      for (const Tree& error : item.at("errors")->items()) {
        const std::string& text = error.as_string();
        if (text.starts_with("spec.")) fields.insert(text.substr(0, text.find(": ")));
      }
    }
    for (const Document& document : read_documents(entry.path() / "in.yaml")) {
      const ReadObject object = read_object(document.tree, Trust::kCheck);
      std::string codes;
      bool unknown = false;
      for (const Problem& problem : object.problems) {
        unknown = unknown || problem.code == "support/unknown-kind";
        if (problem.code.starts_with("schema/")) codes += problem.code + " at " + problem.path + " ";
      }
      if (unknown) continue;
      const bool is_expected = expected.contains(object.key.to_string());
      refused += is_expected ? 1 : 0;
      EXPECT_EQ(!codes.empty(), is_expected)
          << entry.path() << ": " << object.key.to_string() << ": " << codes;
      EXPECT_EQ(object.bound.has_value(), !is_expected);
      if (!is_expected) continue;
      for (const std::string& field : expected[object.key.to_string()]) {
        const auto is_there = [&field](const Problem& problem) {
          return problem.code.starts_with("schema/") && problem.path.starts_with(field);
        };
        EXPECT_TRUE(std::ranges::any_of(object.problems, is_there))
            << entry.path() << ": " << object.key.to_string() << ": " << field
            << " is refused, not: " << codes;
      }
    }
  }
  EXPECT_GT(refused, 10u);
}

}  // namespace
}  // namespace sluice::api
