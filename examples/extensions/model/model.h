// What the example extensions do: which model a request asks for, and what becomes of the request.
//
// A request to an LLM is JSON, and names its model in the field `model`. The extension copies it into the
// header x-model, where routes, rate limits and logs find it, and answers 403 where the model is forbidden.
//
// A model is 1 to 256 visible ASCII characters. Whatever else a body holds, it names no model: it is no
// JSON object, it has no such field, or the field is something else. Of a field that is there twice the last
// counts, as with most readers.
//
// Threads: plain values.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"

namespace model {

inline constexpr std::string_view kHeader = "x-model";

struct Settings {
  std::vector<std::string> forbidden;
  bool require_model = false;  // refuse what names none, with 400; else it passes without the header
};

// An answer to the client, instead of the backend's. Its content type is application/json.
struct Refusal {
  int status;
  std::string_view body;
};

inline bool is_model(std::string_view name) {
  return !name.empty() && name.size() <= 256 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// The model that the body names, or nothing.
inline std::string model_of(std::string_view body) {
  std::string model;
  Json json(body);
  for (bool more = json.open('{'); more; more = json.more('}')) {
    if (json.key() != "model") {
      json.skip();
    } else if (json.peek() == '"') {
      json.string(model);
    } else {
      model.clear();
      json.skip();
    }
  }
  return json.done() && is_model(model) ? model : std::string();
}

// What the client is told if the request must not go on. `model` is empty where the body names none.
inline std::optional<Refusal> refusal_of(std::string_view model, const Settings& settings) {
  if (model.empty()) {
    if (!settings.require_model) return std::nullopt;
    return Refusal{400, R"({"error": "the body names no model"})"};
  }
  if (std::find(settings.forbidden.begin(), settings.forbidden.end(), model) == settings.forbidden.end()) {
    return std::nullopt;
  }
  return Refusal{403, R"({"error": "this model is forbidden"})"};
}

// Reads {"forbidden": ["a", "b"], "requireModel": true}; an empty text is {}. Nothing where it is wrong.
inline std::optional<Settings> read_settings(std::string_view text) {
  Settings settings;
  if (text.empty()) return settings;
  Json json(text);
  for (bool more = json.open('{'); more; more = json.more('}')) {
    const std::string_view key = json.key();
    if (key == "forbidden") {
      for (bool item = json.open('['); item; item = json.more(']')) {
        json.string(settings.forbidden.emplace_back());
      }
    } else if (key == "requireModel") {
      json.boolean(settings.require_model);
    } else {
      return std::nullopt;
    }
  }
  if (!json.done()) return std::nullopt;
  return settings;
}

}  // namespace model
