#include "xds/retry.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "envoy/config/core/v3/base.pb.h"

#include "xds/duration.h"

namespace sluice::xds {

void fill_back_off(ir::Duration wanted, google::protobuf::Duration* to) {
  fill_duration(std::max(wanted, ir::Duration(1)), to);
}

void fill_service_retry(const ir::RetryPolicy& from, envoy::config::core::v3::RetryPolicy* to) {
  constexpr char kDefault[] = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
  constexpr ir::Duration kEnvoysBase{25};  // the interval has to be said with another
  to->set_retry_on(from.on.empty() ? kDefault : fmt::format("{}", fmt::join(from.on, ",")));
  to->mutable_num_retries()->set_value(from.attempts);
  if (!from.base_interval && !from.max_interval) return;
  const ir::Duration base =
      from.base_interval ? *from.base_interval : std::min(kEnvoysBase, *from.max_interval);
  fill_back_off(base, to->mutable_retry_back_off()->mutable_base_interval());
  if (from.max_interval) {
    fill_back_off(*from.max_interval, to->mutable_retry_back_off()->mutable_max_interval());
  }
}

}  // namespace sluice::xds
