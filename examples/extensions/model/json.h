// A JSON text (RFC 8259), read from front to back without building anything.
//
//   Json json(text);
//   for (bool more = json.open('{'); more; more = json.more('}')) {
//     if (json.key() == "model") json.string(model); else json.skip();
//   }
//   if (!json.done()) …  // it is no JSON, or something else: what was read does not count
//
// After a mistake every call returns false or nothing, so that only done() has to be asked. Strings may hold
// any bytes, as they may for most readers. Needs no exceptions and nothing but the standard library: it is
// compiled for WebAssembly too.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace model {

class Json {
 public:
  explicit Json(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // The first character of the next value, '\0' where there is none.
  char peek() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    return ok_ && at_ != end_ ? *at_ : '\0';
  }

  // Enters the object or list that begins with `bracket`. True if there is something in it.
  bool open(char bracket) { return take(bracket) && !take_if(bracket == '{' ? '}' : ']'); }
  // After a value in an object or list: true if another follows, false if it ends here, with `bracket`.
  bool more(char bracket) { return take_if(',') || (take(bracket) && false); }

  // The next key of an object. It lives until the next call.
  std::string_view key() {
    string(key_);
    take(':');
    return ok_ ? std::string_view(key_) : std::string_view();
  }

  bool string(std::string& out) {
    out.clear();
    return scan_string(&out);
  }
  bool boolean(bool& out) {
    out = peek() == 't';
    return word(out ? "true" : "false");
  }
  // Any value.
  bool skip();

  // All was well, and nothing follows.
  bool done() { return peek() == '\0' && ok_ && at_ == end_; }

 private:
  bool fail() { return ok_ = false; }
  bool take_if(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool take(char c) { return take_if(c) || fail(); }

  bool word(std::string_view expected) {
    if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).substr(0, expected.size()) != expected) {
      return fail();
    }
    at_ += expected.size();
    return true;
  }
  bool digits() {
    const char* const begin = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != begin || fail();
  }
  bool number();
  bool scalar();
  bool scan_string(std::string* out);
  bool escape(std::string* out);
  const char* end_of_plain() const;

  const char* at_;
  const char* end_;
  bool ok_ = true;
  std::string key_;
};

// Without recursion: the depth is that of whoever wrote the text.
inline bool Json::skip() {
  std::string closing;  // brackets that are still to come, the innermost last
  while (ok_) {
    const char c = peek();
    if (c == '{' || c == '[') {
      closing.push_back(c == '{' ? '}' : ']');
      if (open(c)) {
        if (c == '{') key();
        continue;
      }
      closing.pop_back();
    } else {
      scalar();
    }
    // A value has ended, and what is around it may end too.
    while (!closing.empty() && !more(closing.back())) closing.pop_back();
    if (closing.empty()) return ok_;
    if (closing.back() == '}') key();
  }
  return false;
}

inline bool Json::scalar() {
  switch (peek()) {
    case '"':
      return scan_string(nullptr);
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    default:
      return number();
  }
}

inline bool Json::number() {
  peek();
  if (at_ != end_ && *at_ == '-') ++at_;
  if (at_ != end_ && *at_ == '0') {
    ++at_;  // and no other digit
  } else if (!digits()) {
    return false;
  }
  if (at_ != end_ && *at_ == '.') {
    ++at_;
    if (!digits()) return false;
  }
  if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
    ++at_;
    if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    return digits();
  }
  return true;
}

inline bool Json::scan_string(std::string* out) {
  if (!take('"')) return false;
  while (true) {
    const char* const plain = at_;
    at_ = end_of_plain();
    if (out != nullptr) out->append(plain, at_);
    if (at_ == end_) return fail();
    switch (*at_++) {
      case '"':
        return true;
      case '\\':
        if (!escape(out)) return false;
        break;
      default:  // a control character
        return fail();
    }
  }
}

// The first quote, backslash or control character from here on. Eight bytes at a time: a body is mostly text.
inline const char* Json::end_of_plain() const {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t v) { return (v - kOnes) & ~v & kHighBits; };
  const char* at = at_;
  for (; end_ - at >= 8; at += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, at, 8);
    const std::uint64_t control = (bytes - kOnes * 0x20) & ~bytes & kHighBits;
    if ((has_zero(bytes ^ (kOnes * '"')) | has_zero(bytes ^ (kOnes * '\\')) | control) != 0) break;
  }
  while (at != end_ && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
  return at;
}

// Behind a backslash. A code unit of UTF-16 beyond ASCII becomes U+FFFD: nobody here can use it.
inline bool Json::escape(std::string* out) {
  if (at_ == end_) return fail();
  const char c = *at_++;
  if (c != 'u') {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t i = kNames.find(c);
    if (i == std::string_view::npos) return fail();
    if (out != nullptr) out->push_back(kMeanings[i]);
    return true;
  }
  unsigned unit = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    if (at_ == end_) return fail();
    const char digit = static_cast<char>(*at_ | 0x20);  // in lower case
    const bool decimal = *at_ >= '0' && *at_ <= '9';
    if (!decimal && (digit < 'a' || digit > 'f')) return fail();
    unit = unit * 16 + static_cast<unsigned>(decimal ? *at_ - '0' : digit - 'a' + 10);
  }
  if (out == nullptr) return true;
  if (unit < 0x80) {
    out->push_back(static_cast<char>(unit));
  } else {
    out->append("\uFFFD");
  }
  return true;
}

}  // namespace model
