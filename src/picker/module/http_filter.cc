#include "picker/module/http_filter.h"

#include <array>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include <fmt/format.h>

#include "picker/exchange/names.h"

namespace sluice::picker {
namespace {

constexpr std::string_view kDetails = "sluice_picker";
constexpr std::string_view kContentLength = "content-length";

class EnvoyMessage final : public Message {
 public:
  // All headers are fetched at once: a look-up by name costs Envoy as much.
  EnvoyMessage(envoy::Filter envoy, envoy::HeaderMap map)
      : envoy_(envoy), is_response_(map == envoy::HeaderMap::kResponse) {
    headers_.resize(envoy_dynamic_module_callback_http_get_headers_size(envoy, map));
    if (!headers_.empty() && !envoy_dynamic_module_callback_http_get_headers(envoy, map, headers_.data())) {
      headers_.clear();
    }
  }
  // Without headers.
  explicit EnvoyMessage(envoy::Filter envoy) : envoy_(envoy) {}

  std::optional<std::string_view> header(std::string_view name) const override {
    for (const envoy::Header& header : headers_) {
      if (text_of(header.name) == name) return text_of(header.value);
    }
    // Where nobody says who has served, Envoy knows.
    envoy::Bytes address{};
    if (is_response_ && name == kServed &&
        envoy_dynamic_module_callback_http_filter_get_attribute_string(
            envoy_, envoy::Attribute::kUpstreamAddress, &address)) {
      return text_of(address);
    }
    return std::nullopt;
  }

  std::optional<std::vector<std::string>> metadata(std::string_view name_space,
                                                   std::string_view field) const override {
    constexpr auto kSource = envoy::MetadataSource::kDynamic;
    // Most requests have none, and the look-ups cost.
    if (envoy_dynamic_module_callback_http_get_metadata_namespaces_count(envoy_, kSource) == 0)
      return std::nullopt;
    const envoy::Bytes space = envoy::bytes_of(name_space);
    const envoy::Bytes key = envoy::bytes_of(field);
    envoy::Bytes value{};
    if (envoy_dynamic_module_callback_http_get_metadata_string(envoy_, kSource, space, key, &value))
      return std::vector{std::string(text_of(value))};
    std::size_t size = 0;
    if (!envoy_dynamic_module_callback_http_get_metadata_list_size(envoy_, kSource, space, key, &size))
      return std::nullopt;
    std::vector<std::string> strings;
    for (std::size_t i = 0; i < size; ++i) {
      if (envoy_dynamic_module_callback_http_get_metadata_list_string(envoy_, kSource, space, key, i, &value))
        strings.emplace_back(text_of(value));
    }
    return strings;
  }

 private:
  envoy::Filter envoy_;
  bool is_response_ = false;
  absl::InlinedVector<envoy::Header, 32> headers_;
};

using Chunks = absl::InlinedVector<envoy::Bytes, 8>;

Chunks chunks_of(envoy::Filter envoy, envoy::Body part) {
  Chunks chunks(envoy_dynamic_module_callback_http_get_body_chunks_size(envoy, part));
  if (!chunks.empty() && !envoy_dynamic_module_callback_http_get_body_chunks(envoy, part, chunks.data()))
    chunks.clear();
  return chunks;
}

}  // namespace

// Lives as long as the filter or the pool's thread has it.
class HttpFilter::Box final : public Mailbox {
 public:
  explicit Box(envoy::Filter envoy)
      : scheduler_(envoy_dynamic_module_callback_http_filter_scheduler_new(envoy)) {}
  Box(const Box&) = delete;
  Box& operator=(const Box&) = delete;
  ~Box() override = default;

  void deliver(Mail mail) override {
    const std::lock_guard lock(mutex_);
    if (scheduler_ == nullptr) return;
    mail_ = std::move(mail);
    envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler_, 0);
  }

  std::optional<Mail> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(mail_, std::nullopt);
  }

  // The filter is gone.
  void close() {
    const std::lock_guard lock(mutex_);
    envoy_dynamic_module_callback_http_filter_scheduler_delete(std::exchange(scheduler_, nullptr));
    mail_.reset();
  }

 private:
  std::mutex mutex_;
  envoy::FilterScheduler scheduler_;
  std::optional<Mail> mail_;
};

HttpFilter::HttpFilter(Pool& pool, bool read_responses, envoy::Filter envoy)
    : pool_(pool),
      read_responses_(read_responses),
      envoy_(envoy),
      exchange_(pool, [this] { return mailbox(); }) {}

HttpFilter::~HttpFilter() {
  if (mailbox_ != nullptr) mailbox_->close();
}

std::shared_ptr<Mailbox> HttpFilter::mailbox() {
  if (mailbox_ == nullptr) mailbox_ = std::make_shared<Box>(envoy_);
  return mailbox_;
}

// ---- the request -------------------------------------------------------------------------------------

envoy::HeadersStatus HttpFilter::on_request_headers(bool end_of_stream) {
  std::optional<Verdict> verdict;
  {
    const EnvoyMessage headers(envoy_, envoy::HeaderMap::kRequest);
    verdict =
        exchange_.request_headers(headers, end_of_stream ? Exchange::Body::kNone : Exchange::Body::kFollows);
  }
  if (verdict)
    return act_on(*verdict) ? envoy::HeadersStatus::kContinue : envoy::HeadersStatus::kStopIteration;
  if (exchange_.receiving()) {
    // So that it is we who say how large a body may be.
    const std::uint64_t limit = envoy_dynamic_module_callback_http_get_buffer_limit(envoy_);
    const std::uint64_t wanted = pool_.options().max_body_bytes;
    if (limit != 0 && limit < wanted) envoy_dynamic_module_callback_http_set_buffer_limit(envoy_, wanted);
  }
  return envoy::HeadersStatus::kStopIteration;
}

envoy::BodyStatus HttpFilter::on_request_body(bool end_of_stream) {
  if (exchange_.refused()) return envoy::BodyStatus::kStopIterationNoBuffer;
  if (exchange_.waiting()) return envoy::BodyStatus::kStopIterationAndBuffer;
  if (!exchange_.receiving()) return envoy::BodyStatus::kContinue;
  const Chunks chunks = chunks_of(envoy_, envoy::Body::kReceivedRequest);
  std::optional<Verdict> verdict;
  for (std::size_t i = 0; i < chunks.size() && !verdict; ++i) {
    const bool last = end_of_stream && i + 1 == chunks.size();
    verdict = exchange_.request_body(text_of(chunks[i]), last ? Exchange::End::kWhole : Exchange::End::kNone);
  }
  if (end_of_stream && chunks.empty()) verdict = exchange_.request_body({}, Exchange::End::kWhole);
  if (!verdict) return envoy::BodyStatus::kStopIterationAndBuffer;
  return act_on(*verdict, In::kBodyHook) ? envoy::BodyStatus::kContinue
                                         : envoy::BodyStatus::kStopIterationNoBuffer;
}

envoy::TrailersStatus HttpFilter::on_request_trailers() {
  if (exchange_.receiving()) {
    if (const auto verdict = exchange_.request_body({}, Exchange::End::kWhole); verdict && act_on(*verdict))
      return envoy::TrailersStatus::kContinue;
    return envoy::TrailersStatus::kStopIteration;
  }
  return exchange_.waiting() || exchange_.refused() ? envoy::TrailersStatus::kStopIteration
                                                    : envoy::TrailersStatus::kContinue;
}

void HttpFilter::on_scheduled() {
  if (mailbox_ == nullptr) return;
  std::optional<Mail> mail = mailbox_->take();
  if (!mail) return;
  const std::optional<Verdict> verdict = exchange_.mail(*std::move(mail));
  if (verdict && act_on(*verdict)) envoy_dynamic_module_callback_http_filter_continue_decoding(envoy_);
}

bool HttpFilter::act_on(const Verdict& verdict, In in) {
  if (const auto* destination = std::get_if<Destination>(&verdict)) {
    go_to(*destination, in);
    return true;
  }
  answer(std::get<Answer>(verdict));
  return false;
}

void HttpFilter::go_to(const Destination& destination, In in) {
  const auto set = [this](std::string_view name, envoy::Bytes value) {
    envoy_dynamic_module_callback_http_set_header(envoy_, envoy::HeaderMap::kRequest, envoy::bytes_of(name),
                                                  value);
  };
  if (exchange_.rewrites()) rewrite_body(in);
  const envoy::Bytes addresses = envoy::bytes_of(destination.addresses);
  if (exchange_.has_destination_header()) {
    set(kDestination, addresses);
  } else {  // which costs Envoy less
    envoy_dynamic_module_callback_http_add_header(envoy_, envoy::HeaderMap::kRequest,
                                                  envoy::bytes_of(kDestination), addresses);
  }
  if (!destination.prefiller.empty()) {
    set(kPrefiller, envoy::bytes_of(destination.prefiller));
  } else if (exchange_.has_prefiller_header()) {
    set(kPrefiller, {});  // nobody else may say where prompts are sent
  }
  envoy_dynamic_module_callback_http_set_dynamic_metadata_string(envoy_, envoy::bytes_of(kLoadBalancer),
                                                                 envoy::bytes_of(kDestination), addresses);
}

// What Envoy has kept of the body, and the part that has just come where there is one, become one.
void HttpFilter::rewrite_body(In in) {
  std::string body;
  const auto append = [&](envoy::Body part) {
    for (const envoy::Bytes chunk : chunks_of(envoy_, part)) body.append(text_of(chunk));
  };
  append(envoy::Body::kBufferedRequest);
  if (in == In::kBodyHook && !envoy_dynamic_module_callback_http_received_buffered_request_body(envoy_))
    append(envoy::Body::kReceivedRequest);
  const std::string with_model = exchange_.rewritten(body);
  const envoy::Body into =
      in == In::kBodyHook ? envoy::Body::kReceivedRequest : envoy::Body::kBufferedRequest;
  for (const envoy::Body part : {envoy::Body::kBufferedRequest, envoy::Body::kReceivedRequest}) {
    if (const std::size_t size = envoy_dynamic_module_callback_http_get_body_size(envoy_, part); size != 0)
      envoy_dynamic_module_callback_http_drain_body(envoy_, part, size);
  }
  envoy_dynamic_module_callback_http_append_body(envoy_, into, envoy::bytes_of(with_model));
  // A body in chunks has none.
  if (EnvoyMessage(envoy_, envoy::HeaderMap::kRequest).header(kContentLength)) {
    const std::string length = fmt::format("{}", with_model.size());
    envoy_dynamic_module_callback_http_set_header(envoy_, envoy::HeaderMap::kRequest,
                                                  envoy::bytes_of(kContentLength), envoy::bytes_of(length));
  }
}

void HttpFilter::answer(const Answer& answer) {
  const std::string body = answer.body();
  const std::string seconds = answer.retry_after_header();
  const std::array headers{
      envoy::Header{envoy::bytes_of("content-type"), envoy::bytes_of("application/json")},
      envoy::Header{envoy::bytes_of("retry-after"), envoy::bytes_of(seconds)}};
  envoy_dynamic_module_callback_http_send_response(envoy_, answer.status, headers.data(),
                                                   seconds.empty() ? 1 : 2, envoy::bytes_of(body),
                                                   envoy::bytes_of(kDetails));
}

// ---- the response ------------------------------------------------------------------------------------

void HttpFilter::on_response_headers(bool end_of_stream) {
  if (exchange_.refused()) return;
  const bool reads = read_responses_ && exchange_.needs_body();
  const auto session =
      exchange_.response_headers(EnvoyMessage(envoy_, envoy::HeaderMap::kResponse), end_of_stream,
                                 reads ? Exchange::Body::kFollows : Exchange::Body::kNone);
  if (!session) return;
  envoy_dynamic_module_callback_http_set_header(
      envoy_, envoy::HeaderMap::kResponse, envoy::bytes_of(session->header), envoy::bytes_of(session->token));
}

void HttpFilter::on_response_body(bool end_of_stream) {
  if (exchange_.refused()) return;
  if (read_responses_ && exchange_.needs_body()) {
    for (const envoy::Bytes chunk : chunks_of(envoy_, envoy::Body::kReceivedResponse))
      exchange_.response_body(text_of(chunk));
  }
  if (end_of_stream) exchange_.response_end(EnvoyMessage(envoy_));
}

void HttpFilter::on_response_trailers() {
  if (exchange_.refused()) return;
  exchange_.response_end(EnvoyMessage(envoy_, envoy::HeaderMap::kResponseTrailers));
}

}  // namespace sluice::picker
