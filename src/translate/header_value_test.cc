#include "translate/header_value.h"

#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

std::string fault(std::string_view value) {
  const auto found = fault_of_header_value(value);
  return found ? found->message + (found->suggestion.empty() ? "" : "; " + found->suggestion) : "";
}

// What Envoy 1.40 says of each was tried with `envoy --mode validate`.
TEST(HeaderValue, WhatEnvoyTakesHasNoFault) {
  for (const std::string_view value :
       {"", "plain", "a\tb", "ü", "%%", "100%%", "%%NOPE%%", "%REQ(X-NAME)%", "%REQ(X-A?X-B):12%",
        "a %PROTOCOL% b", "%START_TIME%", "%START_TIME(%s)%", "%START_TIME(%Y/%m/%dT%H:%M:%S%z)%",
        "%DOWNSTREAM_REMOTE_ADDRESS%%%", "%PROTOCOL%%UPSTREAM_HOST%", "%DYNAMIC_METADATA(a:b)%"}) {
    EXPECT_EQ(fault(value), "") << value;
  }
}

TEST(HeaderValue, WhatEnvoyRefusesIsNamed) {
  EXPECT_EQ(fault("a %NOPE% b"), "`%NOPE%` is no command of Envoy's; write `%%NOPE%%` for the text itself");
  EXPECT_EQ(fault("%PROTOCL%"), "`%PROTOCL%` is no command of Envoy's; did you mean `%PROTOCOL%`?");
  EXPECT_EQ(fault("%REQ%"), "the command `%REQ%` needs an argument; write it as in `%REQ(NAME)%`");
  EXPECT_EQ(fault("%PROTOCOL(a)%"), "the command `%PROTOCOL%` takes no argument; write `%PROTOCOL%`");
  EXPECT_EQ(fault("%UPSTREAM_HOST:3%"),
            "the command `%UPSTREAM_HOST%` takes no argument; write `%UPSTREAM_HOST%`");
  for (const std::string_view value :
       {"%", "100%", "50% off", "%req(a)%", "%PROTOCOL", "a%%b%", "%REQ(a", "%REQ(a)", "%REQ(a):%", "%()%"}) {
    EXPECT_EQ(fault(value),
              "a `%` stands for the begin of a command of Envoy's, and there is none; write `%%` for a "
              "percent sign")
        << value;
  }
  EXPECT_EQ(fault("a\nb"), "a value in the head of a message has one line, and no character NUL");
  EXPECT_EQ(fault(std::string_view("a\0b", 3)),
            "a value in the head of a message has one line, and no character NUL");
}

}  // namespace
}  // namespace sluice::translate
