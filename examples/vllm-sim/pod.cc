#include "pod.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sluice::vllmsim {
namespace {

using nlohmann::json;

constexpr std::size_t kBytesPerToken = 4;

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  return hash;
}

std::string words(std::uint32_t from, std::uint32_t to) {
  static constexpr std::array<std::string_view, 8> kWords{" the", " gate", " pick", "s a",
                                                          " pod", " and",  " it",   " runs"};
  std::string text;
  for (std::uint32_t i = from; i < to; ++i) text += kWords[i % kWords.size()];
  return text;
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

json usage(const Pod::Running& running) {
  return {{"prompt_tokens", running.prompt_tokens},
          {"completion_tokens", running.generated},
          {"total_tokens", running.prompt_tokens + running.generated},
          {"prompt_tokens_details", {{"cached_tokens", running.cached_tokens}}}};
}

json head(const Pod::Running& running, bool chat, bool part) {
  const char* object = chat ? (part ? "chat.completion.chunk" : "chat.completion") : "text_completion";
  return {{"id", fmt::format("{}-{:024x}", chat ? "chatcmpl" : "cmpl", running.id)},
          {"object", object},
          {"created", unix_seconds()},
          {"model", running.model}};
}

json reason(const Pod::Running& running, std::uint32_t to) {
  if (to < running.output_tokens) return nullptr;
  return running.stopped ? "stop" : "length";
}

// A message's text: a string, or parts of which some are text.
void append_content(const json& content, std::string* prompt) {
  if (content.is_string()) *prompt += content.get_ref<const std::string&>();
  if (!content.is_array()) return;
  for (const json& part : content) {
    if (part.is_object() && part.value("type", "") == "text") *prompt += part.value("text", "");
  }
}

}  // namespace

std::variant<Ask, Error> read_ask(std::string_view body, bool chat) {
  const json asked = json::parse(body, nullptr, false);
  const auto bad = [](std::string message) {
    return Error{.status = 400, .type = "BadRequestError", .message = std::move(message)};
  };
  if (!asked.is_object()) return bad("the body is no JSON object");
  // Members of a wrong type throw: nothing else of nlohmann's does here.
  try {
    Ask ask{.model = asked.value("model", ""), .chat = chat};
    if (chat) {
      const auto messages = asked.find("messages");
      if (messages == asked.end() || !messages->is_array()) return bad("`messages` is missing");
      for (const json& message : *messages) {
        ask.prompt += message.value("role", "") + "\n";
        if (message.contains("content")) append_content(message["content"], &ask.prompt);
        ask.prompt += "\n";
      }
      // Without a limit a chat may go on; vLLM's limit is what the model's length leaves.
      ask.max_tokens = 4096;
      if (asked.contains("max_completion_tokens")) ask.max_tokens = asked["max_completion_tokens"];
    } else {
      const auto prompt = asked.find("prompt");
      if (prompt == asked.end() || !prompt->is_string()) return bad("`prompt` is no string");
      ask.prompt = *prompt;
    }
    if (asked.contains("max_tokens") && !asked["max_tokens"].is_null()) ask.max_tokens = asked["max_tokens"];
    ask.stream = asked.value("stream", false);
    ask.ignore_eos = asked.value("ignore_eos", false);
    if (asked.contains("stream_options") && asked["stream_options"].is_object()) {
      ask.include_usage = asked["stream_options"].value("include_usage", false);
    }
    if (ask.max_tokens == 0) return bad("`max_tokens` must be at least 1");
    return ask;
  } catch (const json::exception& error) {
    return bad(error.what());
  }
}

Pod::Pod(PodOptions options)
    : options_(std::move(options)), engine_(options_.engine), metrics_(options_.model, options_.adapters) {}

llmsim::Time Pod::engine_time(Clock::time_point now) const {
  const std::chrono::duration<double, std::micro> since = now - begin_;
  return llmsim::Time(std::llround(since.count() * options_.speed));
}

std::variant<std::shared_ptr<Pod::Running>, Error> Pod::submit(const Ask& ask, Clock::time_point now) {
  advance(now);
  llmsim::Adapter adapter = llmsim::kBaseModel;
  if (ask.model != options_.model) {
    const auto found = std::ranges::find(options_.adapters, ask.model);
    if (found == options_.adapters.end()) {
      return Error{404, "NotFoundError", fmt::format("The model `{}` does not exist.", ask.model)};
    }
    adapter = static_cast<llmsim::Adapter>(found - options_.adapters.begin());
  }

  auto running = std::make_shared<Running>();
  running->id = ++last_id_;
  running->model = ask.model;
  running->arrived = now;
  running->max_tokens = ask.max_tokens;
  running->prompt_tokens = std::max<std::uint32_t>(
      1, static_cast<std::uint32_t>((ask.prompt.size() + kBytesPerToken - 1) / kBytesPerToken));
  llmsim::Request request{.id = running->id, .adapter = adapter, .prompt_tokens = running->prompt_tokens};
  const std::size_t block = options_.engine.block_size * kBytesPerToken;
  std::uint64_t hash = fnv1a(ask.model, 0xcbf29ce484222325ULL);
  const std::string_view text = ask.prompt;
  for (std::size_t at = 0; at + block <= text.size(); at += block) {
    request.prompt.push_back(hash = fnv1a(text.substr(at, block), hash));
  }
  // Lengths as of a geometric distribution with a mean of 128, by the text.
  const double share = static_cast<double>(fnv1a(text, hash) >> 11U) * 0x1.0p-53;
  const auto wanted = static_cast<std::uint32_t>(1 - 128 * std::log1p(-share));
  running->stopped = !ask.ignore_eos && wanted < ask.max_tokens;
  running->output_tokens = running->stopped ? wanted : ask.max_tokens;
  request.output_tokens = running->output_tokens;
  if (!engine_.submit(std::move(request), engine_time(now))) {
    return Error{400, "BadRequestError",
                 fmt::format("{} prompt tokens and {} of output are more than the KV cache holds",
                             running->prompt_tokens, running->output_tokens)};
  }
  running_[running->id] = running;
  return running;
}

void Pod::abort(const Running& running) {
  engine_.abort(running.id);
  running_.erase(running.id);
}

std::optional<Pod::Clock::time_point> Pod::due() const {
  if (engine_.step_end() == llmsim::Engine::kNever) return std::nullopt;
  const std::chrono::duration<double, std::micro> since(static_cast<double>(engine_.step_end().count()) /
                                                        options_.speed);
  // Rounded up: at that time the step has ended.
  return begin_ + std::chrono::ceil<std::chrono::microseconds>(since);
}

void Pod::advance(Clock::time_point now) {
  const llmsim::Time until = engine_time(now);
  llmsim::Progress progress;
  while (engine_.step_end() <= until && engine_.step_end() != llmsim::Engine::kNever)
    engine_.end_step(&progress);
  for (const auto& [id, cached] : progress.first_tokens) {
    const auto found = running_.find(id);
    if (found == running_.end()) continue;
    found->second->cached_tokens = cached;
    found->second->first = now;
  }
  std::vector<std::shared_ptr<Running>> progressed;
  for (auto it = running_.begin(); it != running_.end();) {
    const std::shared_ptr<Running> running = it->second;
    const std::uint32_t generated = engine_.generated(running->id).value_or(running->output_tokens);
    const bool changed = std::exchange(running->generated, generated) != generated;
    if (changed) progressed.push_back(running);
    if (!running->finished()) {
      ++it;
      continue;
    }
    const auto seconds = [&](Clock::time_point at) {
      return std::chrono::duration<double>(at - running->arrived).count();
    };
    metrics_.ended({.first_token = seconds(running->first),
                    .whole = seconds(now),
                    .prompt_tokens = running->prompt_tokens,
                    .generated_tokens = running->generated,
                    .max_tokens = running->max_tokens,
                    .stopped = running->stopped});
    it = running_.erase(it);
  }
  for (const std::shared_ptr<Running>& running : progressed) {
    if (running->progressed) running->progressed();
  }
}

std::string Pod::models() const {
  json data = json::array();
  const auto add = [&](const std::string& name, const json& parent) {
    data.push_back({{"id", name},
                    {"object", "model"},
                    {"created", unix_seconds()},
                    {"owned_by", "vllm"},
                    {"root", name},
                    {"parent", parent},
                    {"max_model_len", 131072}});
  };
  add(options_.model, nullptr);
  for (const std::string& adapter : options_.adapters) add(adapter, options_.model);
  return json{{"object", "list"}, {"data", data}}.dump();
}

std::string Pod::metrics() {
  advance(Clock::now());
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return metrics_.page(engine_, now.count());
}

std::string whole_answer(const Ask& ask, const Pod::Running& running) {
  json answer = head(running, ask.chat, false);
  const std::string text = words(0, running.generated);
  json choice{{"index", 0}, {"logprobs", nullptr}, {"finish_reason", reason(running, running.generated)}};
  if (ask.chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text}};
  } else {
    choice["text"] = text;
  }
  answer["choices"] = json::array({choice});
  answer["usage"] = usage(running);
  return answer.dump();
}

std::string chunk(const Ask& ask, const Pod::Running& running, std::uint32_t from, std::uint32_t to) {
  json answer = head(running, ask.chat, true);
  json choice{{"index", 0}, {"logprobs", nullptr}, {"finish_reason", reason(running, to)}};
  if (ask.chat) {
    choice["delta"] = {{"content", words(from, to)}};
  } else {
    choice["text"] = words(from, to);
  }
  answer["choices"] = json::array({choice});
  return "data: " + answer.dump() + "\n\n";
}

std::string first_chunk(const Pod::Running& running) {
  json answer = head(running, true, true);
  answer["choices"] = json::array({{{"index", 0},
                                    {"delta", {{"role", "assistant"}, {"content", ""}}},
                                    {"logprobs", nullptr},
                                    {"finish_reason", nullptr}}});
  return "data: " + answer.dump() + "\n\n";
}

std::string usage_chunk(const Ask& ask, const Pod::Running& running) {
  json answer = head(running, ask.chat, true);
  answer["choices"] = json::array();
  answer["usage"] = usage(running);
  return "data: " + answer.dump() + "\n\n";
}

std::string error_body(const Error& error) {
  return json{
      {"error",
       {{"message", error.message}, {"type", error.type}, {"param", nullptr}, {"code", error.status}}}}
      .dump();
}

}  // namespace sluice::vllmsim
