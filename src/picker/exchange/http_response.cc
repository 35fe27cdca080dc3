#include "picker/exchange/http_response.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace sluice::picker {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <typename T>
std::optional<T> number(std::string_view text, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whether the last of a list's words is this one.
bool last_is(std::string_view list, std::string_view word) {
  const std::size_t comma = list.rfind(',');
  return equal_names(trim(comma == std::string_view::npos ? list : list.substr(comma + 1)), word);
}

}  // namespace

void HttpResponse::reset() {
  expect_ = Expect::kHead;
  status_ = 0;
  keep_alive_ = true;
  begun_ = bad_ = false;
  left_ = 0;
  partial_.clear();
}

HttpResponse::State HttpResponse::feed(std::string_view bytes,
                                       const std::function<void(std::string_view)>& body) {
  begun_ = begun_ || !bytes.empty();
  std::string line;
  while (!bytes.empty() && !bad_) {
    switch (expect_) {
      case Expect::kHead: {
        // The head ends with an empty line. Mostly it is there as a whole, and nothing has to be kept.
        if (partial_.empty()) {
          const std::size_t end = bytes.substr(0, kMaxHead + 1).find("\r\n\r\n");
          if (end != std::string_view::npos) {
            bad_ = !read_head(bytes.substr(0, end + 2));
            bytes.remove_prefix(end + 4);
            break;
          }
        }
        const std::size_t seen = partial_.size();
        partial_.append(bytes.substr(0, kMaxHead + 1 - std::min(kMaxHead, seen)));
        const std::size_t end = partial_.find("\r\n\r\n", seen < 3 ? 0 : seen - 3);
        if (end == std::string::npos) {
          bad_ = partial_.size() > kMaxHead;
          return bad_ ? State::kBad : State::kMore;
        }
        bytes.remove_prefix(end + 4 - seen);
        const std::string head = partial_.substr(0, end + 2);
        partial_.clear();
        if (!read_head(head)) bad_ = true;
        break;
      }
      case Expect::kLength:
      case Expect::kChunk: {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        body(bytes.substr(0, size));
        bytes.remove_prefix(size);
        left_ -= size;
        if (left_ == 0) expect_ = expect_ == Expect::kChunk ? Expect::kChunkEnd : Expect::kDone;
        break;
      }
      case Expect::kChunkSize:
        if (take_line(bytes, line) && !read_chunk_size(line)) bad_ = true;
        break;
      case Expect::kChunkEnd:
        if (!take_line(bytes, line)) break;
        if (!line.empty()) bad_ = true;
        expect_ = Expect::kChunkSize;
        break;
      case Expect::kTrailers:
        if (take_line(bytes, line) && line.empty()) expect_ = Expect::kDone;
        break;
      case Expect::kClose:
        body(bytes);
        return State::kMore;
      case Expect::kDone:
        bad_ = true;
        break;
    }
  }
  if (bad_) return State::kBad;
  return expect_ == Expect::kDone ? State::kDone : State::kMore;
}

HttpResponse::State HttpResponse::end() {
  keep_alive_ = false;
  if (!bad_ && (expect_ == Expect::kClose || expect_ == Expect::kDone)) {
    expect_ = Expect::kDone;
    return State::kDone;
  }
  return State::kBad;
}

bool HttpResponse::take_line(std::string_view& bytes, std::string& line) {
  const std::size_t newline = bytes.find('\n');
  partial_.append(bytes.substr(0, std::min(newline, kMaxHead + 1)));
  if (partial_.size() > kMaxHead) {
    bad_ = true;
    return false;
  }
  bytes.remove_prefix(newline == std::string_view::npos ? bytes.size() : newline + 1);
  if (newline == std::string_view::npos) return false;
  if (partial_.ends_with('\r')) partial_.pop_back();
  line = std::move(partial_);
  partial_.clear();
  return true;
}

bool HttpResponse::read_head(std::string_view head) {
  // "HTTP/1.1 200 OK"
  const std::size_t first_end = head.find("\r\n");
  const std::string_view first = head.substr(0, first_end);
  if (!first.starts_with("HTTP/1.") || first.size() < 12) return false;
  const auto status = number<unsigned>(first.substr(9, 3), 10);
  if (!status || *status < 100) return false;
  status_ = *status;
  keep_alive_ = first[7] != '0';
  std::optional<std::uint64_t> length;
  bool chunked = false;
  for (std::string_view rest = head.substr(first_end + 2); !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (equal_names(name, "content-length")) {
      const auto size = number<std::uint64_t>(value, 10);
      if (!size || (length && *length != *size)) return false;
      length = size;
    } else if (equal_names(name, "transfer-encoding")) {
      if (!last_is(value, "chunked")) return false;
      chunked = true;
    } else if (equal_names(name, "connection")) {
      if (last_is(value, "close")) keep_alive_ = false;
      if (last_is(value, "keep-alive")) keep_alive_ = true;
    }
  }
  if (status_ < 200) {  // another head follows
    expect_ = Expect::kHead;
  } else if (status_ == 204 || status_ == 304) {
    expect_ = Expect::kDone;
  } else if (chunked) {
    expect_ = Expect::kChunkSize;
  } else if (length) {
    left_ = *length;
    expect_ = left_ == 0 ? Expect::kDone : Expect::kLength;
  } else {
    keep_alive_ = false;
    expect_ = Expect::kClose;
  }
  return true;
}

bool HttpResponse::read_chunk_size(std::string_view line) {
  const auto size = number<std::uint64_t>(trim(line.substr(0, line.find(';'))), 16);
  if (!size) return false;
  left_ = *size;
  expect_ = left_ == 0 ? Expect::kTrailers : Expect::kChunk;
  return true;
}

}  // namespace sluice::picker
