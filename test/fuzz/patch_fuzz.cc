// Any bytes as a document with operations on it: {"document": …, "operations": […]}. Each operation succeeds,
// and then did what another implementation of RFC 6902 does, or leaves the document as it was and says why.
#include <array>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "patch/json_path.h"
#include "patch/patch.h"
#include "patch/pointer.h"
#include "text.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kNames{"add", "remove", "replace", "move", "copy", "test"};
constexpr std::size_t kMaxOperations = 8;
constexpr std::size_t kMaxLevels = 64;  // of what JSON is compared and written with recursion

std::size_t levels(std::string_view text) {
  std::size_t now = 0;
  std::size_t most = 0;
  for (const char c : text) {
    if (c == '[' || c == '{') most = std::max(most, ++now);
    if ((c == ']' || c == '}') && now > 0) --now;
  }
  return most;
}

void require_words(const patch::Failure& failure) {
  require(!failure.message.empty() && is_readable(failure.message), "a failure can be read", failure.message);
  require(is_readable(failure.suggestion), "a suggestion can be read", failure.suggestion);
}

std::optional<patch::Operation> operation_of(const json& from) {
  if (!from.is_object()) return std::nullopt;
  patch::Operation operation;
  const auto text = [&from](const char* name) -> std::optional<std::string> {
    const auto at = from.find(name);
    if (at == from.end() || !at->is_string()) return std::nullopt;
    return at->get<std::string>();
  };
  const auto name = std::ranges::find(kNames, text("op").value_or("add"));
  if (name == kNames.end()) return std::nullopt;
  operation.op = static_cast<patch::Op>(name - kNames.begin());
  operation.path = text("path");
  operation.json_path = text("jsonPath");
  operation.from = text("from");
  if (const auto value = from.find("value"); value != from.end())
    operation.value = std::make_shared<const nlohmann::json>(*value);
  return operation;
}

// Whether the place's container was there before, so that nothing had to be made on the way.
bool has_container(json& document, const patch::Pointer& place) {
  return place.empty() || patch::find(document, place, place.size() - 1, "path").has_value();
}

void require_same_as_other(json before, const patch::Operation& operation, const json& after) {
  const auto place = patch::parse_pointer(*operation.path, "path");
  require(place.has_value(), "what was carried out has a place");
  if (!has_container(before, *place)) return;
  json other{{"op", kNames[static_cast<std::size_t>(operation.op)]}, {"path", *operation.path}};
  if (operation.from) other["from"] = *operation.from;
  if (operation.value) other["value"] = *operation.value;
  json theirs;
  try {
    theirs = before.patch(json::array({other}));
  } catch (const json::exception& e) {
    require(false, "others carry it out, too", e.what());
  }
  require(theirs == after, "others make the same of it", theirs.dump() + "\n" + after.dump());
}

void run(std::string_view text) {
  if (levels(text) > kMaxLevels) return;
  const json input = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!input.is_object() || !input.contains("document") || !input.contains("operations")) return;
  json document = input["document"];
  std::size_t count = 0;
  for (const json& from : input["operations"]) {
    const auto operation = operation_of(from);
    if (!operation || ++count > kMaxOperations) return;
    const json before = document;
    const patch::Result<void> done = patch::carry_out(*operation, document);
    if (!done) {
      require_words(done.error());
      require(document == before, "a failure changes nothing");
    } else if (!operation->json_path) {
      require_same_as_other(before, *operation, document);
    }
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
