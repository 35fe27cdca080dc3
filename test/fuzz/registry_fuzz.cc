// The names and headers around a registry. The first line is the name of an image, the second the value of a
// header WWW-Authenticate, the rest a docker config with credentials. All of them may be anything.
#include <algorithm>
#include <cctype>
#include <string>

#include "fuzz.h"
#include "text.h"
#include "wasm/digest.h"
#include "wasm/image_reference.h"
#include "wasm/registry.h"
#include "wasm/source.h"

namespace sluice::fuzz {
namespace {

std::string_view take_line(std::string_view* text) {
  const std::size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

void require_words(const wasm::Failure& failure) {
  require(!failure.message.empty() && is_readable(failure.message), "a failure can be read", failure.message);
}

bool is_lower_case(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return std::isupper(c) != 0; });
}

void check_challenges(std::string_view header) {
  std::size_t size = 0;
  for (const wasm::Challenge& challenge : wasm::parse_challenges(header)) {
    require(!challenge.scheme.empty() && is_lower_case(challenge.scheme), "schemes are in lower case",
            challenge.scheme);
    size += challenge.scheme.size();
    for (const auto& [name, value] : challenge.parameters) {
      require(!name.empty() && is_lower_case(name), "names of parameters are in lower case", name);
      size += name.size() + value.size();
    }
  }
  require(size <= header.size(), "challenges are made of what stands there");
}

void check_source(const wasm::Source& source) {
  if (const auto good = wasm::check(source); !good) require_words(good.error());
  wasm::may_move(source);
  require(wasm::is_sha256(wasm::key_of(source)), "a source has a key");
}

void check_credentials(const wasm::ImageReference& reference, std::string_view config) {
  const auto credentials = wasm::credentials_for(reference, config);
  if (!credentials) return require_words(credentials.error());
  if (*credentials)
    require((*credentials)->registry == reference.registry, "credentials are for their registry");
}

void run(std::string_view text) {
  const std::string name(take_line(&text));
  check_challenges(take_line(&text));

  const std::string url = wasm::url_for_display(name);
  require(wasm::url_for_display(url) == url && url.size() <= name.size(), "what is shown is less", url);
  check_source(wasm::HttpSource{.url = name});
  check_source(wasm::ImageSource{.reference = name});

  const wasm::Result<wasm::ImageReference> reference = wasm::parse_image_reference(name);
  if (!reference) return require_words(reference.error());
  const std::string complete = reference->text();
  const wasm::Result<wasm::ImageReference> again = wasm::parse_image_reference(complete);
  require(again.has_value() && *again == *reference, "a complete name is read as it is", complete);
  require(!reference->selector().empty(), "a manifest is asked for by something", complete);
  require(wasm::key_of(wasm::ImageSource{.reference = name}) ==
              wasm::key_of(wasm::ImageSource{.reference = complete}),
          "names of one image are one source", complete);
  check_credentials(*reference, text);
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
