// The body of a request to a model server, read while it arrives: for which model it is, what its prompt
// begins with and how long it is, and what it asks for.
//
// A body is a JSON object. What it is about stands at its top level, under names that the APIs share:
//
//   model · stream · max_tokens, max_completion_tokens, max_output_tokens
//   tools · system, instructions · prompt, messages, input
//
// The three on the second line are the prompt, in this order, which is that of what servers make of them,
// whatever their order in the body. Their keys, strings and scalars are the text of the chain
// (picker/request.h), not how they are written: white space does not matter. Escapes stay as they are.
// Images, sounds and files in base64 are in the chain by their hash, and count as kMediaTokens each. A prompt
// for one model has nothing in common with a prompt for another: the model is part of each hash.
//
// The body itself is not kept, only the place of the model's name in it. Memory is that of the chain, which
// is bounded, and of the model's name.
//
// Sources: platform.openai.com/docs/api-reference (completions, chat, embeddings, responses),
// docs.anthropic.com/en/api/messages.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "picker/request.h"

namespace sluice::picker {

enum class Api : std::uint8_t { kUnknown, kCompletions, kChat, kEmbeddings, kResponses, kMessages };

// By the end of the path: "/v1/chat/completions?x=y" is kChat, also below a prefix.
Api api_of_path(std::string_view path);
std::string_view name_of(Api api);

// What OpenAI counts for an image of 1024 × 1024 in high detail: 85 and 170 for each of four tiles
// (platform.openai.com/docs/guides/images-vision).
inline constexpr std::uint32_t kMediaTokens = 765;
inline constexpr std::size_t kMaxModelName = 1024;

class BodyReader {
 public:
  enum class Fault : std::uint8_t {
    kNone,
    kMalformed,   // no JSON
    kTooDeep,     // too many containers in each other
    kIncomplete,  // the text ends too early
    kNoObject,    // JSON, but no object
    kBadModel,    // the model is no string, there twice, or too long
  };

  BodyReader();
  BodyReader(BodyReader&&) noexcept;
  BodyReader& operator=(BodyReader&&) noexcept;
  ~BodyReader();

  // False once there is a fault: nothing of what follows is read.
  bool feed(std::string_view chunk);
  // After the last chunk; false where there is a fault.
  bool finish();

  Fault fault() const;
  // A sentence for whoever sent the body: "the body is no JSON: byte 17 is unexpected".
  std::string fault_message() const;

  // What follows is known after finish().
  bool has_model() const;
  const std::string& model() const;  // without escapes
  bool stream() const;
  std::uint32_t max_output_tokens() const;  // 0: it does not say
  std::uint32_t prompt_tokens() const;      // an estimate: kBytesPerToken, and kMediaTokens
  // The chain for a model: for the one that the body names, or that it will name.
  std::vector<BlockHash> prompt(std::string_view model) const;

  // The model's name in the body, as it is written there, between its quotes.
  struct Place {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  Place model_place() const;

 private:
  class Reading;
  std::unique_ptr<Reading> reading_;
};

}  // namespace sluice::picker
