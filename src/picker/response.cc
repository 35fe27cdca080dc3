#include "picker/response.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "picker/json_stream.h"

namespace sluice::picker {
namespace {

// What a number in `usage` is.
enum class Count : std::uint8_t { kNone, kPrompt, kUncachedPrompt, kCached, kCacheWritten, kCompletion };

struct CountKey {
  std::string_view key;
  std::string_view inside;  // an object in `usage`; empty: `usage` itself
  Count count;
};
constexpr std::array kCountKeys{
    CountKey{"prompt_tokens", "", Count::kPrompt},
    CountKey{"completion_tokens", "", Count::kCompletion},
    CountKey{"cached_tokens", "prompt_tokens_details", Count::kCached},
    CountKey{"input_tokens", "", Count::kUncachedPrompt},  // all of them, for OpenAI: see usage()
    CountKey{"output_tokens", "", Count::kCompletion},
    CountKey{"cached_tokens", "input_tokens_details", Count::kCached},
    CountKey{"cache_read_input_tokens", "", Count::kCached},
    CountKey{"cache_creation_input_tokens", "", Count::kCacheWritten},
};

bool contains(std::string_view text, std::string_view word) {
  return memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
}

// Of text in an event. The names stand in it as they are, for nobody escapes letters.
bool has_text(std::string_view event) { return contains(event, "\"choices\"") || contains(event, "delta"); }

constexpr std::string_view kUsage = "\"usage\"";
constexpr std::string_view kData = "data:";

}  // namespace

bool is_event_stream(std::string_view content_type) {
  constexpr std::string_view kType = "text/event-stream";
  if (content_type.size() < kType.size()) return false;
  const auto equal = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; };
  return std::ranges::equal(content_type.substr(0, kType.size()), kType, equal);
}

class ResponseReader::Reading {
 public:
  explicit Reading(bool is_event_stream) : is_event_stream_(is_event_stream), json_(*this) {}

  void feed(std::string_view chunk) {
    if (!is_event_stream_) {
      json_.feed(chunk);
      return;
    }
    while (!chunk.empty()) {
      const std::size_t newline = chunk.find('\n');
      const std::string_view piece = chunk.substr(0, newline);
      const bool ends = newline != std::string_view::npos;
      chunk.remove_prefix(ends ? newline + 1 : chunk.size());
      read_line(piece, ends);
    }
  }

  bool has_first_token() const { return first_token_; }

  Usage usage() const {
    // Anthropic's input_tokens are those that were not cached, and those that were are counted beside them.
    const std::uint32_t input = uncached_prompt_ + (cached_is_apart_ ? cached_ + cache_written_ : 0);
    return {.prompt_tokens = std::max(prompt_, input),
            .cached_tokens = cached_,
            .completion_tokens = completion_};
  }

  // What JsonStream tells.
  void on_open(bool) {
    ++depth_;
    if (usage_depth_ == 0 && key_ == "usage" && (depth_ == 2 || (depth_ == 3 && holder_))) {
      usage_depth_ = depth_;
      inside_.clear();
    } else if (usage_depth_ != 0 && depth_ == usage_depth_ + 1) {
      inside_ = key_;
    }
    if (depth_ == 2) holder_ = key_ == "message" || key_ == "response";
    key_.clear();
  }
  void on_close(bool) {
    if (depth_ == usage_depth_) usage_depth_ = 0;
    if (usage_depth_ != 0 && depth_ == usage_depth_ + 1) inside_.clear();
    --depth_;
    key_.clear();
  }
  void on_key(std::string_view key, bool) {
    // Deeper ones are nobody's business.
    if (depth_ <= 2 || usage_depth_ != 0) key_ = key;
  }
  void on_string_begin(std::uint64_t) { key_.clear(); }
  void on_string_piece(std::string_view) {}
  void on_string_end(std::uint64_t, bool) {}
  void on_scalar(std::string_view text, std::uint64_t) {
    if (usage_depth_ != 0) count(text);
    key_.clear();
  }

 private:
  // A line, or a part of it. `data:` may be cut as well.
  void read_line(std::string_view piece, bool ends) {
    if (line_ == Line::kOther) {
      if (ends) line_ = Line::kBegin;
      return;
    }
    if (line_ == Line::kBegin) {
      if (!begin_.empty()) {  // the beginning came with an earlier chunk
        begin_.append(piece);
        if (begin_.size() < kData.size() && !ends) return;
        const std::string line = std::exchange(begin_, {});
        begin_line(line, ends);
        return;
      }
      if (piece.size() < kData.size() && !ends) {
        begin_ = piece;
        return;
      }
      begin_line(piece, ends);
      return;
    }
    look_for_text(piece);
    json_.feed(piece);
    if (ends) line_ = Line::kBegin;
  }

  void begin_line(std::string_view line, bool ends) {
    if (!line.starts_with(kData)) {
      line_ = ends ? Line::kBegin : Line::kOther;
      return;
    }
    line.remove_prefix(kData.size());
    look_for_text(line);
    line_ = ends ? Line::kBegin : Line::kData;
    // Most events have no usage; what has not arrived as a whole might.
    if (ends && !contains(line, kUsage)) return;
    json_.reset();
    depth_ = usage_depth_ = 0;
    holder_ = false;
    key_.clear();
    json_.feed(line);
  }

  void look_for_text(std::string_view event) { first_token_ = first_token_ || has_text(event); }

  void count(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return;
    for (const CountKey& known : kCountKeys) {
      if (known.key == key_ && known.inside == inside_) set(known, value);
    }
  }
  void set(const CountKey& known, std::uint32_t value) {
    switch (known.count) {
      case Count::kPrompt:
        prompt_ = value;
        break;
      case Count::kUncachedPrompt:
        uncached_prompt_ = value;
        break;
      case Count::kCached:
        cached_ = value;
        cached_is_apart_ = cached_is_apart_ || known.inside.empty();
        break;
      case Count::kCacheWritten:
        cache_written_ = value;
        cached_is_apart_ = true;
        break;
      case Count::kCompletion:
        completion_ = value;
        break;
      case Count::kNone:
        break;
    }
  }

  enum class Line : std::uint8_t { kBegin, kData, kOther };

  bool is_event_stream_;
  JsonStream<Reading> json_;
  Line line_ = Line::kBegin;
  std::string begin_;  // of a line, shorter than `data:`
  bool first_token_ = false;

  std::size_t depth_ = 0;
  std::size_t usage_depth_ = 0;  // of the object `usage`; 0: we are not in it
  bool holder_ = false;          // in an object that may have a usage of its own
  std::string key_;              // whose value comes
  std::string inside_;           // the object in `usage` that we are in

  std::uint32_t prompt_ = 0;
  std::uint32_t uncached_prompt_ = 0;
  std::uint32_t cached_ = 0;
  std::uint32_t cache_written_ = 0;
  bool cached_is_apart_ = false;
  std::uint32_t completion_ = 0;
};

ResponseReader::ResponseReader(bool is_event_stream) : reading_(std::make_unique<Reading>(is_event_stream)) {}
ResponseReader::ResponseReader(ResponseReader&&) noexcept = default;
ResponseReader& ResponseReader::operator=(ResponseReader&&) noexcept = default;
ResponseReader::~ResponseReader() = default;

void ResponseReader::feed(std::string_view chunk) { reading_->feed(chunk); }
bool ResponseReader::has_first_token() const { return reading_->has_first_token(); }
Usage ResponseReader::usage() const { return reading_->usage(); }

}  // namespace sluice::picker
