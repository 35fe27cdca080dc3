#include "xds/filters/loopback_guard.h"

#include <variant>

#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/type/matcher/v3/http_inputs.pb.h"
#include "xds/type/matcher/v3/matcher.pb.h"

#include "ir/loopback.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

namespace rbac_v3 = envoy::extensions::filters::http::rbac::v3;

constexpr char kName[] = "envoy.filters.http.rbac/loopback_guard";

void fill_action(const char* name, envoy::config::rbac::v3::RBAC::Action action,
                 ::xds::type::matcher::v3::Matcher::OnMatch* to) {
  envoy::config::rbac::v3::Action verdict;
  verdict.set_name(name);
  verdict.set_action(action);
  to->mutable_action()->set_name(name);
  pack(verdict, to->mutable_action()->mutable_typed_config());
}

}  // namespace

void add_loopback_guard(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (chain.filters.contains(ir::RouteFilter::kLoopbackGuard)) add_filter(kName, rbac_v3::RBAC(), to);
}

void append_loopback_guard(const ir::Route& route, std::string& out) {
  const auto* forward = std::get_if<ir::Forward>(&route.action->action);
  if (forward == nullptr || !forward->dynamic) return;
  rbac_v3::RBACPerRoute per_route;
  auto* matcher = per_route.mutable_rbac()->mutable_matcher();
  auto* loopback = matcher->mutable_matcher_list()->add_matchers();
  auto* predicate = loopback->mutable_predicate()->mutable_single_predicate();
  // The host that will be resolved.
  const bool rewritten = forward->rewrite && forward->rewrite->host_header;
  envoy::type::matcher::v3::HttpRequestHeaderMatchInput input;
  input.set_header_name(rewritten ? *forward->rewrite->host_header : ":authority");
  predicate->mutable_input()->set_name("host");
  pack(input, predicate->mutable_input()->mutable_typed_config());
  auto* regex = predicate->mutable_value_match()->mutable_safe_regex();
  regex->mutable_google_re2();
  regex->set_regex(ir::kLoopbackHost);
  fill_action("loopback", envoy::config::rbac::v3::RBAC::DENY, loopback->mutable_on_match());
  fill_action("elsewhere", envoy::config::rbac::v3::RBAC::ALLOW, matcher->mutable_on_no_match());
  append_route_config(kName, per_route, out);
}

}  // namespace sluice::xds
