// A JSON text (RFC 8259) that arrives in chunks, read as they come: whoever listens is told of keys, strings
// and scalars, and nothing is kept but what was cut by the end of a chunk.
//
//   struct Names { void on_key(std::string_view key, bool escaped); … };
//   JsonStream<Names> stream(names);
//   while (more) if (!stream.feed(chunk)) …  // stream.fault() at stream.offset()
//   if (!stream.finish()) …
//
// A listener has: on_open(bool object), on_close(bool object), on_key(text, escaped),
// on_string_begin(offset), on_string_piece(text), on_string_end(offset, escaped), on_scalar(text, offset).
// Texts are as they were written, without quotes, and live until the call returns. Offsets count from the
// beginning of the text; that of a string is of its first byte behind the quote, and of its closing quote.
// The bytes of strings may be any but control characters: whether they are UTF-8 is for whoever uses them.
//
// Memory is bounded, whatever comes: depth by kMaxDepth, keys and scalars by kMaxToken.
//
// Threads: plain values.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace sluice::picker {

enum class JsonFault : std::uint8_t { kNone, kSyntax, kTooDeep, kIncomplete };

namespace json_internal {

// The first quote, backslash or control character of [at, end), or end. Prompts are mostly plain text.
inline const char* end_of_plain(const char* at, const char* end) {
#ifdef __SSE2__
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i last_control = _mm_set1_epi8(0x1f);
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i found =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                     _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
    if (mask != 0) return at + __builtin_ctz(mask);
  }
#endif
  while (at != end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
  return at;
}

}  // namespace json_internal

template <typename Listener>
class JsonStream {
 public:
  // Of containers in each other. Schemas of tools come to some thirty.
  static constexpr std::size_t kMaxDepth = 256;
  // Bytes of a key or a scalar that are kept. Longer ones are told as an empty text.
  static constexpr std::size_t kMaxToken = 256;

  explicit JsonStream(Listener& listener) : listener_(listener) {}

  // False once the text is no JSON: nothing of what follows is read.
  bool feed(std::string_view chunk);
  // False if the text is no JSON or is not complete.
  bool finish();
  // As before the first chunk.
  void reset();

  JsonFault fault() const { return fault_; }
  // Bytes read; where there is a fault, the place of it.
  std::uint64_t offset() const { return offset_; }
  // The outermost value has ended.
  bool complete() const { return state_ == State::kDone || (depth_ == 0 && state_ == State::kNumber); }

 private:
  enum class State : std::uint8_t {
    kValue,
    kFirstItem,  // of a list, or its end
    kFirstKey,   // of an object, or its end
    kKey,
    kColon,
    kAfterValue,
    kString,
    kEscape,
    kUnicode,
    kNumber,
    kWord,
    kDone,
  };
  // What of a number has been read.
  enum class Digits : std::uint8_t { kMinus, kZero, kInteger, kPoint, kFraction, kE, kESign, kExponent };

  bool fail(JsonFault fault, const char* at) {
    fault_ = fault;
    offset_ += static_cast<std::uint64_t>(at - chunk_);
    return false;
  }
  std::uint64_t place(const char* at) const { return offset_ + static_cast<std::uint64_t>(at - chunk_); }
  bool in_object() const { return depth_ != 0 && is_object_[depth_ - 1]; }

  bool begin_value(const char*& at);
  bool open(bool object);
  void close();
  void after_value() { state_ = depth_ == 0 ? State::kDone : State::kAfterValue; }
  bool string(const char*& at, const char* end);
  void end_string(const char* at);
  bool escape(char c);
  bool number(const char*& at, const char* end);
  bool number_may_end() const {
    return digits_ == Digits::kZero || digits_ == Digits::kInteger || digits_ == Digits::kFraction ||
           digits_ == Digits::kExponent;
  }
  bool next_digit(char c);
  bool word(const char*& at, const char* end);

  // A key or scalar is a view of the chunk, or, if it began in an earlier one, lies in kept_.
  void keep(const char* from, const char* to) {
    const auto size = static_cast<std::size_t>(to - from);
    if (kept_.size() + size > kMaxToken) {
      too_long_ = true;
    } else {
      kept_.append(from, size);
    }
  }
  std::string_view token(const char* from, const char* to) {
    if (kept_.empty() && !too_long_ && static_cast<std::size_t>(to - from) <= kMaxToken)
      return {from, static_cast<std::size_t>(to - from)};
    keep(from, to);
    return too_long_ ? std::string_view() : std::string_view(kept_);
  }
  void begin_token(const char* at) {
    token_ = at;
    token_place_ = place(at);
    kept_.clear();
    too_long_ = false;
  }

  Listener& listener_;
  State state_ = State::kValue;
  JsonFault fault_ = JsonFault::kNone;
  bool string_is_key_ = false;
  bool escaped_ = false;
  bool too_long_ = false;
  Digits digits_ = Digits::kMinus;
  std::uint8_t hex_digits_ = 0;  // that are still to come
  const char* word_ = nullptr;   // what is left of true, false or null
  const char* chunk_ = nullptr;  // its first byte is the offset_-th
  const char* token_ = nullptr;  // where the token goes on in this chunk
  std::uint64_t token_place_ = 0;
  std::uint64_t offset_ = 0;
  std::size_t depth_ = 0;
  std::bitset<kMaxDepth> is_object_;
  std::string kept_;
};

template <typename Listener>
void JsonStream<Listener>::reset() {
  state_ = State::kValue;
  fault_ = JsonFault::kNone;
  offset_ = 0;
  depth_ = 0;
}

template <typename Listener>
bool JsonStream<Listener>::feed(std::string_view chunk) {
  if (fault_ != JsonFault::kNone) return false;
  const char* at = chunk.data();
  const char* const end = at + chunk.size();
  chunk_ = at;
  token_ = at;  // of a token that goes on
  while (at != end) {
    switch (state_) {
      case State::kString:
        if (!string(at, end)) return false;
        continue;
      case State::kEscape:
      case State::kUnicode:
        if (!escape(*at)) return fail(JsonFault::kSyntax, at);
        ++at;
        continue;
      case State::kNumber:
        if (!number(at, end)) return false;
        continue;
      case State::kWord:
        if (!word(at, end)) return false;
        continue;
      default:
        break;
    }
    const char c = *at;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      ++at;
      continue;
    }
    switch (state_) {
      case State::kFirstItem:
        if (c == ']') {
          ++at;
          close();
          continue;
        }
        [[fallthrough]];
      case State::kValue:
        if (!begin_value(at)) return false;
        continue;
      case State::kFirstKey:
        if (c == '}') {
          ++at;
          close();
          continue;
        }
        [[fallthrough]];
      case State::kKey:
        if (c != '"') return fail(JsonFault::kSyntax, at);
        ++at;
        begin_token(at);
        string_is_key_ = true;
        escaped_ = false;
        state_ = State::kString;
        continue;
      case State::kColon:
        if (c != ':') return fail(JsonFault::kSyntax, at);
        ++at;
        state_ = State::kValue;
        continue;
      case State::kAfterValue:
        if (c == ',') {
          state_ = in_object() ? State::kKey : State::kValue;
        } else if (c == (in_object() ? '}' : ']')) {
          close();
        } else {
          return fail(JsonFault::kSyntax, at);
        }
        ++at;
        continue;
      default:  // kDone
        return fail(JsonFault::kSyntax, at);
    }
  }
  // A key or scalar that the next chunk goes on with.
  if ((string_is_key_ &&
       (state_ == State::kString || state_ == State::kEscape || state_ == State::kUnicode)) ||
      state_ == State::kNumber || state_ == State::kWord) {
    keep(token_, end);
  }
  offset_ += chunk.size();
  return true;
}

template <typename Listener>
bool JsonStream<Listener>::finish() {
  if (fault_ != JsonFault::kNone) return false;
  chunk_ = token_ = nullptr;
  if (state_ == State::kNumber && depth_ == 0 && number_may_end()) {
    listener_.on_scalar(token(nullptr, nullptr), token_place_);
    state_ = State::kDone;
  }
  if (state_ != State::kDone) fault_ = JsonFault::kIncomplete;
  return fault_ == JsonFault::kNone;
}

template <typename Listener>
bool JsonStream<Listener>::begin_value(const char*& at) {
  const char c = *at;
  switch (c) {
    case '"':
      ++at;
      string_is_key_ = false;
      escaped_ = false;
      state_ = State::kString;
      listener_.on_string_begin(place(at));
      return true;
    case '{':
    case '[':
      if (depth_ == kMaxDepth) return fail(JsonFault::kTooDeep, at);
      ++at;
      is_object_[depth_++] = c == '{';
      state_ = c == '{' ? State::kFirstKey : State::kFirstItem;
      listener_.on_open(c == '{');
      return true;
    case 't':
    case 'f':
    case 'n':
      begin_token(at);
      word_ = c == 't' ? "true" : c == 'f' ? "false" : "null";
      state_ = State::kWord;
      return true;
    default:
      if (c != '-' && (c < '0' || c > '9')) return fail(JsonFault::kSyntax, at);
      begin_token(at);
      digits_ = c == '-' ? Digits::kMinus : c == '0' ? Digits::kZero : Digits::kInteger;
      ++at;
      state_ = State::kNumber;
      return true;
  }
}

template <typename Listener>
void JsonStream<Listener>::close() {
  const bool object = is_object_[--depth_];
  listener_.on_close(object);
  after_value();
}

// Up to the end of the string, or of the chunk, or a backslash.
template <typename Listener>
bool JsonStream<Listener>::string(const char*& at, const char* end) {
  const char* const stop = json_internal::end_of_plain(at, end);
  if (!string_is_key_ && stop != at)
    listener_.on_string_piece(std::string_view(at, static_cast<std::size_t>(stop - at)));
  at = stop;
  if (at == end) return true;
  if (*at == '"') {
    end_string(at);
    ++at;
    return true;
  }
  if (*at != '\\') return fail(JsonFault::kSyntax, at);
  escaped_ = true;
  state_ = State::kEscape;
  if (!string_is_key_) listener_.on_string_piece(std::string_view(at, 1));
  ++at;
  return true;
}

template <typename Listener>
void JsonStream<Listener>::end_string(const char* at) {
  if (string_is_key_) {
    string_is_key_ = false;
    state_ = State::kColon;
    listener_.on_key(token(token_, at), escaped_);
    return;
  }
  after_value();
  listener_.on_string_end(place(at), escaped_);
}

template <typename Listener>
bool JsonStream<Listener>::escape(char c) {
  if (state_ == State::kEscape) {
    if (c == 'u') {
      hex_digits_ = 4;
      state_ = State::kUnicode;
    } else if (c != '\0' && std::strchr("\"\\/bfnrt", c) != nullptr) {
      state_ = State::kString;
    } else {
      return false;
    }
  } else {
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!hex) return false;
    if (--hex_digits_ == 0) state_ = State::kString;
  }
  if (!string_is_key_) listener_.on_string_piece(std::string_view(&c, 1));
  return true;
}

template <typename Listener>
bool JsonStream<Listener>::next_digit(char c) {
  const bool digit = c >= '0' && c <= '9';
  switch (digits_) {
    case Digits::kMinus:
      if (digit) digits_ = c == '0' ? Digits::kZero : Digits::kInteger;
      return digit;
    case Digits::kInteger:
      if (digit) return true;
      [[fallthrough]];
    case Digits::kZero:
      if (c == '.') {
        digits_ = Digits::kPoint;
        return true;
      }
      if (c != 'e' && c != 'E') return false;
      digits_ = Digits::kE;
      return true;
    case Digits::kPoint:
      digits_ = Digits::kFraction;
      return digit;
    case Digits::kFraction:
      if (digit) return true;
      if (c != 'e' && c != 'E') return false;
      digits_ = Digits::kE;
      return true;
    case Digits::kE:
      if (c == '+' || c == '-') {
        digits_ = Digits::kESign;
        return true;
      }
      [[fallthrough]];
    case Digits::kESign:
      digits_ = Digits::kExponent;
      return digit;
    case Digits::kExponent:
      return digit;
  }
  return false;
}

template <typename Listener>
bool JsonStream<Listener>::number(const char*& at, const char* end) {
  while (at != end) {
    const Digits before = digits_;
    if (next_digit(*at)) {
      ++at;
      continue;
    }
    digits_ = before;
    if (!number_may_end()) return fail(JsonFault::kSyntax, at);
    after_value();
    listener_.on_scalar(token(token_, at), token_place_);
    return true;
  }
  return true;
}

template <typename Listener>
bool JsonStream<Listener>::word(const char*& at, const char* end) {
  while (at != end && *word_ != '\0') {
    if (*at != *word_) return fail(JsonFault::kSyntax, at);
    ++at;
    ++word_;
  }
  if (*word_ != '\0') return true;
  after_value();
  listener_.on_scalar(token(token_, at), token_place_);
  return true;
}

}  // namespace sluice::picker
