// Model servers for measuring a picker, as cheap as they can be: they answer every GET at once with a vLLM
// metrics page of 51 KB, or with a list of models, and every POST with a completion of a few bytes.
//
//   picker_pods 64   prints "127.0.0.1:40001,127.0.0.1:40002,…" and serves until it is killed
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/loop.h"
#include "picker_vllm_page.h"

namespace sluice::bench {
namespace {

std::string response(std::string_view type, const std::string& body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", type, body.size(),
                     body);
}

class Pods {
 public:
  explicit Pods(Loop& loop) : loop_(loop) {
    page_ = response("text/plain; version=0.0.4", vllm_page(0, 8, 0.25));
    completion_ =
        response("application/json",
                 R"({"choices":[{"text":"yes"}],"usage":{"prompt_tokens":500,"completion_tokens":1}})");
    models_ = response("application/json", R"({"object":"list","data":[{"id":"base","parent":null}]})");
  }

  // The port.
  unsigned add() {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener.get(), generic, size) != 0 || ::listen(listener.get(), 128) != 0 ||
        ::getsockname(listener.get(), generic, &size) != 0)
      std::abort();
    const int fd = listener.get();
    listeners_[fd] = {
        std::move(listener), loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { accept(fd); }), {}};
    return ntohs(address.sin_port);
  }

 private:
  struct Watched {
    Descriptor descriptor;
    Loop::Watch watch;
    std::string request;  // what is there of it
  };

  void accept(int listener) {
    Descriptor connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));  // blocking, for writes
    if (!connection) return;
    const int fd = connection.get();
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections_[fd] = {
        std::move(connection), loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { read(fd); }), {}};
  }

  // A request is there, with its body.
  static bool complete(std::string_view request) {
    const std::size_t end = request.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    constexpr std::string_view kLength = "content-length: ";
    const std::size_t length = request.substr(0, end).find(kLength);
    if (length != std::string_view::npos)
      return request.size() >= end + 4 + std::strtoull(&request[length + kLength.size()], nullptr, 10);
    return !request.substr(0, end).contains("transfer-encoding: chunked") ||
           request.ends_with("\r\n0\r\n\r\n");
  }

  void read(int fd) {
    char buffer[65536];
    const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
    if (size <= 0) {
      connections_.erase(fd);
      return;
    }
    std::string& request = connections_[fd].request;
    request.append(buffer, static_cast<std::size_t>(size));
    if (!complete(request)) return;
    answer(fd, request.starts_with("POST ")            ? completion_
               : request.starts_with("GET /v1/models") ? models_
                                                       : page_);
    request.clear();
  }

  static void answer(int fd, const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t sent = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<std::size_t>(sent);
    }
  }

  Loop& loop_;
  std::string page_;
  std::string models_;
  std::string completion_;
  std::map<int, Watched> listeners_;
  std::map<int, Watched> connections_;
};

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  sluice::Loop loop;
  sluice::bench::Pods pods(loop);
  const int count = argc > 1 ? std::atoi(argv[1]) : 8;
  for (int i = 0; i < count; ++i) fmt::print("{}127.0.0.1:{}", i == 0 ? "" : ",", pods.add());
  fmt::print("\n");
  std::fflush(stdout);
  loop.run();
}
