// A text of which there are many copies and few values, such as a namespace: each value is kept once, for the
// life of the process. Copying it is copying a pointer, comparing for equality is comparing pointers,
// ordering is by text.
//
// Threads: everything here may be used from any thread.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace sluice {

class Interned {
 public:
  Interned();
  // As a std::string is made from these: implicitly. NOLINTBEGIN(google-explicit-constructor)
  Interned(std::string_view text);
  Interned(const std::string& text) : Interned(std::string_view(text)) {}
  Interned(const char* text) : Interned(std::string_view(text)) {}

  const std::string& text() const { return *text_; }
  operator const std::string&() const { return *text_; }
  operator std::string_view() const { return *text_; }  // NOLINTEND(google-explicit-constructor)
  bool empty() const { return text_->empty(); }
  std::size_t size() const { return text_->size(); }

  bool operator==(const Interned& other) const = default;
  std::strong_ordering operator<=>(const Interned& other) const {
    return text_ == other.text_ ? std::strong_ordering::equal : *text_ <=> *other.text_;
  }
  // Without keeping the other text.
  template <std::convertible_to<std::string_view> Text>
  bool operator==(const Text& other) const {
    return *text_ == std::string_view(other);
  }
  friend std::string operator+(const Interned& a, std::string_view b) {
    return std::string(*a.text_).append(b);
  }

  template <typename H>
  friend H AbslHashValue(H h, const Interned& i) {
    return H::combine(std::move(h), std::hash<const void*>()(i.text_));
  }

 private:
  const std::string* text_;
};

}  // namespace sluice

template <>
struct fmt::formatter<sluice::Interned> : fmt::formatter<fmt::string_view> {
  template <typename FormatContext>
  auto format(const sluice::Interned& interned, FormatContext& context) const {
    return fmt::formatter<fmt::string_view>::format(interned.text(), context);
  }
};
