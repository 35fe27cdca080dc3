#include "echo/http1.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sluice::http1 {
namespace {

// What a message comes to, as one line.
std::string read_in_pieces(Side side, std::string_view text, std::size_t piece, bool closed) {
  Reader reader(side);
  std::string_view left = text;
  while (!left.empty() && reader.state() != State::kDone && reader.state() != State::kBad) {
    std::string_view next = left.substr(0, piece);
    const std::size_t before = next.size();
    reader.read(&next);
    left.remove_prefix(before - next.size());
  }
  if (closed) reader.read_end();
  std::string out = reader.state() == State::kDone ? "done" : reader.state() == State::kBad ? "bad" : "more";
  if (out != "done") return out;
  for (std::size_t i = 0; i < 3; ++i) out += "|" + reader.start(i);
  for (const Header& header : reader.headers()) out += "|" + header.name + "=" + header.value;
  out += "|" + std::to_string(reader.body_size()) + (reader.last() ? "|last" : "") + "|left " +
         std::to_string(left.size());
  return out;
}

struct Case {
  Side side;
  std::string_view text;
  bool closed;
  std::string_view expected;
};

const Case kCases[] = {
    {Side::kRequests, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", false, "done|GET|/a|HTTP/1.1|host=x|0|left 0"},
    {Side::kRequests, "GET /a HTTP/1.0\r\n\r\nGET", false, "done|GET|/a|HTTP/1.0|0|last|left 3"},
    {Side::kRequests, "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcX", false,
     "done|POST|/|HTTP/1.1|content-length=3|3|left 1"},
    {Side::kRequests,
     "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0010\r\n0123456789abcdef\r\n"
     "0\r\nx-trailer: 1\r\n\r\nX",
     false, "done|POST|/|HTTP/1.1|transfer-encoding=Chunked|19|left 1"},
    {Side::kRequests, "GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", false,
     "done|GET|/|HTTP/1.1|connection=Close|0|last|left 0"},
    {Side::kRequests, "GET / HTTP/1.1\r\nHost", false, "more"},
    {Side::kRequests, "GET / HTTP/1.1\r\nHost", true, "bad"},
    {Side::kRequests, "PRI * HTTP/2.0\r\n\r\n", false, "bad"},
    {Side::kRequests, "GET / HTTP/1.1\n\n", false, "bad"},
    {Side::kRequests, "GET / HTTP/1.1\r\nContent-Length: 3x\r\n\r\nabc", false, "bad"},
    {Side::kRequests, "GET / HTTP/1.1\r\nno colon\r\n\r\n", false, "bad"},
    {Side::kResponses, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false,
     "done|HTTP/1.1|200|OK|content-length=2|2|left 0"},
    {Side::kResponses, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", false,
     "done|HTTP/1.1|503|Service Unavailable|content-length=0|0|left 0"},
    {Side::kResponses, "HTTP/1.1 204 No Content\r\n\r\n", false, "done|HTTP/1.1|204|No Content|0|left 0"},
    {Side::kResponses, "HTTP/1.1 200 OK\r\n\r\nuntil the end", true, "done|HTTP/1.1|200|OK|13|last|left 0"},
    {Side::kResponses, "HTTP/1.1 abc OK\r\n\r\n", true, "bad"},
    {Side::kResponses, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokX\r\n", false, "bad"},
};

TEST(Http1Reader, ReadsAMessageHoweverItIsCut) {
  for (const Case& c : kCases) {
    for (std::size_t piece = 1; piece <= c.text.size(); ++piece) {
      EXPECT_EQ(read_in_pieces(c.side, c.text, piece, c.closed), c.expected)
          << c.text << "in pieces of " << piece;
    }
  }
}

TEST(Http1Reader, IsReadyForTheNextMessageAfterReset) {
  Reader reader(Side::kRequests);
  std::string_view bytes = "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n";
  EXPECT_TRUE(reader.untouched());
  EXPECT_EQ(reader.read(&bytes), State::kDone);
  EXPECT_EQ(reader.start(1), "/1");
  reader.reset();
  EXPECT_TRUE(reader.untouched());
  EXPECT_EQ(reader.read(&bytes), State::kDone);
  EXPECT_EQ(reader.start(1), "/2");
}

}  // namespace
}  // namespace sluice::http1
