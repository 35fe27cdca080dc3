#include "wasm/fetch.h"

#include <utility>

#include <fmt/format.h>

#include "wasm/registry.h"

namespace sluice::wasm {
namespace {

struct Fetch {
  const std::string& known_revision;
  const std::string& folder;
  const FetchLimits& limits;
  const std::stop_token& stop;

  Result<Fetched> operator()(const HttpSource& source) const {
    HttpSession session(limits.http, source.ca_pem, stop);
    HttpRequest request{.url = source.url, .max_bytes = limits.content.max_bytes};
    if (!known_revision.empty()) request.headers.push_back("If-None-Match: " + known_revision);
    auto spool = Spool::create(folder);
    if (!spool) return std::unexpected(spool.error());
    const auto response = session.send(request, [&](std::string_view bytes) { return spool->append(bytes); });
    if (!response) return std::unexpected(response.error());
    if (response->status == 304 && !known_revision.empty()) return Fetched{.revision = known_revision};
    if (!response->ok()) return std::unexpected(failure_of(*response));
    auto module = module_in(std::move(*spool), source.artifact, folder, limits.content);
    if (!module) return std::unexpected(module.error());
    if (const std::string digest = module->sha256(); !source.sha256.empty() && digest != source.sha256) {
      return std::unexpected(
          Failure{.reason = Reason::kDigestMismatch,
                  .message = fmt::format("the module at `{}` has the digest {}, but `sha256` says {}",
                                         url_for_display(source.url), digest, source.sha256),
                  .of_sha256 = true});
    }
    return Fetched{.module = std::move(*module), .revision = std::string(response->header("etag"))};
  }

  Result<Fetched> operator()(const ImageSource& source) const {
    HttpSession session(limits.http, source.ca_pem, stop);
    auto image = pull_image(session, source, folder, known_revision, limits.content, limits.manifest);
    if (!image) return std::unexpected(image.error());
    return Fetched{.module = std::move(image->module), .revision = std::move(image->digest)};
  }
};

}  // namespace

Result<Fetched> fetch(const Source& source, const std::string& known_revision, const std::string& folder,
                      const FetchLimits& limits, const std::stop_token& stop) {
  if (auto valid = check(source); !valid) return std::unexpected(valid.error());
  return std::visit(Fetch{known_revision, folder, limits, stop}, source);
}

}  // namespace sluice::wasm
