// Any text as a Lua script: alone where it mentions a function of Envoy's, otherwise as the body of one.
#include <algorithm>
#include <ctime>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "fuzz.h"
#include "lua/dialect.h"
#include "lua/validate.h"
#include "text.h"

namespace sluice::fuzz {
namespace {

using lua::Failure;
using lua::Validation;

// Of the processor: several times what a script may take, for the sanitizers take their share.
constexpr double kMaxSeconds = 2;

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::optional<Failure> validate(std::string_view source, Validation validation) {
  const double start = processor_seconds();
  std::optional<Failure> failure = lua::validate(source, validation, {});
  const double took = processor_seconds() - start;
  require(took < kMaxSeconds, "a script is stopped soon", fmt::format("{} s", took));
  if (!failure) return failure;
  require(!failure->message.empty() && is_readable(failure->message), "a message is readable",
          failure->message);
  // An unfinished script fails behind its last line.
  const std::ptrdiff_t lines = std::ranges::count(source, '\n') + std::ranges::count(source, '\r') + 1;
  require(failure->line >= 0 && failure->line <= lines, "a failure has a line of the script",
          fmt::format("{} of {}: {}", failure->line, lines, failure->message));
  return failure;
}

// Whether what stopped it was time, which is not the same each time.
bool is_of_luck(const std::optional<Failure>& failure) {
  return failure && failure->message.starts_with("the script ");
}

void run(std::string_view text) {
  const bool is_whole = text.contains("envoy_on_re");
  const std::string source =
      is_whole ? std::string(text) : fmt::format("function envoy_on_request(h)\n{}\nend", text);
  const std::optional<Failure> none = validate(source, Validation::kNone);
  const std::optional<Failure> syntax = validate(source, Validation::kSyntax);
  const std::optional<Failure> strict = validate(source, Validation::kStrict);
  if (none) require(syntax == none && strict == none, "what is never fit is not fit", none->message);
  if (syntax)
    require(strict == syntax || is_of_luck(syntax), "a script without syntax does not run", syntax->message);
  const std::string plain = lua::to_lua51(source);
  require(plain.size() == source.size(), "what is no Lua 5.1 becomes it in its place");
  if (!syntax) require(!validate(plain, Validation::kSyntax), "what is Lua 5.1 stays it", plain);
  const std::optional<Failure> again = validate(source, Validation::kStrict);
  // Not the same message: a script sees addresses, and may say what it likes of them.
  require(again.has_value() == strict.has_value() || is_of_luck(again) || is_of_luck(strict),
          "the same script has the same verdict",
          fmt::format("{}\n{}", strict ? strict->message : "fit", again ? again->message : "fit"));
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
