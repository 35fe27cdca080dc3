// One HTTP request to the admin interface of an Envoy, without blocking.
//
// Threads: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/descriptor.h"
#include "base/loop.h"

namespace sluice::proxy {

struct AdminAnswer {
  int status = 0;
  std::string body;

  bool operator==(const AdminAnswer&) const = default;
};

// A whole response, read to the end of the connection; empty if it is none or is cut off.
std::optional<AdminAnswer> parse_answer(std::string_view response);

class AdminCall {
 public:
  // `address` is the path of a Unix socket, or an IPv4 address with its port, "127.0.0.1:19000".
  // `done` is called once, from the loop, not from within the constructor; with nothing when there was no
  // answer in time. It may destroy the call. A call that is destroyed before is given up.
  AdminCall(Loop& loop, const std::string& address, std::string_view method, std::string_view target,
            std::chrono::milliseconds timeout, std::function<void(std::optional<AdminAnswer>)> done);
  AdminCall(const AdminCall&) = delete;
  AdminCall& operator=(const AdminCall&) = delete;

 private:
  bool connect(const std::string& address);
  void proceed();
  void finish(std::optional<AdminAnswer> answer);

  Descriptor socket_;
  std::string request_;
  std::size_t sent_ = 0;
  std::string response_;
  std::function<void(std::optional<AdminAnswer>)> done_;
  Loop::Watch watch_;
  Loop::Timer timeout_;
};

}  // namespace sluice::proxy
