#include "picker/service/service.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "picker/exchange/exchange.h"
#include "picker/exchange/names.h"
#include "picker/exchange/pool_metrics.h"

namespace sluice::picker {
namespace {

using extproc::BodyMode;
using extproc::Part;

// A piece of a streamed body. Below Envoy's usual 64 KiB of buffers, with room for the message around it.
constexpr std::size_t kPiece = 62'000;
constexpr std::string_view kDetails = "sluice_picker";

class RequestMessage final : public Message {
 public:
  explicit RequestMessage(const extproc::Request& request) : request_(request) {}

  std::optional<std::string_view> header(std::string_view name) const override {
    return request_.header(name);
  }
  std::optional<std::vector<std::string>> metadata(std::string_view name_space,
                                                   std::string_view field) const override {
    const auto value = request_.metadata(name_space, field);
    if (!value) return std::nullopt;
    std::vector<std::string> strings;
    if (const auto text = value->as_string()) strings.emplace_back(*text);
    for (const extproc::ValueView& element : value->elements())
      strings.emplace_back(element.as_string().value_or(""));
    return strings;
  }

 private:
  const extproc::Request& request_;
};

}  // namespace

// One HTTP request.
class PickerService::Conversation final : public extproc::Handler {
 public:
  Conversation(PickerService& service, extproc::Exchange& exchange)
      : service_(service),
        stream_(exchange),
        exchange_(service.keeper_.pool(), [this] { return mailbox(); }) {}
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() override {
    if (mailbox_ != nullptr) mailbox_->owner = nullptr;
  }

  void on_request(const extproc::Request& request) override {
    if (exchange_.refused()) return;
    switch (request.part) {
      case Part::kRequestHeaders:
        on_request_headers(request);
        return;
      case Part::kRequestBody:
        on_request_body(request);
        return;
      case Part::kRequestTrailers:
        trailers_ = true;
        if (exchange_.receiving() && mode_ == BodyMode::kFullDuplexStreamed) {
          on_late_verdict(exchange_.request_body({}, Exchange::End::kWhole));
        } else if (!exchange_.waiting()) {
          stream_.send(extproc::Response{.part = request.part});
        }
        return;
      case Part::kResponseHeaders:
        on_response_headers(request);
        return;
      case Part::kResponseBody:
        on_response_body(request);
        return;
      case Part::kResponseTrailers:
        exchange_.response_end(RequestMessage(request));
        stream_.send(extproc::Response{.part = request.part});
        return;
    }
  }

 private:
  // All of it is used on the loop's thread.
  struct Box final : Mailbox {
    explicit Box(Conversation* conversation) : owner(conversation) {}
    void deliver(Mail mail) override {
      if (owner != nullptr) owner->on_mail(std::move(mail));
    }
    Conversation* owner;
  };
  std::shared_ptr<Mailbox> mailbox() {
    if (mailbox_ == nullptr) mailbox_ = std::make_shared<Box>(this);
    return mailbox_;
  }

  void on_mail(Mail mail) { on_late_verdict(exchange_.mail(std::move(mail))); }

  // On a body that was kept.
  void on_late_verdict(const std::optional<Verdict>& verdict) {
    if (!verdict) return;
    const std::string body = std::exchange(body_, {});
    on_verdict(verdict, body);
  }

  // ---- the request ---------------------------------------------------------------------------------

  void on_request_headers(const extproc::Request& request) {
    mode_ = request.request_body_mode.value_or(service_.body_mode_);
    response_mode_ = request.response_body_mode.value_or(BodyMode::kFullDuplexStreamed);
    // Without a body, or one that we do not see before the request goes on.
    bodiless_ = request.end_of_stream || mode_ == BodyMode::kNone || mode_ == BodyMode::kStreamed ||
                mode_ == BodyMode::kGrpc;
    decide_at_ =
        bodiless_ || mode_ == BodyMode::kFullDuplexStreamed ? Part::kRequestHeaders : Part::kRequestBody;
    on_verdict(exchange_.request_headers(RequestMessage(request),
                                         bodiless_ ? Exchange::Body::kNone : Exchange::Body::kFollows),
               {});
    // In the other modes Envoy sends no body before it has this.
    if (exchange_.receiving() && mode_ != BodyMode::kFullDuplexStreamed)
      stream_.send(extproc::Response{.part = request.part});
  }

  void on_request_body(const extproc::Request& request) {
    if (!exchange_.receiving()) {
      // Chunks in STREAMED mode, which go on as they are.
      if (mode_ == BodyMode::kFullDuplexStreamed) {
        stream_.send(extproc::Response{.part = request.part,
                                       .body = extproc::StreamBody{request.body, request.end_of_stream}});
      } else {
        stream_.send(extproc::Response{.part = request.part});
      }
      return;
    }
    // BUFFERED_PARTIAL may end before the body does.
    const Exchange::End end = mode_ == BodyMode::kBufferedPartial ? Exchange::End::kCut
                              : request.end_of_stream || mode_ != BodyMode::kFullDuplexStreamed
                                  ? Exchange::End::kWhole
                                  : Exchange::End::kNone;
    const std::optional<Verdict> verdict = exchange_.request_body(request.body, end);
    if (verdict && body_.empty()) {  // it came in one piece, and goes on as such
      on_verdict(verdict, request.body);
      return;
    }
    if (body_.empty()) body_.reserve(std::max<std::size_t>(request.body.size(), exchange_.expected_bytes()));
    body_.append(request.body);
    on_late_verdict(verdict);
  }

  // `body`: all of it, or the one of the message that is answered.
  void on_verdict(const std::optional<Verdict>& verdict, std::string_view body) {
    if (!verdict) return;
    if (const auto* answer = std::get_if<Answer>(&*verdict)) {
      refuse(*answer);
    } else {
      send_to(std::get<Destination>(*verdict), body);
    }
  }

  void send_to(const Destination& destination, std::string_view body) {
    const bool rewrites = exchange_.rewrites();
    const std::string with_model = rewrites ? exchange_.rewritten(body) : std::string();
    const std::string length = rewrites ? fmt::format("{}", with_model.size()) : std::string();
    std::array<extproc::HeaderChange, 3> changes{extproc::HeaderChange{kDestination, destination.addresses}};
    std::size_t count = 1;
    if (!destination.prefiller.empty()) changes[count++] = {kPrefiller, destination.prefiller};
    if (rewrites) changes[count++] = {"content-length", length};
    // Nobody else may say where prompts are sent.
    const std::array removed{kPrefiller};
    const bool removes = exchange_.has_prefiller_header() && destination.prefiller.empty();
    const std::array metadata{extproc::MetadataEntry{kLoadBalancer, kDestination, destination.addresses}};
    extproc::Response response{.part = decide_at_,
                               .set_headers = std::span(changes).first(count),
                               .remove_headers = std::span(removed).first(removes ? 1 : 0),
                               .clear_route_cache = true,
                               .metadata = metadata};
    if (decide_at_ == Part::kRequestBody && rewrites) response.body = extproc::ReplaceBody{with_model};
    stream_.send(response);
    if (decide_at_ == Part::kRequestBody || bodiless_) return;
    send_body(rewrites ? std::string_view(with_model) : body);
  }

  void send_body(std::string_view body) {
    // Where trailers follow, they end the stream.
    while (!body.empty() || !trailers_) {
      const std::string_view piece = body.substr(0, kPiece);
      body.remove_prefix(piece.size());
      stream_.send(extproc::Response{.part = Part::kRequestBody,
                                     .body = extproc::StreamBody{piece, body.empty() && !trailers_}});
      if (body.empty()) break;
    }
    if (trailers_) stream_.send(extproc::Response{.part = Part::kRequestTrailers});
  }

  void refuse(const Answer& answer) {
    body_ = {};
    const std::string body = answer.body();
    const std::string seconds = answer.retry_after_header();
    const std::array headers{extproc::HeaderChange{"content-type", "application/json"},
                             extproc::HeaderChange{"retry-after", seconds}};
    stream_.send(extproc::ImmediateResponse{.status = answer.status,
                                            .headers = std::span(headers).first(seconds.empty() ? 1 : 2),
                                            .body = body,
                                            .details = kDetails});
  }

  // ---- the response --------------------------------------------------------------------------------

  void on_response_headers(const extproc::Request& request) {
    const auto session = exchange_.response_headers(
        RequestMessage(request), request.end_of_stream,
        response_mode_ == BodyMode::kNone ? Exchange::Body::kNone : Exchange::Body::kFollows);
    extproc::Response response{.part = request.part};
    std::array<extproc::HeaderChange, 1> changes;
    if (session) {
      changes[0] = {session->header, session->token};
      response.set_headers = changes;
    }
    stream_.send(response);
  }

  void on_response_body(const extproc::Request& request) {
    exchange_.response_body(request.body);
    extproc::Response response{.part = request.part};
    if (response_mode_ == BodyMode::kFullDuplexStreamed) {
      response.body = extproc::StreamBody{request.body, request.end_of_stream};
    }
    stream_.send(response);
    if (request.end_of_stream) exchange_.response_end(RequestMessage(request));
  }

  PickerService& service_;
  extproc::Exchange& stream_;
  BodyMode mode_ = BodyMode::kFullDuplexStreamed;
  BodyMode response_mode_ = BodyMode::kFullDuplexStreamed;
  Part decide_at_ = Part::kRequestHeaders;  // whose answer has the decision
  bool bodiless_ = false;
  bool trailers_ = false;  // of the request, have come
  std::string body_;       // until there is a verdict, less what is there when it comes
  std::shared_ptr<Box> mailbox_;
  Exchange exchange_;
};

PickerService::PickerService(Loop& loop, ServiceOptions options)
    : body_mode_(options.body_mode),
      keeper_(loop, {.pool = std::move(options.pool),
                     .scrape = std::move(options.scrape),
                     .series = std::move(options.series),
                     .on_lost =
                         [](std::string_view address, std::string_view reason) {
                           log(Level::kWarning, "a model server is lost",
                               {{"address", address}, {"reason", reason}});
                         },
                     .on_silent =
                         [](std::string_view address, std::string_view reason) {
                           log(Level::kWarning,
                               "a model server does not say how busy it is, and counts as idle",
                               {{"address", address}, {"reason", reason}});
                         },
                     .on_ready =
                         [this] {
                           if (when_ready_) when_ready_();
                         }}) {}

std::unique_ptr<extproc::Handler> PickerService::start(extproc::Exchange& exchange) {
  return std::make_unique<Conversation>(*this, exchange);
}

std::string PickerService::metrics() {
  const PoolReading reading{.name = {}, .pool = keeper_.pool(), .servers = keeper_.servers()};
  return metrics_page(std::span(&reading, 1));
}

}  // namespace sluice::picker
