#include "picker/exchange/http_response.h"

#include <string>

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using State = HttpResponse::State;

struct Case {
  std::string name;
  std::string bytes;
  State state;
  unsigned status;
  std::string body;
  bool keep_alive;
};

class HttpResponses : public testing::TestWithParam<Case> {};

TEST_P(HttpResponses, AreReadWhereverTheyAreCut) {
  const Case& c = GetParam();
  for (const std::size_t chunk : {c.bytes.size(), std::size_t{1}, std::size_t{3}}) {
    HttpResponse response;
    std::string body;
    State state = State::kMore;
    for (std::size_t at = 0; at < c.bytes.size() && state != State::kBad; at += chunk) {
      state = response.feed(c.bytes.substr(at, chunk), [&body](std::string_view piece) { body += piece; });
    }
    EXPECT_EQ(state, c.state) << chunk;
    if (state == State::kBad) continue;
    EXPECT_EQ(response.status(), c.status);
    EXPECT_EQ(body, c.body);
    EXPECT_EQ(response.keep_alive(), c.keep_alive);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpResponses,
    testing::Values(
        Case{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", State::kDone, 200, "hello", true},
        Case{"no_body", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", State::kDone, 404, "", true},
        Case{"no_content", "HTTP/1.1 204 No Content\r\n\r\n", State::kDone, 204, "", true},
        Case{"chunks",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
             "chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: "
             "x\r\n\r\n",
             State::kDone, 200, "hello0123456789", true},
        Case{"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", State::kDone, 200,
             "x", false},
        Case{"old", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", State::kDone, 200, "x", false},
        Case{"continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
             State::kDone, 200, "x", true},
        Case{"up_to_the_end", "HTTP/1.1 200 OK\r\n\r\nhello", State::kMore, 200, "hello", false},
        Case{"cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", State::kMore, 200, "hello", true},
        Case{"no_http", "SSH-2.0-OpenSSH_9.2\r\n\r\n", State::kBad, 0, "", false},
        Case{"bad_length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", State::kBad, 0, "", false},
        Case{"two_lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", State::kBad,
             0, "", false},
        Case{"bad_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", State::kBad, 0, "",
             false},
        Case{"compressed", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", State::kBad, 0, "", false},
        Case{"more_than_one", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy", State::kBad, 0, "", false},
        Case{"long_head", "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'), State::kBad, 0, "", false}),
    [](const auto& test) { return test.param.name; });

TEST(HttpResponse, EndsWithTheConnectionWhereItHasNoLength) {
  const auto ignore = [](std::string_view) {};
  HttpResponse response;
  response.feed("HTTP/1.1 200 OK\r\n\r\nhello", ignore);
  EXPECT_EQ(response.end(), State::kDone);
  response.reset();
  response.feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", ignore);
  EXPECT_EQ(response.end(), State::kBad);
}

}  // namespace
}  // namespace sluice::picker
