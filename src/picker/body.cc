#include "picker/body.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "picker/json_stream.h"
#include "picker/json_text.h"

namespace sluice::picker {
namespace {

struct Suffix {
  std::string_view path;
  Api api;
  std::string_view name;
};
constexpr std::array kApis{
    Suffix{"/v1/chat/completions", Api::kChat, "chat"},
    Suffix{"/v1/completions", Api::kCompletions, "completions"},
    Suffix{"/v1/embeddings", Api::kEmbeddings, "embeddings"},
    Suffix{"/v1/responses", Api::kResponses, "responses"},
    Suffix{"/v1/messages", Api::kMessages, "messages"},
};

// The parts of a prompt, in the order in which servers put them before a model.
enum Part : std::uint8_t { kTools, kSystem, kMain, kParts };

enum class Key : std::uint8_t { kOther, kModel, kStream, kMaxTokens, kTools, kSystem, kMain };

struct TopKey {
  std::string_view name;
  Key key;
};
constexpr std::array kTopKeys{
    TopKey{"model", Key::kModel},
    TopKey{"stream", Key::kStream},
    TopKey{"max_tokens", Key::kMaxTokens},
    TopKey{"max_completion_tokens", Key::kMaxTokens},
    TopKey{"max_output_tokens", Key::kMaxTokens},
    TopKey{"tools", Key::kTools},
    TopKey{"system", Key::kSystem},
    TopKey{"instructions", Key::kSystem},
    TopKey{"prompt", Key::kMain},
    TopKey{"messages", Key::kMain},
    TopKey{"input", Key::kMain},
};

// Keys of strings that are images, sounds and files, or where these are.
constexpr std::array<std::string_view, 5> kMediaKeys{"url", "data", "image_url", "file_data", "file_url"};
// A shorter string is text, or a link that costs little.
constexpr std::uint64_t kMinMediaBytes = 512;

BlockHash mix(BlockHash hash, BlockHash seed) { return XXH64(&hash, sizeof hash, seed); }

}  // namespace

Api api_of_path(std::string_view path) {
  path = path.substr(0, path.find_first_of("?#"));
  for (const Suffix& suffix : kApis) {
    if (path.ends_with(suffix.path)) return suffix.api;
  }
  return Api::kUnknown;
}

std::string_view name_of(Api api) {
  for (const Suffix& suffix : kApis) {
    if (suffix.api == api) return suffix.name;
  }
  return "unknown";
}

class BodyReader::Reading {
 public:
  Reading() : json_(*this) {}

  bool feed(std::string_view chunk) {
    return fault() == Fault::kNone && json_.feed(chunk) && own_ == Fault::kNone;
  }
  bool finish() { return fault() == Fault::kNone && json_.finish() && own_ == Fault::kNone; }

  Fault fault() const {
    switch (json_.fault()) {
      case JsonFault::kSyntax:
        return own_ == Fault::kNone ? Fault::kMalformed : own_;
      case JsonFault::kTooDeep:
        return own_ == Fault::kNone ? Fault::kTooDeep : own_;
      case JsonFault::kIncomplete:
        return own_ == Fault::kNone ? Fault::kIncomplete : own_;
      case JsonFault::kNone:
        break;
    }
    return own_;
  }

  std::string fault_message() const {
    switch (fault()) {
      case Fault::kNone:
        return {};
      case Fault::kMalformed:
        return fmt::format("the body is no JSON: byte {} is unexpected", json_.offset());
      case Fault::kTooDeep:
        return fmt::format("the body has more than {} objects and lists in each other", json_.kMaxDepth);
      case Fault::kIncomplete:
        return fmt::format("the body is no JSON: it ends after {} bytes, too early", json_.offset());
      case Fault::kNoObject:
        return "the body is JSON, but no object";
      case Fault::kBadModel:
        return model_fault_;
    }
    return {};
  }

  std::vector<BlockHash> prompt(std::string_view model) const {
    std::vector<BlockHash> chain;
    std::size_t size = 0;
    for (const PromptChain& part : parts_) size += part.blocks().size();
    chain.reserve(std::min(size, kMaxBlocks));
    BlockHash seed = XXH64(model.data(), model.size(), 0);
    for (const PromptChain& part : parts_) {
      for (const BlockHash hash : part.blocks()) {
        if (chain.size() == kMaxBlocks) return chain;
        chain.push_back(mix(hash, seed));
      }
      if (!part.blocks().empty()) seed = mix(part.blocks().back(), seed);
    }
    return chain;
  }

  std::uint32_t prompt_tokens() const {
    std::uint64_t tokens = 0;
    for (std::size_t i = 0; i < kParts; ++i) tokens += text_bytes_[i] / kBytesPerToken + tokens_[i];
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(tokens, std::numeric_limits<std::int32_t>::max()));
  }

  // What JsonStream tells.
  void on_open(bool object) {
    if (depth_ == 0 && !object) own_ = Fault::kNoObject;
    if (depth_ == 1) value_of_model_is(false);
    ++depth_;
    separate(object ? '{' : '[');
  }
  void on_close(bool object) {
    --depth_;
    separate(object ? '}' : ']');
    if (depth_ == 1) end_part();
  }
  void on_key(std::string_view key, bool escaped) {
    std::string plain;
    if (escaped) {
      plain = unescape_json(key);
      key = plain;
    }
    if (depth_ != 1) {
      media_ = key_ == Key::kMain && std::ranges::find(kMediaKeys, key) != kMediaKeys.end();
      absorb(key);
      separate(':');
      return;
    }
    const auto known = std::ranges::find(kTopKeys, key, &TopKey::name);
    key_ = known == kTopKeys.end() ? Key::kOther : known->key;
    media_ = false;
    begin_part();
  }
  void on_string_begin(std::uint64_t offset) {
    if (depth_ == 0) own_ = Fault::kNoObject;
    if (depth_ == 1 && key_ == Key::kModel) {
      value_of_model_is(true);
      model_raw_.clear();
      place_.begin = offset;
    }
    if (media_) XXH64_reset(&media_state_, 0);
    string_begin_ = offset;
  }
  void on_string_piece(std::string_view piece) {
    if (depth_ == 1 && key_ == Key::kModel) {
      if (model_raw_.size() + piece.size() > kMaxModelName) {
        model_is_bad(fmt::format("the model's name has more than {} bytes", kMaxModelName));
      } else {
        model_raw_.append(piece);
      }
      return;
    }
    if (media_) {
      XXH64_update(&media_state_, piece.data(), piece.size());
    } else {
      absorb(piece);
    }
  }
  void on_string_end(std::uint64_t offset, bool escaped) {
    if (depth_ == 1 && key_ == Key::kModel) {
      place_.end = offset;
      model_ = escaped ? unescape_json(model_raw_) : model_raw_;
      return;
    }
    if (!part_) return;
    const std::uint64_t size = offset - string_begin_;
    if (media_) {
      const BlockHash hash = XXH64_digest(&media_state_);
      std::array<char, sizeof hash> bytes;
      std::memcpy(bytes.data(), &hash, sizeof hash);
      absorb({bytes.data(), bytes.size()});
    }
    if (media_ && size >= kMinMediaBytes) {
      tokens_[*part_] += kMediaTokens;
    } else {
      text_bytes_[*part_] += size;
    }
    separate('"');
    if (depth_ == 1) end_part();
  }
  void on_scalar(std::string_view text, std::uint64_t) {
    if (depth_ == 0) own_ = Fault::kNoObject;
    if (part_) {
      absorb(text);
      separate(',');
      ++tokens_[*part_];
      if (depth_ == 1) end_part();
    }
    if (depth_ != 1) return;
    if (key_ == Key::kModel) value_of_model_is(false);
    if (key_ == Key::kStream) stream_ = text == "true";
    if (key_ == Key::kMaxTokens) {
      std::uint32_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error == std::errc() && end == text.data() + text.size()) max_output_tokens_ = value;
    }
  }

  std::string model_;
  bool has_model_ = false;
  Place place_;
  bool stream_ = false;
  std::uint32_t max_output_tokens_ = 0;

 private:
  void model_is_bad(std::string message) {
    if (own_ != Fault::kNone) return;
    own_ = Fault::kBadModel;
    model_fault_ = std::move(message);
  }
  void value_of_model_is(bool string) {
    if (key_ != Key::kModel) return;
    if (!string) model_is_bad("the body's model is no string");
    if (has_model_) model_is_bad("the body names its model twice");
    has_model_ = true;
  }

  void absorb(std::string_view text) {
    if (part_) parts_[*part_].add(text);
  }
  void separate(char c) { absorb({&c, 1}); }

  void begin_part() {
    part_.reset();
    if (key_ == Key::kTools) part_ = Part::kTools;
    if (key_ == Key::kSystem) part_ = Part::kSystem;
    if (key_ == Key::kMain) part_ = Part::kMain;
  }
  // The parts before the last are made whole blocks, so that the hash of their last block is that of all.
  void end_part() {
    if (part_ && *part_ != Part::kMain) {
      const std::size_t rest = parts_[*part_].bytes() % kBlockBytes;
      if (rest != 0) absorb(std::string(kBlockBytes - rest, '\0'));
    }
    part_.reset();
  }

  JsonStream<Reading> json_;
  Fault own_ = Fault::kNone;
  std::string model_fault_;
  std::string model_raw_;
  std::size_t depth_ = 0;
  Key key_ = Key::kOther;     // of the top level
  std::optional<Part> part_;  // of the prompt, that is being read
  bool media_ = false;        // the value of a key that stands for an image, sound or file
  std::uint64_t string_begin_ = 0;
  XXH64_state_t media_state_{};
  std::array<PromptChain, kParts> parts_;
  std::array<std::uint64_t, kParts> text_bytes_{};
  std::array<std::uint64_t, kParts> tokens_{};
};

BodyReader::BodyReader() : reading_(std::make_unique<Reading>()) {}
BodyReader::BodyReader(BodyReader&&) noexcept = default;
BodyReader& BodyReader::operator=(BodyReader&&) noexcept = default;
BodyReader::~BodyReader() = default;

bool BodyReader::feed(std::string_view chunk) { return reading_->feed(chunk); }
bool BodyReader::finish() { return reading_->finish(); }
BodyReader::Fault BodyReader::fault() const { return reading_->fault(); }
std::string BodyReader::fault_message() const { return reading_->fault_message(); }
bool BodyReader::has_model() const { return reading_->has_model_; }
const std::string& BodyReader::model() const { return reading_->model_; }
bool BodyReader::stream() const { return reading_->stream_; }
std::uint32_t BodyReader::max_output_tokens() const { return reading_->max_output_tokens_; }
std::uint32_t BodyReader::prompt_tokens() const { return reading_->prompt_tokens(); }
std::vector<BlockHash> BodyReader::prompt(std::string_view model) const { return reading_->prompt(model); }
BodyReader::Place BodyReader::model_place() const { return reading_->place_; }

}  // namespace sluice::picker
