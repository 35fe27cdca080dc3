// Where the lines of a text begin, so that any of them is found without reading what is before.
//
// Threads: immutable; may be read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::source {

class TextLines {
 public:
  explicit TextLines(std::shared_ptr<const std::string> text);

  const std::shared_ptr<const std::string>& text() const { return text_; }

  // Line `number` (from 1) without its end; empty when there is none.
  std::string_view line(std::uint32_t number) const;
  // From line `first` to before line `end` (0: to the end of the text); empty when there are none.
  std::string_view lines(std::uint32_t first, std::uint32_t end) const;
  // The lines around line `number` up to those that begin with `---`, the first of which is part of it.
  std::string_view document_around(std::uint32_t number) const;

 private:
  // Where line `number` begins; the text's size behind the last.
  std::size_t begin_of(std::uint32_t number) const;
  bool is_separator(std::uint32_t number) const;

  std::shared_ptr<const std::string> text_;
  std::vector<std::uint32_t> begins_;  // texts are of 64 MiB at most
};

}  // namespace sluice::source
