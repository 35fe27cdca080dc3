#include "admin/server.h"

#include <array>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/page.h"

namespace sluice::admin {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A blocking client.
class Client {
 public:
  explicit Client(const std::string& socket) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    socket.copy(to.sun_path, sizeof to.sun_path - 1);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(fd_); }

  bool connected() const { return connected_; }
  void send(std::string_view text) {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
  }
  // Until `end` has come, or the connection ends.
  std::string read(std::string_view end = "\x01") {
    std::string all;
    std::array<char, 4096> buffer;
    while (!all.ends_with(end)) {
      const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      all.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return all;
  }
  std::string ask(std::string_view request) {
    send(request);
    return read();
  }

 private:
  int fd_;
  bool connected_ = false;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    std::string pattern = "/tmp/sluice-admin-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    options_.socket_path = folder_ + "/admin.sock";
    options_.tcp_address = "127.0.0.1:0";
    options_.timeout = 2s;
    options_.handlers["/hello"] = [](const Request& request, const Respond& respond) {
      respond([request] {
        return Response{.body = "hello " + request.query + "|" + request.if_none_match, .etag = "\"7\""};
      });
    };
    options_.handlers["/never"] = [](const Request&, const Respond&) {};
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start() {
    auto server = start_server(options_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
    port_ = static_cast<std::uint16_t>(std::stoi(server_->tcp_address().substr(10)));
  }

  std::string folder_;
  Options options_;
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ServerTest, AnswersOnTheSocketAndOnTheAddress) {
  start();
  struct stat file{};
  ASSERT_EQ(::stat(options_.socket_path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0600u);
  EXPECT_THAT(server_->tcp_address(), StartsWith("127.0.0.1:"));
  const std::string request =
      "GET /hello?a=b HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"6\"\r\nConnection: close\r\n\r\n";
  EXPECT_THAT(Client(options_.socket_path).ask(request),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nhello a=b|\"6\""),
                    HasSubstr("ETag: \"7\"\r\n"), HasSubstr("Content-Security-Policy: default-src 'none'"),
                    HasSubstr("X-Content-Type-Options: nosniff\r\n"), Not(HasSubstr("Access-Control"))));
  EXPECT_THAT(Client(port_).ask(request), EndsWith("\r\n\r\nhello a=b|\"6\""));
}

TEST_F(ServerTest, KeepsConnections) {
  start();
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n");
    EXPECT_THAT(client.read("hello |"), StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_F(ServerTest, RefusesWhatItDoesNotDo) {
  start();
  const auto ask = [this](const std::string& head, const std::string& rest = "") {
    return Client(port_).ask(head + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + rest + "\r\n");
  };
  EXPECT_THAT(ask("POST /hello"), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET\r\n"),
                                        EndsWith("only GET is answered here\n")));
  EXPECT_THAT(Client(port_).ask("POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Client(port_).ask("GET /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
              AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("a request has no body here\n")));
  EXPECT_THAT(ask("GET /nothing"), AllOf(StartsWith("HTTP/1.1 404 "),
                                         EndsWith("there is no such page; there are /hello /never\n")));
  EXPECT_THAT(ask("GET /hello", "x: " + std::string(20'000, 'x') + "\r\n"),
              AllOf(StartsWith("HTTP/1.1 431 "), EndsWith("a request has at most 16384 bytes here\n")));
  EXPECT_THAT(Client(port_).ask("hello\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("this is no HTTP request\n")));
}

TEST_F(ServerTest, ChecksTheHostOverTcp) {
  options_.host_names = {"sluice.internal"};
  start();
  const auto ask = [](Client&& client, const std::string& host) {
    return client.ask("GET /hello HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n");
  };
  for (const char* host : {"localhost", "LocalHost:80", "127.0.0.1", "10.1.2.3:9901", "[::1]:80", "[::1]",
                           "sluice.internal", "Sluice.Internal:9901"}) {
    EXPECT_THAT(ask(Client(port_), std::string("Host: ") + host + "\r\n"), StartsWith("HTTP/1.1 200 "))
        << host;
  }
  for (const char* host : {"evil.example", "evil.example:80", "localhost.evil.example",
                           "127.0.0.1.evil.example", "", "::1", "[127.0.0.1]"}) {
    EXPECT_THAT(ask(Client(port_), std::string("Host: ") + host + "\r\n"), StartsWith("HTTP/1.1 403 "))
        << host;
  }
  EXPECT_THAT(ask(Client(port_), ""), StartsWith("HTTP/1.1 403 "));
  // Who may open the socket may see everything.
  EXPECT_THAT(ask(Client(options_.socket_path), "Host: anything\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, BoundsTheTimeOfAnswersAndRequests) {
  options_.timeout = 200ms;
  options_.answer_timeout = 100ms;
  start();
  EXPECT_THAT(
      Client(port_).ask("GET /never HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
      AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("sluice is busy and has no answer yet: try again\n")));
  // Half a request, and none at all.
  EXPECT_EQ(Client(port_).ask("GET /hello HT"), "");
  EXPECT_EQ(Client(port_).read(), "");
}

TEST_F(ServerTest, BoundsConnections) {
  options_.max_connections = 2;
  start();
  {
    Client first(port_), second(port_);
    // Both are there once they have been answered.
    for (Client* client : {&first, &second}) {
      client->send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
      client->read("hello |");
    }
    EXPECT_EQ(Client(port_).read(), "");
    // The other door has connections of its own.
    EXPECT_THAT(Client(options_.socket_path).ask("GET /hello HTTP/1.0\r\n\r\n"), EndsWith("hello |"));
  }
  // There is room again once the server has seen that they are gone.
  const auto served = [this] {
    Client client(port_);
    client.send("GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n");
    return client.read().ends_with("hello |");
  };
  bool again = false;
  for (int i = 0; i < 500 && !again; ++i) {
    again = served();
    if (!again) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(again);
}

TEST_F(ServerTest, APageThatCannotBeMadeEndsNothing) {
  options_.handlers["/broken"] = [](const Request&, const Respond& respond) {
    respond([]() -> Response { throw std::runtime_error("no page"); });
  };
  start();
  EXPECT_THAT(Client(port_).ask("GET /broken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Client(port_).ask("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(ServerTest, AnswersFromAnotherThread) {
  std::mutex mutex;
  std::condition_variable asked;
  std::vector<Respond> waiting;
  options_.handlers["/later"] = [&](const Request&, Respond respond) {
    const std::lock_guard lock(mutex);
    waiting.push_back(std::move(respond));
    asked.notify_one();
  };
  start();
  std::thread control([&] {
    std::unique_lock lock(mutex);
    asked.wait(lock, [&] { return !waiting.empty(); });
    waiting.front()([] { return Response{.body = "later"}; });
    waiting.front()([] { return Response{.body = "twice"}; });  // is dropped
  });
  EXPECT_THAT(Client(port_).ask("GET /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              EndsWith("\r\n\r\nlater"));
  control.join();
}

TEST_F(ServerTest, EndsWithOpenConnections) {
  start();
  Client idle(port_), waiting(options_.socket_path);
  waiting.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
  idle.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  idle.read("hello |");
  server_.reset();
  EXPECT_EQ(idle.read(), "");
  EXPECT_FALSE(std::filesystem::exists(options_.socket_path));
}

TEST_F(ServerTest, SaysWhyItCannotStart) {
  const auto error = [this] {
    auto server = start_server(options_);
    return server ? "" : server.error().message + " | " + server.error().suggestion;
  };
  for (const char* address :
       {"localhost:80", "127.0.0.1", "::1:80", "127.0.0.1:70000", "[127.0.0.1]:80", ":80"}) {
    options_.tcp_address = address;
    EXPECT_EQ(error(), "`" + options_.tcp_address +
                           "` is no address to listen on | an IP address and a port, as 127.0.0.1:9901 or "
                           "[::1]:0, or none");
  }
  options_.tcp_address = "127.0.0.1:0";
  start();
  options_.socket_path += "2";
  options_.tcp_address = server_->tcp_address();
  EXPECT_EQ(error(), "cannot listen on `" + options_.tcp_address +
                         "`: Address already in use | use another port, or 0 for any that is free");
  options_.socket_path = folder_ + "/" + std::string(200, 'x');
  EXPECT_THAT(error(), StartsWith("cannot listen on `" + options_.socket_path + "`: "));
}

TEST(Page, IsSelfContained) {
  const std::string text(page());
  EXPECT_THAT(text, StartsWith("<!doctype html>"));
  EXPECT_THAT(text, EndsWith("</html>\n"));
  // Nothing is loaded from elsewhere, and nothing is made of text that came from outside.
  for (const char* never : {"http://", "https://", "//cdn", "innerHTML", "insertAdjacentHTML",
                            "document.write", "eval(", "@import", "url("}) {
    EXPECT_THAT(text, Not(HasSubstr(never)));
  }
}

}  // namespace
}  // namespace sluice::admin
