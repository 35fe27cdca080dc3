// An ext_proc service that shows what Envoy tells it: probe-ext-proc ADDRESS
//
// Of a direction whose headers it is told, the header x-told says which attributes came along, and which
// namespaces of metadata with a field `word`, as "request.path=/a response.code=200 left.word=b": those of
// kAttributes and kNamespaces, in this order. Into each of these namespaces it writes `written`: "yes".
//
// A body that comes in FullDuplexStreamed it sends on twice, each piece behind itself; any other stays as it
// is, and the header x-body says how large it was, if it came whole. A request with x-mode says which bodies
// the service asks for, its own and the response's: "Buffered", with the response's headers, or "None".
#include <array>
#include <csignal>
#include <memory>
#include <optional>
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

constexpr std::array<std::string_view, 2> kNamespaces{"left", "right"};
constexpr std::string_view kWritten = "written";

std::string text_of(const extproc::ValueView& value) {
  if (const auto text = value.as_string()) return std::string(*text);
  if (const auto number = value.as_number()) return fmt::format("{}", *number);
  return "?";
}

std::string told(const extproc::Request& request) {
  std::string words;
  const auto add = [&words](std::string_view name, const std::optional<extproc::ValueView>& value) {
    if (value) words += fmt::format("{}{}={}", words.empty() ? "" : " ", name, text_of(*value));
  };
  for (const std::string_view name : kAttributes) add(name, request.attribute(name));
  for (const std::string_view name : kNamespaces) {
    add(fmt::format("{}.word", name), request.metadata(name, "word"));
  }
  return words;
}

std::optional<extproc::ModeOverride> asked_for(const extproc::Request& request) {
  const auto mode = request.header("x-mode");
  if (!mode) return std::nullopt;
  if (*mode == "None") return extproc::ModeOverride{};
  return extproc::ModeOverride{
      .request_body = BodyMode::kBuffered, .response_body = BodyMode::kBuffered, .response_headers = true};
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
        std::array<extproc::MetadataEntry, kNamespaces.size()> metadata;
        for (std::size_t i = 0; i < metadata.size(); ++i) metadata[i] = {kNamespaces[i], kWritten, "yes"};
        exchange_.send(Response{
            .part = request.part, .set_headers = headers, .metadata = metadata, .mode = asked_for(request)});
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
        tell_size(request);
        return;
      default:
        exchange_.send(Response{.part = request.part});
    }
  }

 private:
  void tell_size(const extproc::Request& request) {
    const std::string size = std::to_string(request.body.size());
    const std::array headers{extproc::HeaderChange{"x-body", size}};
    exchange_.send(Response{.part = request.part, .set_headers = headers});
  }
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
