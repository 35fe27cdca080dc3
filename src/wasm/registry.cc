#include "wasm/registry.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "base/letter_case.h"
#include "wasm/digest.h"

namespace sluice::wasm {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxTokenAnswer = 256U << 10U;
constexpr std::string_view kDigestHeader = "docker-content-digest";

std::string basic(const Credentials& credentials) {
  const std::string pair = credentials.user + ":" + credentials.password;
  std::string encoded(4 * ((pair.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<const unsigned char*>(pair.data()), static_cast<int>(pair.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return "Basic " + encoded;
}

std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
    result += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return result;
}

bool is_loopback(std::string_view registry) {
  if (registry.starts_with("[::1]")) return true;
  const auto host = registry.substr(0, registry.find(':'));
  return host == "localhost" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

std::string without_line_breaks(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return text;
}

// The conversation about one repository.
class Repository {
 public:
  Repository(HttpSession& session, const ImageSource& source, const ImageReference& reference)
      : session_(session), reference_(reference) {
    const bool plain = source.ca_pem.empty() && is_loopback(reference.registry);
    scheme_ = plain ? "http" : "https";
    const std::string host = reference.registry == "docker.io" ? "registry-1.docker.io" : reference.registry;
    base_ = fmt::format("{}://{}/v2/{}/", scheme_, host, reference.repository);
    if (source.credentials && canonical_registry(source.credentials->registry) == reference.registry) {
      credentials_ = source.credentials;
    }
  }

  // "manifests/latest". The answer is a success.
  Result<HttpResponse> get(const std::string& path, const std::vector<std::string>& accept, bool head_only,
                           std::uint64_t max_bytes, const HttpSink& sink) {
    HttpRequest request{
        .head_only = head_only, .url = base_ + path, .authorization = authorization_, .max_bytes = max_bytes};
    if (!accept.empty()) request.headers.push_back(fmt::format("Accept: {}", fmt::join(accept, ", ")));
    auto response = session_.send(request, sink);
    if (response && response->status == 401 && authorization_.empty()) {
      if (auto allowed = authorise(*response); !allowed) return std::unexpected(allowed.error());
      request.authorization = authorization_;
      response = session_.send(request, sink);
    }
    if (!response || response->ok()) return response;
    return std::unexpected(failure(*response));
  }

 private:
  Failure failure(const HttpResponse& response) const {
    const std::string name = reference_.text();
    if (response.status == 401 || response.status == 403) return denied();
    if (response.status == 404) {
      return {Reason::kNotFound, fmt::format("the registry `{}` has no `{}`", reference_.registry, name)};
    }
    if (response.status == 400 && scheme_ == "http") {
      return {Reason::kServer,
              fmt::format("the registry `{}` answers plain HTTP with status 400: if it speaks TLS, name its "
                          "authority in `tls.caCertificateRef`",
                          reference_.registry)};
    }
    return failure_of(response);
  }

  Failure denied() const {
    return {Reason::kUnauthorized,
            credentials_ ? fmt::format("the registry `{}` denies `{}` to these credentials",
                                       reference_.registry, reference_.text())
                         : fmt::format("the registry `{}` gives `{}` to nobody without credentials: it is "
                                       "private, or is not there",
                                       reference_.registry, reference_.text())};
  }

  Result<void> authorise(const HttpResponse& response) {
    const Challenge* by_basic = nullptr;
    std::vector<Challenge> challenges;
    for (const auto& [name, value] : response.headers) {
      if (name == "www-authenticate")
        std::ranges::move(parse_challenges(value), std::back_inserter(challenges));
    }
    for (const Challenge& challenge : challenges) {
      if (challenge.scheme == "bearer" && challenge.parameters.contains("realm"))
        return fetch_token(challenge);
      if (challenge.scheme == "basic") by_basic = &challenge;
    }
    if (by_basic == nullptr) {
      return fail(Reason::kUnauthorized,
                  fmt::format("the registry `{}` wants to be authorised in a way that is "
                              "neither Basic nor Bearer",
                              reference_.registry));
    }
    if (!credentials_) return std::unexpected(denied());
    authorization_ = basic(*credentials_);
    return {};
  }

  Result<void> fetch_token(const Challenge& challenge) {
    std::string realm = challenge.parameters.at("realm");
    const bool safe = realm.starts_with("https://") ||
                      (scheme_ == "http" && realm.starts_with("http://") && is_loopback(host_of(realm)));
    if (!safe) {
      return fail(Reason::kUnauthorized,
                  fmt::format("the registry `{}` names a token service that is not reached by https",
                              reference_.registry));
    }
    const auto parameter = [&](const char* name, const std::string& otherwise) {
      const auto found = challenge.parameters.find(name);
      const std::string& value = found == challenge.parameters.end() ? otherwise : found->second;
      if (value.empty()) return;
      realm += realm.find('?') == std::string::npos ? '?' : '&';
      realm += fmt::format("{}={}", name, percent_encoded(value));
    };
    parameter("service", "");
    parameter("scope", fmt::format("repository:{}:pull", reference_.repository));

    std::string answer;
    const auto response = session_.send({.url = realm,
                                         .authorization = credentials_ ? basic(*credentials_) : "",
                                         .max_bytes = kMaxTokenAnswer},
                                        [&](std::string_view bytes) -> Result<void> {
                                          answer += bytes;
                                          return {};
                                        });
    if (!response) return std::unexpected(response.error());
    if (response->status == 401 || response->status == 403) return std::unexpected(denied());
    if (!response->ok()) return std::unexpected(failure_of(*response));
    const json object = json::parse(answer, nullptr, false);
    for (const char* name : {"token", "access_token"}) {
      if (!object.is_object() || !object.contains(name) || !object[name].is_string()) continue;
      authorization_ = "Bearer " + without_line_breaks(object[name].get<std::string>());
      return {};
    }
    return fail(Reason::kServer,
                fmt::format("the token service `{}` answers without a token", host_of(realm)));
  }

  HttpSession& session_;
  const ImageReference& reference_;
  std::string scheme_;
  std::string base_;
  std::optional<Credentials> credentials_;
  std::string authorization_;
};

struct Document {
  std::string text;
  std::string digest;
};

Result<Document> get_manifest(Repository& repository, const std::string& selector,
                              const ManifestLimits& limits) {
  Document document;
  const auto response = repository.get("manifests/" + selector, manifest_media_types(), false,
                                       limits.max_bytes, [&](std::string_view bytes) -> Result<void> {
                                         document.text += bytes;
                                         return {};
                                       });
  if (!response) return std::unexpected(response.error());
  document.digest = sha256_of(document.text);
  if (selector.starts_with("sha256:") && document.digest != selector.substr(7)) {
    return fail(Reason::kDigestMismatch,
                fmt::format("the registry sent a manifest of the digest sha256:{} for {}", document.digest,
                            selector));
  }
  return document;
}

// What the reference names now, by what the registry says; empty if it does not.
Result<std::string> look_up_digest(Repository& repository, const std::string& selector) {
  const auto response = repository.get("manifests/" + selector, manifest_media_types(), true, 0,
                                       [](std::string_view) -> Result<void> { return {}; });
  if (!response) {
    // Some servers know no HEAD; a GET will tell.
    if (response.error().reason == Reason::kServer) return "";
    return std::unexpected(response.error());
  }
  const auto digest = response->header(kDigestHeader);
  return std::string(digest.starts_with("sha256:") ? digest.substr(7) : "");
}

Result<Spool> get_blob(Repository& repository, const Blob& blob, const std::string& folder,
                       const ContentLimits& limits) {
  if (blob.size > limits.max_bytes) {
    return fail(Reason::kTooLarge, fmt::format("the image's layer has {} bytes, more than the limit of {}",
                                               blob.size, limits.max_bytes));
  }
  auto spool = Spool::create(folder);
  if (!spool) return spool;
  const auto response = repository.get("blobs/sha256:" + blob.digest, {}, false, blob.size,
                                       [&](std::string_view bytes) { return spool->append(bytes); });
  if (!response) {
    if (response.error().reason == Reason::kTooLarge) {
      return fail(Reason::kDigestMismatch,
                  fmt::format("the registry sent more for a layer than its {} bytes", blob.size));
    }
    return std::unexpected(response.error());
  }
  if (const std::string digest = spool->sha256(); digest != blob.digest) {
    return fail(
        Reason::kDigestMismatch,
        fmt::format("the registry sent a layer of the digest sha256:{} for sha256:{}", digest, blob.digest));
  }
  return spool;
}

}  // namespace

Result<PulledImage> pull_image(HttpSession& session, const ImageSource& source, const std::string& folder,
                               const std::string& known_digest, const ContentLimits& content_limits,
                               const ManifestLimits& manifest_limits) {
  const auto reference = parse_image_reference(source.reference);
  if (!reference) return std::unexpected(reference.error());
  Repository repository(session, source, *reference);

  if (!known_digest.empty()) {
    const auto digest = look_up_digest(repository, reference->selector());
    if (!digest) return std::unexpected(digest.error());
    if (*digest == known_digest) return PulledImage{.digest = known_digest};
  }
  auto document = get_manifest(repository, reference->selector(), manifest_limits);
  if (!document) return std::unexpected(document.error());
  PulledImage image{.digest = document->digest};
  if (image.digest == known_digest) return image;

  auto manifest = parse_manifest(document->text, manifest_limits);
  if (manifest && manifest->index) {
    const auto chosen = choose_image(*manifest);
    if (!chosen) return std::unexpected(chosen.error());
    document = get_manifest(repository, "sha256:" + chosen->digest, manifest_limits);
    if (!document) return std::unexpected(document.error());
    manifest = parse_manifest(document->text, manifest_limits);
    if (manifest && manifest->index) return fail(Reason::kMalformed, "the image's index lists an index");
  }
  if (!manifest) return std::unexpected(manifest.error());
  if (!source.sha256.empty() && source.sha256 != image.digest && source.sha256 != document->digest) {
    return std::unexpected(
        Failure{.reason = Reason::kDigestMismatch,
                .message = fmt::format("the image `{}` has the digest {}, but `sha256` says {}",
                                       reference->text(), image.digest, source.sha256),
                .of_sha256 = true});
  }

  const auto layer = choose_layer(*manifest);
  if (!layer) return std::unexpected(layer.error());
  auto blob = get_blob(repository, *layer, folder, content_limits);
  if (!blob) return std::unexpected(blob.error());
  auto module = module_in(std::move(*blob), Artifact::kWasm, folder, content_limits);
  if (!module) return std::unexpected(module.error());
  image.module = std::move(*module);
  return image;
}

std::vector<Challenge> parse_challenges(std::string_view header) {
  std::vector<Challenge> challenges;
  std::size_t at = 0;
  const auto skip = [&](std::string_view characters) {
    at = std::min(header.find_first_not_of(characters, at), header.size());
  };
  const auto token = [&] {
    const auto end = std::min(header.find_first_of(" \t,=\"", at), header.size());
    const auto text = header.substr(at, end - at);
    at = end;
    return text;
  };
  while (true) {
    skip(" \t,");
    if (at == header.size()) return challenges;
    const auto name = token();
    if (name.empty()) {  // not the grammar: passed over
      ++at;
      continue;
    }
    const auto after = at;
    skip(" \t");
    if (at == header.size() || header[at] != '=' || challenges.empty()) {
      at = after;
      challenges.push_back({.scheme = lower_case(name), .parameters = {}});
      continue;
    }
    ++at;
    skip(" \t");
    std::string value;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size()) ++at;
        value += header[at];
      }
      at = std::min(at + 1, header.size());
    } else {
      value = token();
    }
    challenges.back().parameters.emplace(lower_case(name), std::move(value));
  }
}

}  // namespace sluice::wasm
