#include "drain/testing.h"

#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace sluice::drain {

namespace {

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

bool wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string own_door() {
  static int number = 0;
  return fmt::format("sluice-drain-test-{}-{}", ::getpid(), ++number);
}

Descriptor connect_to(std::uint16_t port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in address = local(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    socket.reset();
  return socket;
}

std::string read_some(const Descriptor& socket) {
  char buffer[4096];
  const ssize_t n = ::recv(socket.get(), buffer, sizeof buffer, 0);
  return n <= 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(n));
}

std::string get(std::uint16_t port, const std::string& path) {
  const Descriptor socket = connect_to(port);
  if (!socket) return {};
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
  ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  std::string response;
  for (std::string piece = read_some(socket); !piece.empty(); piece = read_some(socket)) response += piece;
  return response;
}

TcpServer::TcpServer(std::function<void(Descriptor)> serve)
    : serve_(std::move(serve)), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket_.get(), 64), 0);
  EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  accepting_ = std::jthread([this] {
    while (true) {
      Descriptor client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      serving_.emplace_back([this, client = std::move(client)]() mutable { serve_(std::move(client)); });
    }
  });
}

TcpServer::~TcpServer() {
  ::shutdown(socket_.get(), SHUT_RDWR);
  accepting_.join();
}

MemoryAdmin::MemoryAdmin() : server_([this](Descriptor client) { serve(std::move(client)); }) {}

std::string MemoryAdmin::address() const { return fmt::format("127.0.0.1:{}", server_.port()); }

std::vector<std::string> MemoryAdmin::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void MemoryAdmin::serve(Descriptor client) {
  std::string request;
  while (!request.contains("\r\n\r\n")) {
    const std::string piece = read_some(client);
    if (piece.empty()) return;
    request += piece;
  }
  {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request.substr(0, request.find(" HTTP/")));
  }
  if (!answers_) return;
  const std::string body =
      request.starts_with("GET /stats")
          ? fmt::format("listener.0.0.0.0_10080.downstream_cx_active: {}\n", connections_.load())
          : "OK\n";
  const std::string answer =
      fmt::format("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", body.size(), body);
  ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
}

}  // namespace sluice::drain
