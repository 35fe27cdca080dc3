#include "translate/remote_host.h"

#include <charconv>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "translate/upstream_tls.h"

namespace sluice::translate {

std::shared_ptr<const ClusterRow> remote_host(std::string_view url) {
  const bool tls = url.starts_with("https://");
  if (!tls && !url.starts_with("http://")) return nullptr;
  url.remove_prefix(tls ? 8 : 7);
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  std::string_view host = authority;
  std::uint16_t port = tls ? 443 : 80;
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0) return nullptr;
    host = authority.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return nullptr;

  auto row = std::make_shared<ClusterRow>();
  ir::Cluster& cluster = row->cluster;
  cluster.name = fmt::format("remote/{}{}:{}", tls ? "tls/" : "", host, port);
  cluster.discovery = ir::Discovery::kDns;
  cluster.dns_localities = {
      {.region = {},
       .zone = {},
       .priority = 0,
       .weight = 1,
       .tls = {},
       .endpoints = {{.address = std::string(host), .port = port, .unix_path = {}, .hostname = {}}}}};
  if (tls) {
    row->secrets.push_back(system_authorities());
    ir::UpstreamTls& terms = cluster.tls.emplace();
    terms.sni = host;
    terms.validation_secret = row->secrets.back().name;
    terms.subject_alt_names = {{.kind = ir::SubjectAltName::Kind::kDns, .value = std::string(host)}};
  }
  return row;
}

}  // namespace sluice::translate
