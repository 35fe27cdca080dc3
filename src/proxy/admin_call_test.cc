#include "proxy/admin_call.h"

#include <cstring>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxy/testing.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;

TEST(ParseAnswer, TakesLengthsChunksAndTheEndOfTheConnection) {
  const struct {
    std::string_view response;
    std::optional<AdminAnswer> answer;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nLIVE\n", AdminAnswer{200, "LIVE\n"}},
      {"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: "
       "chunked\r\n\r\n4\r\nPRE_\r\nA\r\nINITIALIZI\r\n0\r\n\r\n",
       AdminAnswer{503, "PRE_INITIALIZI"}},
      {"HTTP/1.1 200 OK\r\n\r\nto the end", AdminAnswer{200, "to the end"}},
      {"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nLIVE\n", std::nullopt},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nPR", std::nullopt},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nPRE_\r\n", std::nullopt},
      {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n",
       std::nullopt},
      {"HTTP/1.1 200 OK\r\n", std::nullopt},
      {"HTTP/1.1\r\n\r\n", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& each : cases) EXPECT_EQ(parse_answer(each.response), each.answer) << each.response;
}

class AdminCallTest : public testing::Test {
 protected:
  AdminCallTest() {
    server_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    EXPECT_EQ(::bind(server_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(server_.get(), 4), 0);
  }

  std::optional<AdminAnswer> call(const std::string& path, milliseconds timeout) {
    std::optional<AdminAnswer> result;
    std::unique_ptr<AdminCall> call;
    call = std::make_unique<AdminCall>(loop_, path, "GET", "/ready", timeout,
                                       [&](std::optional<AdminAnswer> answer) {
                                         result = std::move(answer);
                                         call.reset();
                                         loop_.quit();
                                       });
    loop_.run();
    return result;
  }

  Folder folder_;
  const std::string path_ = folder_.file("admin");
  Descriptor server_;
  Loop loop_;
};

TEST_F(AdminCallTest, AsksAndReadsAnAnswerInPieces) {
  std::string request;
  std::thread server([&] {
    const Descriptor client(::accept(server_.get(), nullptr, nullptr));
    char buffer[4096];
    const ssize_t n = ::recv(client.get(), buffer, sizeof buffer, 0);
    request.assign(buffer, static_cast<std::size_t>(n));
    const std::string body(100'000, 'x');
    const std::string answer = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + body;
    for (std::size_t at = 0; at < answer.size(); at += 30'000) {
      const std::string piece = answer.substr(at, 30'000);
      ::send(client.get(), piece.data(), piece.size(), 0);
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  const std::optional<AdminAnswer> answer = call(path_, kPatience);
  server.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body.size(), 100'000u);
  EXPECT_TRUE(request.starts_with("GET /ready HTTP/1.1\r\n")) << request;
}

TEST_F(AdminCallTest, NobodyThere) {
  EXPECT_EQ(call(folder_.file("nobody"), kPatience), std::nullopt);
  EXPECT_EQ(call("/tmp/" + std::string(200, 'x'), kPatience), std::nullopt);
}

TEST_F(AdminCallTest, NoAnswerInTime) { EXPECT_EQ(call(path_, milliseconds(20)), std::nullopt); }

}  // namespace
}  // namespace sluice::proxy
