// One simulated vLLM pod on a clock: requests of the OpenAI API go in, tokens come out when the engine would
// have them.
//
// The engine's time is the clock's, times a speed. Whoever drives the pod calls advance() at due(), and after
// each call finds in Request::generated how far each request is.
//
// Text is counted as four bytes a token. A request generates as many tokens as its prompt says, always the
// same for the same text, up to its limit; with `ignore_eos` its limit.
//
// Threads: one at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "llmsim/engine.h"
#include "llmsim/metrics_page.h"

namespace sluice::vllmsim {

struct PodOptions {
  std::string model = "meta-llama/Llama-3.1-8B-Instruct";
  std::vector<std::string> adapters;
  llmsim::Config engine;
  double speed = 1;
};

// What a client asks for, of either API.
struct Ask {
  std::string model;
  std::string prompt;  // the whole text, also of a chat
  std::uint32_t max_tokens = 16;
  bool chat = false;
  bool stream = false;
  bool include_usage = false;
  bool ignore_eos = false;
};

// An answer that is an error, as vLLM writes it.
struct Error {
  int status = 400;
  std::string type;
  std::string message;
};

// Reads a body of /v1/completions or /v1/chat/completions.
std::variant<Ask, Error> read_ask(std::string_view body, bool chat);

class Pod {
 public:
  using Clock = std::chrono::steady_clock;

  struct Running {
    llmsim::RequestId id = 0;
    std::string model;
    std::uint32_t prompt_tokens = 0;
    std::uint32_t cached_tokens = 0;
    std::uint32_t output_tokens = 0;  // that it will have at its end
    std::uint32_t generated = 0;
    bool stopped = false;  // it ends by itself, not by its limit
    bool finished() const { return generated == output_tokens; }

    std::uint32_t max_tokens = 0;
    Clock::time_point arrived;
    Clock::time_point first;
    std::function<void()> progressed;  // called when `generated` has changed
  };

  explicit Pod(PodOptions options);

  std::variant<std::shared_ptr<Running>, Error> submit(const Ask& ask, Clock::time_point now);
  // Its client is gone.
  void abort(const Running& running);

  // When to call advance(); nothing if there is nothing to do.
  std::optional<Clock::time_point> due() const;
  void advance(Clock::time_point now);

  std::string models() const;  // the body of /v1/models
  std::string metrics();
  void answered(const std::string& handler, int status, double seconds) {
    metrics_.answered(handler, status, seconds);
  }

 private:
  llmsim::Time engine_time(Clock::time_point now) const;

  PodOptions options_;
  llmsim::Engine engine_;
  llmsim::MetricsPage metrics_;
  Clock::time_point begin_ = Clock::now();
  llmsim::RequestId last_id_ = 0;
  std::map<llmsim::RequestId, std::shared_ptr<Running>> running_;
};

// The answers' bodies. `from` and `to` count tokens; text is made up.
std::string whole_answer(const Ask& ask, const Pod::Running& running);
// One event of a stream: tokens [from, to).
std::string chunk(const Ask& ask, const Pod::Running& running, std::uint32_t from, std::uint32_t to);
// The event with which a chat begins, and the one with the usage, at the end.
std::string first_chunk(const Pod::Running& running);
std::string usage_chunk(const Ask& ask, const Pod::Running& running);
std::string error_body(const Error& error);

}  // namespace sluice::vllmsim
