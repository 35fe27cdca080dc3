#include "status/document.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sluice::status {
namespace {

using nlohmann::json;

TEST(ToYaml, TextsThatSomeReaderTakesForSomethingElseAreInQuotes) {
  EXPECT_EQ(to_yaml({{"name", "web"}}), "name: web\n");
  for (const char* word : {"off", "Off", "NO", "TRUE", "null", "y", "1", "", "a b", "a: b", "-"}) {
    EXPECT_EQ(to_yaml({{"name", word}}), "name: \"" + std::string(word) + "\"\n");
  }
}

TEST(ToYaml, WhatIsNoUtf8IsReplaced) {
  EXPECT_EQ(to_yaml({{"message", "any \xFF byte"}}), "message: \"any \xEF\xBF\xBD byte\"\n");
}

}  // namespace
}  // namespace sluice::status
