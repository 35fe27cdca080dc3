// An ext_proc service that does not do what it should: hostile-ext-proc ADDRESS
//
// What it does to a request, its path says:
//
//   /good         answers as it should
//   /never        says nothing
//   /late         answers after a second
//   /wrong-part   answers with a part that nobody asked about
//   /twice        answers twice
//   /fails        ends the stream with an error of gRPC's
//   /finishes     ends the stream in order, without an answer
//   /bad-header   sets a header that breaks lines
//   /pseudo       takes the path away
//
// With SIGUSR1 it says to whoever asks for its health that it does not serve, with SIGUSR2 that it does.
#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "extproc/server.h"
#include "service_main.h"

namespace {

namespace extproc = sluice::extproc;
using extproc::Exchange;
using extproc::Part;
using extproc::Response;

class Hostile final : public extproc::Handler {
 public:
  explicit Hostile(Exchange& exchange) : exchange_(exchange) {}

  void on_request(const extproc::Request& request) override {
    const Part part = request.part;
    // Only the first part has it.
    if (const auto path = request.header(":path")) path_ = *path;
    const std::string_view path = path_;
    if (path == "/good") {
      exchange_.send(Response{.part = part});
    } else if (path == "/late") {
      timer_ = exchange_.loop().after(std::chrono::seconds(1),
                                      [this, part] { exchange_.send(Response{.part = part}); });
    } else if (path == "/wrong-part") {
      exchange_.send(Response{.part = Part::kResponseTrailers});
    } else if (path == "/twice") {
      exchange_.send(Response{.part = part});
      exchange_.send(Response{.part = part});
    } else if (path == "/fails") {
      exchange_.fail(extproc::GrpcStatus::kInternal, "out of order");
    } else if (path == "/finishes") {
      exchange_.finish();
    } else if (path == "/bad-header") {
      const std::array headers{extproc::HeaderChange{"x-bad", "1\r\nx-admin: 1"}};
      exchange_.send(Response{.part = part, .set_headers = headers});
    } else if (path == "/pseudo") {
      static constexpr std::array<std::string_view, 1> kPath{":path"};
      exchange_.send(Response{.part = part, .remove_headers = kPath});
    }
  }

 private:
  Exchange& exchange_;
  std::string path_;  // of the request
  sluice::Loop::Timer timer_;
};

class HostileService final : public extproc::Service {
 public:
  std::unique_ptr<extproc::Handler> start(Exchange& exchange) override {
    return std::make_unique<Hostile>(exchange);
  }
};

}  // namespace

int main(int argc, char** argv) {
  return sluice::run_service<HostileService>(argc, argv, {SIGUSR1, SIGUSR2},
                                             [](int signal, extproc::Server& server) {
                                               server.set_serving("", signal == SIGUSR2);
                                               return true;
                                             });
}
