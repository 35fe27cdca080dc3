#include "xds/filters/module_source.h"

#include "ir/ir.h"
#include "xds/duration.h"

namespace sluice::xds {
namespace {

// Envoy Gateway's.
constexpr ir::Duration kFetchTimeout{10'000};
constexpr std::uint32_t kRetries = 10;
constexpr ir::Duration kFirstBackoff{1'000};
constexpr ir::Duration kMaxBackoff{30'000};

}  // namespace

void fill_module(const std::string& path, const std::string& uri, const std::string& cluster,
                 const std::string& sha256, envoy::config::core::v3::AsyncDataSource* to) {
  if (!path.empty()) {
    to->mutable_local()->set_filename(path);
    return;
  }
  auto* remote = to->mutable_remote();
  remote->mutable_http_uri()->set_uri(uri);
  remote->mutable_http_uri()->set_cluster(cluster);
  fill_duration(kFetchTimeout, remote->mutable_http_uri()->mutable_timeout());
  remote->set_sha256(sha256);
  auto* retry = remote->mutable_retry_policy();
  retry->mutable_num_retries()->set_value(kRetries);
  fill_duration(kFirstBackoff, retry->mutable_retry_back_off()->mutable_base_interval());
  fill_duration(kMaxBackoff, retry->mutable_retry_back_off()->mutable_max_interval());
}

}  // namespace sluice::xds
