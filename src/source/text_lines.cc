#include "source/text_lines.h"

#include <algorithm>
#include <utility>

namespace sluice::source {

TextLines::TextLines(std::shared_ptr<const std::string> text) : text_(std::move(text)) {
  if (!text_->empty()) begins_.push_back(0);
  for (std::size_t at = text_->find('\n'); at != text_->npos; at = text_->find('\n', at + 1)) {
    if (at + 1 < text_->size()) begins_.push_back(static_cast<std::uint32_t>(at + 1));
  }
}

std::size_t TextLines::begin_of(std::uint32_t number) const {
  return number > begins_.size() ? text_->size() : begins_[number - 1];
}

std::string_view TextLines::lines(std::uint32_t first, std::uint32_t end) const {
  const std::size_t begin = begin_of(std::max(first, 1U));
  const std::size_t stop = end == 0 ? text_->size() : begin_of(end);
  return begin >= stop ? std::string_view() : std::string_view(*text_).substr(begin, stop - begin);
}

std::string_view TextLines::line(std::uint32_t number) const {
  if (number == 0) return {};
  std::string_view found = lines(number, number + 1);
  if (found.ends_with('\n')) found.remove_suffix(1);
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

bool TextLines::is_separator(std::uint32_t number) const {
  return std::string_view(*text_).substr(begin_of(number)).starts_with("---");
}

std::string_view TextLines::document_around(std::uint32_t number) const {
  const auto last = static_cast<std::uint32_t>(begins_.size());
  if (number == 0 || number > last) return {};
  std::uint32_t first = number;
  while (first > 1 && !is_separator(first)) --first;
  std::uint32_t end = number + 1;
  while (end <= last && !is_separator(end)) ++end;
  return lines(first, end);
}

}  // namespace sluice::source
