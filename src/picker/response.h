// The response of a model server, read while it passes: when its first token is there, and what it says at
// its end of the tokens that it took.
//
// A response is a JSON object with `usage` at its top level, or a stream of server-sent events, each a JSON
// object, of which one or several have it: at the top level, or in `message` (Anthropic's message_start) or
// `response` (OpenAI's response.completed). What a later one says takes the place of what an earlier one
// said. The first token is there with the first event that has text: all those of completions and chats, and
// deltas of the others.
//
// Nothing is kept of a response but what was cut by the end of a chunk: see JsonStream. What is no JSON is
// passed over.
//
// Sources: platform.openai.com/docs/api-reference (chat streaming, responses streaming),
// docs.anthropic.com/en/docs/build-with-claude/streaming, html.spec.whatwg.org (server-sent events).
//
// Threads: plain values.
#pragma once

#include <memory>
#include <string_view>

#include "picker/picker.h"

namespace sluice::picker {

class ResponseReader {
 public:
  explicit ResponseReader(bool is_event_stream);
  ResponseReader(ResponseReader&&) noexcept;
  ResponseReader& operator=(ResponseReader&&) noexcept;
  ~ResponseReader();

  void feed(std::string_view chunk);

  // An event with text has been there. A response that is no stream of events has none.
  bool has_first_token() const;
  // What was said so far; zero is unknown. Prompt tokens include cached ones.
  Usage usage() const;

 private:
  class Reading;
  std::unique_ptr<Reading> reading_;
};

// Whether a content-type is that of server-sent events.
bool is_event_stream(std::string_view content_type);

}  // namespace sluice::picker
