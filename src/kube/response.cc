#include "kube/response.h"

#include <charconv>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "base/letter_case.h"

namespace sluice::kube {
namespace {

namespace http = boost::beast::http;
using Error = boost::system::error_code;
using Text = boost::beast::string_view;

// Hands out what Beast finds.
class BeastParser final : public http::basic_parser<false> {
 public:
  BeastParser() {
    eager(true);
    body_limit(boost::none);  // whoever takes the pieces counts them
    header_limit(Response::kMaxHead);
  }

  const Response::Body* body = nullptr;
  std::optional<unsigned> retry_after;
  bool compressed = false;
  unsigned status = 0;

 private:
  void on_request_impl(http::verb, Text, Text, int, Error&) override {}
  void on_response_impl(int code, Text, int, Error&) override { status = static_cast<unsigned>(code); }
  void on_field_impl(http::field name, Text, Text value, Error&) override {
    if (name == http::field::content_encoding) compressed = !equal_but_for_case(value, "identity");
    if (name != http::field::retry_after) return;
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error == std::errc() && end == value.data() + value.size()) retry_after = seconds;
  }
  void on_header_impl(Error& error) override {
    if (compressed) error = http::error::bad_transfer_encoding;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(Text piece, Error&) override { return give(piece); }
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text piece, Error&) override { return give(piece); }
  void on_finish_impl(Error&) override {}

  std::size_t give(Text piece) const {
    (*body)(std::string_view(piece.data(), piece.size()));
    return piece.size();
  }
};

}  // namespace

struct Response::Parser {
  std::optional<BeastParser> beast{std::in_place};
  std::string rest;  // a head, or a chunk's, that is not complete
  State state = State::kMore;
  bool begun = false;

  State feed(std::string_view bytes, const Body& body) {
    rest.append(bytes);
    std::string_view left = rest;
    while (!left.empty()) {
      if (beast->is_done()) {
        if (beast->status >= 200) return State::kBad;
        beast.emplace();  // of "100 Continue"
      }
      beast->body = &body;
      Error error;
      const std::size_t used = beast->put(boost::asio::const_buffer(left.data(), left.size()), error);
      left.remove_prefix(used);
      if (error == http::error::need_more) {
        if (left.size() > kMaxHead) return State::kBad;  // a chunk's head has a limit, too
        break;
      }
      if (error) return State::kBad;
      if (used == 0 && !beast->is_done()) break;
    }
    rest.erase(0, rest.size() - left.size());
    return beast->is_done() && beast->status >= 200 ? State::kDone : State::kMore;
  }
};

Response::Response() : parser_(std::make_unique<Parser>()) {}
Response::Response(Response&&) noexcept = default;
Response& Response::operator=(Response&&) noexcept = default;
Response::~Response() = default;

Response::State Response::feed(std::string_view bytes, const Body& body) {
  if (parser_->state == State::kBad) return State::kBad;
  parser_->begun = parser_->begun || !bytes.empty();
  return parser_->state = parser_->feed(bytes, body);
}

Response::State Response::end() {
  if (parser_->state != State::kMore) return parser_->state;
  if (!parser_->begun) return parser_->state = State::kBad;
  Error error;
  parser_->beast->put_eof(error);
  return parser_->state = !error && has_head() ? State::kDone : State::kBad;
}

bool Response::has_head() const { return parser_->beast->is_header_done() && parser_->beast->status >= 200; }
unsigned Response::status() const { return parser_->beast->status; }
bool Response::keep_alive() const { return parser_->beast->keep_alive(); }
std::optional<unsigned> Response::retry_after() const { return parser_->beast->retry_after; }
bool Response::begun() const { return parser_->begun; }

}  // namespace sluice::kube
