// Any bytes as the body of a request to a model server, and as its response: how they are cut does not
// matter; what is taken is JSON to another parser too, with the same model; what is refused has a reason.
//
// The first byte says where the text is cut.
#include <algorithm>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "picker/body.h"
#include "picker/json_text.h"
#include "picker/response.h"
#include "text.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;
using picker::BodyReader;

BodyReader read(std::string_view text, std::size_t chunk) {
  BodyReader reader;
  for (; !text.empty(); text.remove_prefix(std::min(chunk, text.size()))) {
    // Memory of its own, so that views that outlive it are found.
    const std::string piece(text.substr(0, chunk));
    if (!reader.feed(piece)) return reader;
  }
  reader.finish();
  return reader;
}

// What the other parser does not take though it is JSON, or takes though it is none: halves of pairs of
// UTF-16, numbers beyond a double, and the mark of byte order.
bool is_disputed(std::string_view text) {
  if (text.contains('\0') || !is_utf8(text) || text.starts_with("\xef\xbb\xbf")) return true;
  if (text.contains("\\ud") || text.contains("\\uD")) return true;
  std::size_t digits = 0;
  bool exponent = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      if (++digits > (exponent ? 2U : 300U)) return true;
      continue;
    }
    if (c != '+' && c != '-') exponent = c == 'e' || c == 'E';
    digits = 0;
  }
  return false;
}

void compare(std::string_view text, const BodyReader& reader) {
  if (is_disputed(text)) return;
  const json theirs = json::parse(text, nullptr, false);
  using Fault = BodyReader::Fault;
  switch (reader.fault()) {
    case Fault::kNone: {
      require(theirs.is_object(), "what is taken is an object");
      require(reader.has_model() == theirs.contains("model"), "both find a model, or none");
      if (!reader.has_model()) return;
      const std::string& model = theirs["model"].get_ref<const std::string&>();
      const auto place = reader.model_place();
      require(place.begin <= place.end && place.end <= text.size(), "the model is in the text");
      if (model.contains("\uFFFD")) return;
      require(reader.model() == model, "both read the same model", model);
      const std::string again = std::string(text.substr(0, place.begin)) +
                                picker::escape_json("a\"\\\n\x01b") + std::string(text.substr(place.end));
      const json rewritten = json::parse(again, nullptr, false);
      require(rewritten.is_object() && rewritten["model"] == "a\"\\\n\x01b",
              "a model can be put in its place");
      return;
    }
    case Fault::kMalformed:
    case Fault::kIncomplete:
      require(theirs.is_discarded(), "what is refused is no JSON", reader.fault_message());
      return;
    case Fault::kNoObject:
      require(!theirs.is_object(), "what is no object is none");
      return;
    case Fault::kBadModel:
    case Fault::kTooDeep:
      return;
  }
}

void read_response(std::string_view text, std::size_t chunk, bool events) {
  const auto read_in = [&](std::size_t size) {
    picker::ResponseReader reader(events);
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(std::min(size, rest.size()))) {
      const std::string piece(rest.substr(0, size));
      reader.feed(piece);
    }
    return reader.usage();
  };
  const picker::Usage a = read_in(chunk);
  const picker::Usage b = read_in(text.size() + 1);
  require(a.prompt_tokens == b.prompt_tokens && a.completion_tokens == b.completion_tokens &&
              a.cached_tokens == b.cached_tokens,
          "cuts of a response do not matter");
}

void run(std::string_view text) {
  if (text.empty()) return;
  const std::size_t chunk = 1 + static_cast<unsigned char>(text.front()) % 64;
  text.remove_prefix(1);
  const BodyReader whole = read(text, text.size() + 1);
  const BodyReader cut = read(text, chunk);
  require(whole.fault() == cut.fault(), "cuts do not matter", whole.fault_message() + cut.fault_message());
  require(whole.fault_message() == cut.fault_message(), "nor for what is said", cut.fault_message());
  require(whole.fault_message().empty() == (whole.fault() == BodyReader::Fault::kNone),
          "faults have a reason");
  if (whole.fault() == BodyReader::Fault::kNone) {
    require(whole.model() == cut.model() && whole.prompt("m") == cut.prompt("m") &&
                whole.prompt_tokens() == cut.prompt_tokens(),
            "nor for what is read");
    require(whole.prompt("m").size() <= picker::kMaxBlocks, "a chain is bounded");
  }
  compare(text, whole);
  read_response(text, chunk, true);
  read_response(text, chunk, false);
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
