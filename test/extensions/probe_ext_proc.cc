// An ext_proc service that shows what Envoy tells it: probe-ext-proc ADDRESS
//
// Of a direction whose headers it is told, the header x-told says which attributes came along, as
// "request.path=/a response.code=200": those of kAttributes, in this order. A body that comes in
// FullDuplexStreamed it sends on twice, each piece behind itself; any other stays as it is.
#include <array>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "extproc/server.h"
#include "service_main.h"

namespace {

namespace extproc = sluice::extproc;
using extproc::BodyMode;
using extproc::Part;
using extproc::Response;

constexpr std::array<std::string_view, 5> kAttributes{"request.path", "request.method", "xds.route_name",
                                                      "response.code", "response.flags"};

std::string text_of(const extproc::ValueView& value) {
  if (const auto text = value.as_string()) return std::string(*text);
  if (const auto number = value.as_number()) return fmt::format("{}", *number);
  return "?";
}

std::string told(const extproc::Request& request) {
  std::string words;
  for (const std::string_view name : kAttributes) {
    if (const auto value = request.attribute(name)) {
      words += fmt::format("{}{}={}", words.empty() ? "" : " ", name, text_of(*value));
    }
  }
  return words;
}

class Probe final : public extproc::Handler {
 public:
  explicit Probe(extproc::Exchange& exchange) : exchange_(exchange) {}

  void on_request(const extproc::Request& request) override {
    // Only the first part has them.
    if (request.request_body_mode) request_mode_ = *request.request_body_mode;
    if (request.response_body_mode) response_mode_ = *request.response_body_mode;
    switch (request.part) {
      case Part::kRequestHeaders:
      case Part::kResponseHeaders: {
        const std::string words = told(request);
        const std::array headers{extproc::HeaderChange{"x-told", words}};
        exchange_.send(Response{.part = request.part, .set_headers = headers});
        return;
      }
      case Part::kRequestBody:
      case Part::kResponseBody:
        if ((request.part == Part::kRequestBody ? request_mode_ : response_mode_) ==
            BodyMode::kFullDuplexStreamed) {
          if (!request.body.empty()) stream(request, false);
          stream(request, request.end_of_stream);
          return;
        }
        exchange_.send(Response{.part = request.part});
        return;
      default:
        exchange_.send(Response{.part = request.part});
    }
  }

 private:
  void stream(const extproc::Request& request, bool end) {
    exchange_.send(Response{.part = request.part,
                            .body = extproc::StreamBody{.body = request.body, .end_of_stream = end}});
  }

  extproc::Exchange& exchange_;
  BodyMode request_mode_ = BodyMode::kNone;
  BodyMode response_mode_ = BodyMode::kNone;
};

class ProbeService final : public extproc::Service {
 public:
  std::unique_ptr<extproc::Handler> start(extproc::Exchange& exchange) override {
    return std::make_unique<Probe>(exchange);
  }
};

}  // namespace

int main(int argc, char** argv) {
  return sluice::run_service<ProbeService>(argc, argv, {SIGTERM},
                                           [](int, extproc::Server&) { return false; });
}
