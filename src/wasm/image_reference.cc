#include "wasm/image_reference.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/letter_case.h"
#include "base/quote.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::size_t kMaxRepository = 255;
constexpr std::size_t kMaxTag = 128;

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool alphanumeric(char c) { return lower(c) || digit(c) || (c >= 'A' && c <= 'Z'); }

bool looks_like_host(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, digit);
}

bool is_host(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    const auto rest = text.substr(end + 1);
    return end > 1 && (rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1))));
  }
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
  const auto name = text.substr(0, colon);
  return !name.empty() && alphanumeric(name.front()) && alphanumeric(name.back()) &&
         std::ranges::all_of(name, [](char c) { return alphanumeric(c) || c == '.' || c == '-'; });
}

// Runs of letters and digits with ".", "_", "__" or dashes between them.
bool is_path_component(std::string_view text) {
  if (text.empty() || !(lower(text.front()) || digit(text.front())) ||
      !(lower(text.back()) || digit(text.back()))) {
    return false;
  }
  for (std::size_t i = 0; i < text.size();) {
    if (lower(text[i]) || digit(text[i])) {
      ++i;
      continue;
    }
    const auto end = std::min(text.find_first_of("abcdefghijklmnopqrstuvwxyz0123456789", i), text.size());
    const auto separator = text.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
    i = end;
  }
  return true;
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTag && (alphanumeric(text.front()) || text.front() == '_') &&
         std::ranges::all_of(text,
                             [](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

std::unexpected<Failure> invalid(std::string_view text, std::string_view why) {
  return fail(Reason::kInvalidSource, fmt::format("{} is not an image reference: {}", quote(text), why));
}

}  // namespace

std::string canonical_registry(std::string_view registry) {
  std::string name = lower_case(registry);
  constexpr std::array kAliases{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"};
  return std::ranges::find(kAliases, name) != kAliases.end() ? std::string(kDockerHub) : name;
}

std::string ImageReference::text() const {
  return fmt::format("{}/{}{}{}{}{}", registry, repository, tag.empty() ? "" : ":", tag,
                     digest.empty() ? "" : "@sha256:", digest);
}

Result<ImageReference> parse_image_reference(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("oci://")) {
    rest.remove_prefix(6);
  } else if (rest.find("://") != std::string_view::npos) {
    return fail(Reason::kInvalidSource,
                "an image reference begins with `oci://` or with the registry, not with another scheme");
  }
  if (rest.empty()) return invalid(text, "it is empty");
  // Before anything is quoted: what stands before an @ that no digest follows may be a password.
  ImageReference reference;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    const auto digest = rest.substr(at + 1);
    if (!digest.starts_with("sha256:")) {
      return fail(Reason::kInvalidSource,
                  "the image reference has an @ that no digest follows, as in "
                  "`registry/name@sha256:` and 64 hexadecimal digits");
    }
    if (!is_sha256(digest.substr(7))) {
      return invalid(text, "a digest is `sha256:` and 64 lower-case hexadecimal digits");
    }
    reference.digest = digest.substr(7);
    rest = rest.substr(0, at);
  }

  if (const auto slash = rest.find('/');
      slash != std::string_view::npos && looks_like_host(rest.substr(0, slash))) {
    if (!is_host(rest.substr(0, slash))) {
      return invalid(text, fmt::format("{} is not a registry's host and port", quote(rest.substr(0, slash))));
    }
    reference.registry = canonical_registry(rest.substr(0, slash));
    rest.remove_prefix(slash + 1);
  } else {
    reference.registry = kDockerHub;
  }

  if (const auto colon = rest.rfind(':');
      colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    if (!is_tag(rest.substr(colon + 1))) {
      return invalid(text, fmt::format("{} is not a tag: letters, digits, `_`, `.` and `-`, at most {}",
                                       quote(rest.substr(colon + 1)), kMaxTag));
    }
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";

  if (rest.empty()) return invalid(text, "the name of the image is missing");
  for (std::size_t begin = 0; begin <= rest.size();) {
    const auto end = std::min(rest.find('/', begin), rest.size());
    const auto component = rest.substr(begin, end - begin);
    if (!is_path_component(component)) {
      if (component.empty()) return invalid(text, "a part of its name is empty");
      return invalid(text,
                     lower_case(component) != component && is_path_component(lower_case(component))
                         ? fmt::format("names of images are in lower case: {}", quote(lower_case(component)))
                         : fmt::format("{} is not a name: lower-case letters and digits, with `.`, `_` or "
                                       "`-` between them",
                                       quote(component)));
    }
    begin = end + 1;
  }
  reference.repository = rest;
  if (reference.registry == kDockerHub && rest.find('/') == std::string_view::npos) {
    reference.repository = "library/" + reference.repository;
  }
  if (reference.repository.size() > kMaxRepository) {
    return invalid(text, fmt::format("a name has at most {} characters", kMaxRepository));
  }
  return reference;
}

}  // namespace sluice::wasm
