#include "ads/words.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace sluice::ads {
namespace {

// What protobuf begins a message in text form with: "goo.gle/debugonly", "…/debugproto" or "…/debugstr".
constexpr std::string_view kDump = "goo.gle/debug";
// What follows it.
constexpr std::string_view kFailed = "Proto constraint validation failed (";
constexpr std::string_view kCause = " | caused by ";
constexpr std::string_view kSuffix = "ValidationError.";
constexpr std::string_view kTruncated = "(truncated)";
constexpr std::size_t kMost = 400;  // bytes

// "AValidationError.B: embedded message failed validation | caused by BValidationError.C: why)…" →
// "B.C: why…".
std::string innermost(std::string_view causes) {
  const std::size_t end = causes.find_first_of('\n');
  causes = causes.substr(0, end);
  if (const std::size_t last = causes.rfind(kCause); last != causes.npos) {
    causes.remove_prefix(last + kCause.size());
  }
  std::string reason(causes);
  if (const std::size_t close = reason.rfind(')'); close != reason.npos) reason.erase(close, 1);
  if (const std::size_t suffix = reason.find(kSuffix); suffix != reason.npos) {
    reason.replace(suffix, kSuffix.size(), ".");
  }
  return reason;
}

bool is_blank(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7F'; }

// On one line, and no longer than can be read.
std::string line_of(std::string_view text) {
  std::string line;
  for (const char c : as_utf8(text)) {
    if (!is_blank(c)) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (line.ends_with(' ')) line.pop_back();
  if (line.size() <= kMost) return line;
  std::size_t end = 0;
  while (end + utf8_size(std::string_view(line).substr(end)) <= kMost) {
    end += utf8_size(std::string_view(line).substr(end));
  }
  return line.substr(0, end) + "…";
}

}  // namespace

std::string in_short(std::string_view words) {
  std::string text;
  while (true) {
    const std::size_t dump = words.find(kDump);
    const std::size_t failed = words.find(kFailed, dump == words.npos ? 0 : dump);
    if (dump == words.npos && failed == words.npos) {
      text += words;
      break;
    }
    text += words.substr(0, std::min(dump, failed));
    if (failed == words.npos) {
      // Where something else is wrong than a value, the reason comes first.
      const bool told = text.contains("Unable to") || text.contains("unknown fields");
      if (!told && words.ends_with(kTruncated)) text += kReasonCutOff;
      break;
    }
    words.remove_prefix(failed + kFailed.size());
    text += innermost(words);
    words.remove_prefix(std::min(words.find('\n'), words.size()));
  }
  return line_of(text);
}

std::optional<std::string> last_reason(std::string_view log) {
  const std::size_t failed = log.rfind(kFailed);
  if (failed == log.npos) return std::nullopt;
  return line_of(innermost(log.substr(failed + kFailed.size())));
}

}  // namespace sluice::ads
