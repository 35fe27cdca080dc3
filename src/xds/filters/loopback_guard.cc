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

// Envoy Gateway's.
constexpr char kName[] = "envoy.filters.http.rbac.dfp_loopback_deny";

// What Envoy Gateway denies, each a pattern of its own.
constexpr const char* kNames[] = {R"(^127\.0\.0\.1(?::\d+)?$)",
                                  R"(^localhost(?::\d+)?$)",
                                  R"(^localhost\.localdomain(?::\d+)?$)",
                                  R"(^ip6-localhost(?::\d+)?$)",
                                  R"(^ip6-loopback(?::\d+)?$)",
                                  R"(^\[::1\](?::\d+)?$)",
                                  R"(^::1(?::\d+)?$)"};

void fill_action(const char* name, const char* verdict_name, envoy::config::rbac::v3::RBAC::Action action,
                 ::xds::type::matcher::v3::Matcher::OnMatch* to) {
  envoy::config::rbac::v3::Action verdict;
  verdict.set_name(verdict_name);
  verdict.set_action(action);
  to->mutable_action()->set_name(name);
  pack(verdict, to->mutable_action()->mutable_typed_config());
}

}  // namespace

void add_loopback_guard(const ir::HttpChain& chain, HttpConnectionManager* to) {
  if (chain.filters.contains(ir::RouteFilter::kLoopbackGuard)) add_filter(kName, rbac_v3::RBAC(), to);
}

void append_loopback_guard(std::string_view host, const ir::Route& route, std::string& out) {
  const auto* forward = std::get_if<ir::Forward>(&route.action->action);
  if (forward == nullptr || !forward->dynamic) return;
  rbac_v3::RBACPerRoute per_route;
  auto* matcher = per_route.mutable_rbac()->mutable_matcher();
  auto* loopback = matcher->mutable_matcher_list()->add_matchers();
  const auto deny = [&](const char* header, const char* pattern) {
    envoy::type::matcher::v3::HttpRequestHeaderMatchInput input;
    input.set_header_name(header);
    auto* predicate =
        loopback->mutable_predicate()->mutable_or_matcher()->add_predicate()->mutable_single_predicate();
    predicate->mutable_input()->set_name("http_header");
    pack(input, predicate->mutable_input()->mutable_typed_config());
    auto* regex = predicate->mutable_value_match()->mutable_safe_regex();
    regex->mutable_google_re2();
    regex->set_regex(pattern);
  };
  // The host that will be resolved: that of a header, and where it is absent the request's.
  const bool rewritten = forward->rewrite && forward->rewrite->host_header;
  const char* header = rewritten ? forward->rewrite->host_header->c_str() : ":authority";
  for (const char* pattern : kNames) deny(header, pattern);
  if (rewritten) {
    deny(header, ir::kLoopbackHost);
    // Of several values the first is the host, but they are matched as one.
    deny(header, ".*,.*");
  }
  // Where requests may name any host, in any spelling.
  if (ir::may_be_loopback(host)) deny(":authority", ir::kLoopbackHost);
  fill_action("deny-loopback-host", "DENY", envoy::config::rbac::v3::RBAC::DENY,
              loopback->mutable_on_match());
  fill_action("default", "ALLOW", envoy::config::rbac::v3::RBAC::ALLOW, matcher->mutable_on_no_match());
  append_route_config(kName, per_route, out);
}

}  // namespace sluice::xds
