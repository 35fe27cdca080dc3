#include "wasm/source.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

using nlohmann::json;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

// With its length, so that no two lists of fields have the same bytes.
void add(std::string& text, std::string_view field) {
  text += fmt::format("{}:", field.size());
  text += field;
}

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  std::uint32_t bits = 0;
  unsigned count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      result += static_cast<char>((bits >> count) & 0xffU);
    }
  }
  return result;
}

// Of an entry of `auths`: "https://index.docker.io/v1/" is "docker.io", "ghcr.io/team" stays.
std::string normalised_entry(std::string_view entry) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (entry.starts_with(scheme)) entry.remove_prefix(scheme.size());
  }
  while (entry.ends_with('/')) entry.remove_suffix(1);
  for (const std::string_view version : {"/v1", "/v2"}) {
    if (entry.ends_with(version)) entry.remove_suffix(version.size());
  }
  const auto slash = std::min(entry.find('/'), entry.size());
  return canonical_registry(entry.substr(0, slash)) + std::string(entry.substr(slash));
}

Result<std::optional<Credentials>> credentials_of(const std::string& registry, const json& entry) {
  const auto invalid = [&](std::string_view why) {
    return fail(Reason::kInvalidSource,
                fmt::format("the entry for `{}` in the docker config {}", registry, why));
  };
  if (!entry.is_object()) return invalid("is not an object");
  Credentials credentials{
      .registry = registry, .user = string_at(entry, "username"), .password = string_at(entry, "password")};
  if (const std::string auth = string_at(entry, "auth"); !auth.empty()) {
    const auto pair = decode_base64(auth);
    const auto colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) return invalid("has an `auth` that is not base64 of `user:password`");
    credentials.user = pair->substr(0, colon);
    credentials.password = pair->substr(colon + 1);
  }
  if (credentials.user.empty() && credentials.password.empty()) {
    if (entry.contains("identitytoken") || entry.contains("registrytoken")) {
      return invalid("has only a token; `username` and `password`, or `auth`, are needed");
    }
    return std::nullopt;
  }
  return credentials;
}

}  // namespace

std::string key_of(const Source& source) {
  std::string text;
  std::visit(Overloaded{[&](const HttpSource& http) {
                          add(text, "http");
                          add(text, http.url);
                          add(text, http.sha256);
                          add(text, http.ca_pem);
                          if (http.artifact == Artifact::kLibrary) add(text, "library");
                        },
                        [&](const ImageSource& image) {
                          const auto reference = parse_image_reference(image.reference);
                          add(text, "image");
                          add(text, reference ? reference->text() : image.reference);
                          add(text, image.sha256);
                          add(text, image.ca_pem);
                          if (image.credentials) {
                            add(text, image.credentials->registry);
                            add(text, image.credentials->user);
                            add(text, image.credentials->password);
                          }
                        }},
             source);
  return sha256_of(text);
}

std::string url_for_display(std::string_view url) {
  constexpr std::size_t kMost = 500;
  constexpr std::string_view kCut = "...";
  url = url.substr(0, std::min(url.find_first_of("?#"), url.size()));
  std::string shown;
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) {
    shown = url.substr(0, scheme + 3);
    url.remove_prefix(shown.size());
    const auto authority = url.substr(0, std::min(url.find('/'), url.size()));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  }
  shown += url;
  // A server may redirect to anything.
  for (char& c : shown) {
    if (c <= ' ' || c >= '\x7F') c = '_';
  }
  return shown.size() <= kMost ? shown : shown.substr(0, kMost - kCut.size()).append(kCut);
}

std::string text_of(const Source& source) {
  return std::visit(Overloaded{[](const HttpSource& http) { return url_for_display(http.url); },
                               [](const ImageSource& image) {
                                 const auto reference = parse_image_reference(image.reference);
                                 return reference ? reference->text() : "an image";
                               }},
                    source);
}

Artifact artifact_of(const Source& source) {
  const auto* http = std::get_if<HttpSource>(&source);
  return http == nullptr ? Artifact::kWasm : http->artifact;
}

Result<void> check(const Source& source) {
  const std::string& sha256 =
      std::visit([](const auto& any) -> const std::string& { return any.sha256; }, source);
  if (!sha256.empty() && !is_sha256(sha256)) {
    return fail(Reason::kInvalidSource, "`sha256` is 64 lower-case hexadecimal digits");
  }
  return std::visit(
      Overloaded{[](const HttpSource& http) -> Result<void> {
                   const std::string_view url = http.url;
                   const auto scheme = std::min(url.find("://"), url.size());
                   if (url.substr(0, scheme) == "oci") {
                     return fail(Reason::kInvalidSource, "a URL of `oci://` names an image, not a file");
                   }
                   if (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https") {
                     return fail(Reason::kInvalidSource,
                                 fmt::format("the URL `{}` does not begin with `http://` or `https://`",
                                             url_for_display(url)));
                   }
                   return {};
                 },
                 [](const ImageSource& image) -> Result<void> {
                   const auto reference = parse_image_reference(image.reference);
                   if (!reference) return std::unexpected(reference.error());
                   return {};
                 }},
      source);
}

bool may_move(const Source& source) {
  return std::visit(Overloaded{[](const HttpSource& http) {
                                 return http.pull_policy == PullPolicy::kAlways && http.sha256.empty();
                               },
                               [](const ImageSource& image) {
                                 const auto reference = parse_image_reference(image.reference);
                                 return image.pull_policy == PullPolicy::kAlways && image.sha256.empty() &&
                                        reference && reference->digest.empty();
                               }},
                    source);
}

PullPolicy default_pull_policy(std::string_view reference) {
  const auto parsed = parse_image_reference(reference);
  return parsed && parsed->digest.empty() && parsed->tag == "latest" ? PullPolicy::kAlways
                                                                     : PullPolicy::kIfNotPresent;
}

Result<std::optional<Credentials>> credentials_for(const ImageReference& reference,
                                                   std::string_view docker_config_json) {
  const json config = json::parse(docker_config_json, nullptr, false);
  if (config.is_discarded() || !config.is_object()) {
    return fail(Reason::kInvalidSource, "the docker config is not a JSON object");
  }
  const auto auths = config.find("auths");
  if (auths == config.end()) return std::nullopt;
  if (!auths->is_object()) {
    return fail(Reason::kInvalidSource, "`auths` of the docker config is not an object");
  }
  const std::string name = reference.registry + "/" + reference.repository + "/";
  std::size_t longest = 0;
  const json* best = nullptr;
  for (const auto& [key, entry] : auths->items()) {
    const std::string prefix = normalised_entry(key);
    if (prefix.size() > longest && name.starts_with(prefix + "/")) {
      longest = prefix.size();
      best = &entry;
    }
  }
  if (best == nullptr) return std::nullopt;
  return credentials_of(reference.registry, *best);
}

}  // namespace sluice::wasm
