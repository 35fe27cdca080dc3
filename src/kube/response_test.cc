#include "kube/response.h"

#include <gtest/gtest.h>

namespace sluice::kube {
namespace {

using State = Response::State;

struct Read {
  State state = State::kMore;
  unsigned status = 0;
  std::string body;
  bool keep_alive = false;
};

// In pieces of `size` bytes.
Read read(std::string_view text, std::size_t size, bool ends = false) {
  Response response;
  Read result;
  const Response::Body take = [&](std::string_view piece) { result.body += piece; };
  while (!text.empty() && result.state == State::kMore) {
    result.state = response.feed(text.substr(0, size), take);
    text.remove_prefix(std::min(size, text.size()));
  }
  if (ends && result.state == State::kMore) result.state = response.end();
  if (!response.has_head()) return result;
  result.status = response.status();
  if (result.state == State::kDone) result.keep_alive = response.keep_alive();
  return result;
}

TEST(Response, IsTheSameWhereverItIsCut) {
  const std::vector<std::string> texts{
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  };
  for (const std::string& text : texts) {
    for (std::size_t size = 1; size <= text.size(); ++size) {
      const Read got = read(text, size);
      EXPECT_EQ(got.state, State::kDone) << text << " in pieces of " << size;
      EXPECT_EQ(got.status, 200U);
      EXPECT_EQ(got.body, "hello");
      EXPECT_TRUE(got.keep_alive);
    }
  }
}

TEST(Response, LastsUntilTheConnectionEndsWhereItHasNoLength) {
  const Read got = read("HTTP/1.1 200 OK\r\n\r\nhello", 7, true);
  EXPECT_EQ(got.state, State::kDone);
  EXPECT_EQ(got.body, "hello");
  EXPECT_FALSE(got.keep_alive);
}

TEST(Response, IsBadWhereTheConnectionEndsBeforeIt) {
  for (const std::string_view text :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
    EXPECT_EQ(read(text, 5, true).state, State::kBad) << text;
  }
}

TEST(Response, IsBadWhereItIsNone) {
  EXPECT_EQ(read("SSH-2.0-OpenSSH_9.2\r\n\r\n", 100).state, State::kBad);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 100).state, State::kBad);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'a'), 1000).state, State::kBad);
}

TEST(Response, IsBadWhereMoreFollows) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 100).state, State::kBad);
}

TEST(Response, IsBadWhereItIsCompressed) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", 100).state,
            State::kBad);
}

TEST(Response, SaysWhenToComeBack) {
  const auto after = [](std::string_view value) {
    Response response;
    response.feed("HTTP/1.1 429 Slow\r\nRetry-After: " + std::string(value) + "\r\nContent-Length: 0\r\n\r\n",
                  [](std::string_view) {});
    return response.retry_after();
  };
  EXPECT_EQ(after("7"), 7U);
  EXPECT_EQ(after("Fri, 31 Dec 1999 23:59:59 GMT"), std::nullopt);
}

}  // namespace
}  // namespace sluice::kube
