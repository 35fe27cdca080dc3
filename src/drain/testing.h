// What the tests of this module share: an admin interface in memory, a door of one's own, and plain HTTP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptor.h"

namespace sluice::drain {

// Generous: the machine may be busy.
inline constexpr std::chrono::seconds kPatience{40};

bool wait_until(const std::function<bool()>& condition);

// A name that no other test has.
std::string own_door();

// A TCP connection to this machine; nothing where nobody listens. Reading gives up after kPatience.
Descriptor connect_to(std::uint16_t port);
// Empty at the end.
std::string read_some(const Descriptor& socket);
// The whole answer to a GET, up to the end of the connection.
std::string get(std::uint16_t port, const std::string& path);

// Listens, and has each connection served by `serve` on a thread of its own.
class TcpServer {
 public:
  explicit TcpServer(std::function<void(Descriptor)> serve);
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  ~TcpServer();  // waits for what serves
  std::uint16_t port() const { return port_; }

 private:
  std::function<void(Descriptor)> serve_;
  Descriptor socket_;
  std::uint16_t port_ = 0;
  std::vector<std::jthread> serving_;
  std::jthread accepting_;
};

// Answers as an Envoy with so many connections would, and remembers what it was asked.
class MemoryAdmin {
 public:
  MemoryAdmin();
  std::string address() const;
  std::vector<std::string> asked() const;  // "POST /healthcheck/fail"
  void set_connections(int count) { connections_ = count; }
  void set_answers(bool answers) { answers_ = answers; }

 private:
  void serve(Descriptor client);

  std::atomic<int> connections_ = 0;
  std::atomic<bool> answers_ = true;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  TcpServer server_;
};

}  // namespace sluice::drain
