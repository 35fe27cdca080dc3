#include "translate/unserved.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

// What Envoy 1.40 says, to the letter.
TEST(Unserved, IsReadFromEnvoysWords) {
  const auto taken = read_bind_failure(
      "Error adding/updating listener(s) default/web:80: cannot bind '0.0.0.0:80': Address already in use\n");
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->address, "0.0.0.0:80");
  EXPECT_EQ(taken->words, "Address already in use");
  EXPECT_EQ(describe(*taken), "0.0.0.0:80 is in use by another process");
  EXPECT_EQ(read_bind_failure("cannot bind '[::1]:80': Permission denied")->address, "[::1]:80");
}

TEST(Unserved, IsNoOtherRefusal) {
  EXPECT_FALSE(read_bind_failure(""));
  EXPECT_FALSE(read_bind_failure("Error adding/updating listener(s) a: unable to find filter"));
  EXPECT_FALSE(read_bind_failure("cannot bind 'x"));
}

TEST(Unserved, SaysWhatToDo) {
  ListenerPlan listener;
  listener.index = 2;
  const auto told = [&](std::string_view words) {
    const Problem problem =
        unserved_problem(Unserved{.address = "10.0.0.5:80", .words = std::string(words)}, {&listener});
    return problem.code + " " + problem.path + ": " + problem.message;
  };
  EXPECT_EQ(told("Address already in use"),
            "conflict/port spec.listeners[2].port: 10.0.0.5:80 is in use by another process");
  EXPECT_EQ(told("Cannot assign requested address"),
            "value/address spec.listeners[2].port: 10.0.0.5:80 is no address of this host at present");
  EXPECT_EQ(told("Permission denied"),
            "value/port spec.listeners[2].port: Envoy is not allowed to bind 10.0.0.5:80");
  EXPECT_EQ(told("Too many open files"),
            "value/port spec.listeners[2].port: 10.0.0.5:80 cannot be bound: Too many open files");
  const Problem other = unserved_problem(Unserved{.words = "no such filter", .another = true}, {&listener});
  EXPECT_EQ(
      other.code + " " + other.path + ": " + other.message,
      "value/rejected spec.listeners[2]: the proxy refuses it: no such filter; what was there before is "
      "served");
}

TEST(Unserved, KnowsThePortThatIsTaken) {
  const auto port = [](const char* address, const char* words) {
    return taken_port({.address = address, .words = words});
  };
  EXPECT_EQ(port("10.0.0.5:80", "Address already in use"), 80);
  EXPECT_EQ(port("[::]:8080", "Address already in use"), 8080);
  EXPECT_EQ(port("10.0.0.5:80", "Permission denied"), std::nullopt);
  EXPECT_EQ(port("", "Address already in use"), std::nullopt);
}

}  // namespace
}  // namespace sluice::translate
