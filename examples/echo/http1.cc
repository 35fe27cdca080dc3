#include "echo/http1.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice::http1 {
namespace {

constexpr std::size_t kMaxHead = 1 << 20;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The whole of the text as a number.
template <typename Int>
bool parse(std::string_view text, int base, Int* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

State Reader::read(std::string_view* bytes) {
  while (state_ == State::kHead || state_ == State::kBody) {
    if (expect_ == Expect::kUntilClose) {
      body_size_ += bytes->size();
      *bytes = {};
      break;
    }
    if (bytes->empty()) break;
    if (expect_ == Expect::kLength || expect_ == Expect::kChunk) {
      const std::size_t n = std::min<std::uint64_t>(left_, bytes->size());
      bytes->remove_prefix(n);
      body_size_ += n;
      left_ -= n;
      if (left_ > 0) break;
      if (expect_ == Expect::kLength) {
        done();
      } else {
        expect_ = Expect::kChunkEnd;
      }
      continue;
    }
    if (!take_line(bytes)) break;
    const std::string line = std::exchange(line_, {});
    if (!on_line(std::string_view(line).substr(0, line.size() - 2))) state_ = State::kBad;
  }
  return state_;
}

State Reader::read_end() {
  if (expect_ == Expect::kUntilClose) {
    done();
  } else if (state_ != State::kDone) {
    state_ = State::kBad;
  }
  return state_;
}

std::string_view Reader::header(std::string_view name) const {
  const auto found = std::ranges::find(headers_, name, &Header::name);
  return found == headers_.end() ? std::string_view() : found->value;
}

// Moves a line to line_, its CRLF included; false while it is not complete.
bool Reader::take_line(std::string_view* bytes) {
  const std::size_t end = bytes->find('\n');
  const std::size_t n = end == std::string_view::npos ? bytes->size() : end + 1;
  line_.append(bytes->substr(0, n));
  bytes->remove_prefix(n);
  head_size_ += n;
  const bool complete = end != std::string_view::npos;
  if (head_size_ > kMaxHead || (complete && !line_.ends_with("\r\n"))) {
    state_ = State::kBad;
    return false;
  }
  return complete;
}

bool Reader::on_line(std::string_view line) {
  switch (expect_) {
    case Expect::kStart:
      return on_start(line);
    case Expect::kHeader:
      return line.empty() ? on_head_end() : on_header(line);
    case Expect::kChunkSize:
      return on_chunk_size(line);
    case Expect::kChunkEnd:
      expect_ = Expect::kChunkSize;
      return line.empty();
    case Expect::kTrailer:
      if (line.empty()) done();
      return true;
    default:
      return false;
  }
}

bool Reader::on_start(std::string_view line) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return false;
  const std::size_t second = line.find(' ', first + 1);
  start_[0] = line.substr(0, first);
  start_[1] = line.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  if (second != std::string_view::npos) start_[2] = line.substr(second + 1);
  const std::string& version = start_[side_ == Side::kRequests ? 2 : 0];
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  last_ = version == "HTTP/1.0";
  if (side_ == Side::kResponses && !parse(start_[1], 10, &status_)) return false;
  expect_ = Expect::kHeader;
  return true;
}

bool Reader::on_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos || line.front() == ' ' || line.front() == '\t')
    return false;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), lower);
  headers_.push_back({std::move(name), std::string(trimmed(line.substr(colon + 1)))});
  return true;
}

bool Reader::on_head_end() {
  state_ = State::kBody;
  if (const auto connection = header("connection"); !connection.empty()) {
    if (equals_ignoring_case(connection, "close")) last_ = true;
    if (equals_ignoring_case(connection, "keep-alive")) last_ = false;
  }
  const std::string_view length = header("content-length");
  const bool no_body = side_ == Side::kResponses && (status_ < 200 || status_ == 204 || status_ == 304);
  if (no_body) {
    done();
  } else if (equals_ignoring_case(header("transfer-encoding"), "chunked")) {
    expect_ = Expect::kChunkSize;
  } else if (!length.empty()) {
    if (!parse(length, 10, &left_)) return false;
    expect_ = Expect::kLength;
    if (left_ == 0) done();
  } else if (side_ == Side::kResponses) {
    expect_ = Expect::kUntilClose;
    last_ = true;
  } else {
    done();
  }
  return true;
}

bool Reader::on_chunk_size(std::string_view line) {
  head_size_ = 0;  // bodies may be longer than heads
  if (!parse(trimmed(line.substr(0, line.find(';'))), 16, &left_)) return false;
  expect_ = left_ == 0 ? Expect::kTrailer : Expect::kChunk;
  return true;
}

}  // namespace sluice::http1
