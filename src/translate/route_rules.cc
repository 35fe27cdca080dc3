#include "translate/route_rules.h"

#include <algorithm>
#include <cctype>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/container/inlined_vector.h"
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "base/content_id.h"
#include "base/quote.h"
#include "ir/loopback.h"
#include "translate/header_changes.h"
#include "translate/header_value.h"
#include "translate/inference_pool.h"
#include "translate/joined_backend.h"
#include "translate/policy/route_extensions.h"
#include "translate/redirect_port.h"
#include "translate/regex.h"
#include "translate/route_backends.h"
#include "translate/route_filters.h"
#include "translate/session.h"

namespace sluice::translate {
namespace {

// Envoy Gateway's: without a limit of its own, a stream that is silent for so long ends.
constexpr ir::Duration kIdleTimeout{3'600'000};

// What became of the rules, besides their references.
struct Verdicts {
  std::set<std::size_t> failed_rules;
  std::vector<RuleFailure> failures;
};

// A backendRef with weight that leads somewhere, or has an error in its place.
struct Part {
  std::uint32_t weight = 1;
  BackendPtr backend;
  RouteFilters filters;

  std::size_t index = 0;  // of its backendRef

  bool leads_somewhere() const { return backend && !filters.failed; }
  bool is_pool() const {
    return backend && backend->row.cluster.owner.kind == api::kind_of<api::InferencePool>();
  }
  // Envoy's weighted clusters can change headers, and the host to one that is written down; nothing else.
  // A picker is asked on the routes to its pool only, and so is whoever lets requests pass to one backend.
  bool needs_a_route() const {
    const auto& rewrite = filters.rewrite;
    return is_pool() || filters.redirect || !filters.mirrors.empty() || !filters.auths.empty() ||
           (rewrite &&
            (rewrite->path || rewrite->host_header || rewrite->host_of_endpoint || rewrite->host_from_path));
  }
  bool has_settings() const {
    return !filters.request_headers.empty() || !filters.response_headers.empty() || filters.rewrite ||
           filters.credential != nullptr || needs_a_route();
  }
};

// A share of a rule's requests, and what is done with them.
struct Alternative {
  std::uint32_t weight = 1;
  std::shared_ptr<const ir::RouteAction> action;
};
using Alternatives = absl::InlinedVector<Alternative, 1>;

// What tells a rule from the others of its route, whatever their order and weights.
std::string identity_of(const ObjectKey& route, const RouteRule& rule) {
  std::string text = route.to_string();
  if (!rule.name.empty()) return text + "\nname " + rule.name;
  const auto add_values = [&text](std::string_view what, const std::vector<ir::ValueMatch>& values) {
    for (const ir::ValueMatch& v : values) {
      text += fmt::format("\n{} {} {} {}", what, v.name, static_cast<int>(v.kind), v.value);
    }
  };
  for (const ir::RouteMatch& m : rule.matches) {
    text += fmt::format("\npath {} {} {}", static_cast<int>(m.path.kind), m.path.value, m.method);
    add_values("header", m.headers);
    add_values("query", m.query_params);
    add_values("cookie", m.cookies);
  }
  return text;
}

// A text with EnvoyProxy's operators for a rule (telemetry.metrics.clusterStatName), as Envoy Gateway has it.
// Others are refused where they stand (telemetry.cc).
std::string stat_name_of(std::string text, const ObjectKey& route, const RouteRule& rule, std::size_t index) {
  std::string kind(route.kind.kind());
  std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string backends;
  for (const api::HTTPBackendRef& backend : rule.backend_refs) {
    if (!backends.empty()) backends += '|';
    backends +=
        fmt::format("{}/{}", backend.ref.namespace_.value_or(route.name.namespace_).text(), backend.ref.name);
  }
  const std::pair<std::string_view, std::string> operators[] = {
      {"%ROUTE_KIND%", std::move(kind)},
      {"%ROUTE_NAMESPACE%", route.name.namespace_.text()},
      {"%ROUTE_NAME%", route.name.name},
      {"%ROUTE_RULE_NAME%", rule.name.empty() ? "-" : rule.name},
      {"%ROUTE_RULE_NUMBER%", std::to_string(index)},
      {"%BACKEND_REFS%", std::move(backends)}};
  for (const auto& [name, value] : operators) {
    for (auto at = text.find(name); at != text.npos; at = text.find(name, at + value.size())) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

bool matches_root(const RouteRule& rule) {
  return std::ranges::any_of(rule.matches, [](const ir::RouteMatch& match) {
    return match.path.kind == ir::MatchKind::kPrefix && match.path.value == "/";
  });
}

class RuleTranslator {
 public:
  // `own_clusters`: the rules that share their cluster with no other. `merges`: rules share clusters because
  // the user said so, too. `stat_name`: how the clusters of a rule are called in statistics, with operators;
  // empty: by their names.
  RuleTranslator(const RouteParts& route, const std::vector<std::uint32_t>& own_clusters, bool merges,
                 const std::string& stat_name, RouteBackends& backends, Verdicts& verdicts)
      : route_(route),
        own_clusters_(own_clusters),
        merges_(merges),
        stat_name_(stat_name),
        backends_(backends),
        verdicts_(verdicts) {}

  // Appends the rule's routes.
  void translate(const RouteRule& rule, std::size_t index, std::vector<ir::Route>& routes);

  // The HTTPRouteFilters whose credentials go into requests: of rules, and of backends.
  struct Credential {
    const ExtendedFilterRow* filter;
    bool of_rule;
  };
  const std::vector<Credential>& credentials() const { return credentials_; }
  // What asks the pickers of the pools that rules send to, and services whether requests may pass.
  const std::vector<ir::ExtensionPtr>& asking() const { return asking_; }
  // Rules without a backend, with what is wrong unless extensions answer.
  const std::vector<std::pair<std::size_t, Problem>>& without_backend() const { return without_backend_; }

 private:
  void warn_of_queries(const ir::RouteMatch& match, const Place& place);
  bool check_matches(const RouteRule& rule, const Place& place, std::vector<RuleFailure>& failures);
  bool check_value(ir::MatchKind kind, const std::string& value, const Place& place,
                   std::vector<RuleFailure>& failures);
  std::vector<Part> read_backends(const RouteRule& rule, const Place& place);
  Alternatives alternatives(const RouteRule& rule, const RouteFilters& filters, const Place& place,
                            std::vector<RuleFailure>& failures);
  bool has_own_cluster(std::size_t rule) const { return std::ranges::binary_search(own_clusters_, rule); }
  void separate(std::size_t rule, std::vector<Part>& parts);
  void name_in_statistics(const RouteRule& rule, std::size_t index, std::vector<Part>& parts);
  ir::Forward forward_of(const RouteRule& rule) const;
  void warn_of_paths(const std::vector<api::HTTPRouteFilter>& filters, bool of_root, const Place& place);
  void note_no_backend(const RouteRule& rule, const Place& place);
  void warn_of_pool(const api::HTTPBackendRef& ref, const Place& place);
  void ask(const std::vector<ir::ExtensionPtr>& filters, ir::RouteAction& action);
  void ask_picker(const ResolvedBackend& pool, ir::RouteAction& action);
  std::optional<ir::Session> session_of(const RouteRule& rule, const Place& place);
  std::optional<api::SessionPersistence> session_by_policy(const std::vector<Part>& parts,
                                                           const Place& place);
  ir::Session session_of_policy(const api::SessionPersistence& from, const RouteRule& rule) const;
  void warn_of_no_session(std::string_view why, std::string suggestion, const Place& place);
  void settle(const Place& place, std::vector<Part>& parts);
  bool stays_outside(const RouteRule& rule, const Place& place);
  bool names_host_by_path(const RouteFilters& filters, const std::vector<Part>& parts, const Place& place);
  bool join(const RouteRule& rule, std::string_view what, bool one_protocol, std::vector<Part>& parts);

  const RouteParts& route_;
  const std::vector<std::uint32_t>& own_clusters_;
  const bool merges_;
  const std::string& stat_name_;
  RouteBackends& backends_;
  Verdicts& verdicts_;
  std::vector<Credential> credentials_;
  std::vector<ir::ExtensionPtr> asking_;
  std::vector<std::pair<std::size_t, Problem>> without_backend_;
};

bool RuleTranslator::check_value(ir::MatchKind kind, const std::string& value, const Place& place,
                                 std::vector<RuleFailure>& failures) {
  const bool is_regex = kind == ir::MatchKind::kRegex;
  std::optional<std::string> message;
  if (is_regex) {
    message = fault_of_regex(value);
  } else if (auto fault = fault_of_head(value)) {
    message = std::move(fault->message);
  }
  if (!message) return true;
  const ReferenceFailure failure{.reason = "UnsupportedValue",
                                 .code = is_regex ? "value/regex" : "value/match",
                                 .field = "",
                                 .message = *std::move(message),
                                 .suggestion = ""};
  backends_.report(failure, place);
  failures.push_back({.reason = failure.reason, .message = failure.message});
  return false;
}

// The proxy compares with what is sent, where such characters stand as %20 and the like.
void RuleTranslator::warn_of_queries(const ir::RouteMatch& match, const Place& place) {
  for (std::size_t i = 0; i < match.query_params.size(); ++i) {
    const ir::ValueMatch& param = match.query_params[i];
    const auto is_sent = [](unsigned char c) { return c > ' ' && c < 0x7f && c != '#' && c != '&'; };
    if (param.kind != ir::MatchKind::kExact || std::ranges::all_of(param.value, is_sent)) continue;
    if (fault_of_head(param.value)) continue;  // more is wrong with it
    backends_.add_problem(
        {.code = "value/match",
         .severity = Severity::kWarning,
         .where = {},
         .object = route_.key,
         .path = Place{&place, "queryParams", i}.to_string() + ".value",
         .message =
             fmt::format("no query has the text {}: it is compared with what is sent", quote(param.value)),
         .suggestion = "write it as clients send it, with `%20` for a space, for instance",
         .also = {}});
  }
}

bool RuleTranslator::check_matches(const RouteRule& rule, const Place& place,
                                   std::vector<RuleFailure>& failures) {
  bool good = true;
  for (std::size_t m = 0; m < rule.matches.size(); ++m) {
    const ir::RouteMatch& match = rule.matches[m];
    const Place here{&place, "matches", m};
    good = check_value(match.path.kind, match.path.value, {&here, rule.path_field}, failures) && good;
    const auto check_values = [&](const std::vector<ir::ValueMatch>& values, std::string_view list) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const Place value{&here, list, i};
        good = check_value(values[i].kind, values[i].value, {&value, "value"}, failures) && good;
      }
    };
    check_values(match.headers, "headers");
    check_values(match.query_params, "queryParams");
    warn_of_queries(match, here);
  }
  return good;
}

std::vector<Part> RuleTranslator::read_backends(const RouteRule& rule, const Place& place) {
  std::vector<Part> parts;
  parts.reserve(rule.backend_refs.size());
  for (std::size_t i = 0; i < rule.backend_refs.size(); ++i) {
    const api::HTTPBackendRef& ref = rule.backend_refs[i];
    const Place here{&place, "backendRefs", i};
    Part part{.weight = static_cast<std::uint32_t>(ref.weight),
              .backend = nullptr,
              .filters = read_backend_filters(ref.filters, here, backends_),
              .index = i};
    warn_of_paths(ref.filters, matches_root(rule), here);
    part.backend = backends_.look_up(ref.ref, here);
    if (part.is_pool()) warn_of_pool(ref, here);
    if (part.leads_somewhere() && part.filters.credential != nullptr) {
      part.backend = injecting(*part.backend, *part.filters.credential);
      credentials_.push_back({.filter = part.filters.credential, .of_rule = false});
    }
    if (ref.weight > 0) parts.push_back(std::move(part));
  }
  return parts;
}

// The ports of a pool are its own business.
void RuleTranslator::warn_of_pool(const api::HTTPBackendRef& ref, const Place& place) {
  if (!ref.ref.port) return;
  backends_.add_problem({.code = "support/no-effect",
                         .severity = Severity::kWarning,
                         .where = {},
                         .object = route_.key,
                         .path = place.to_string() + ".port",
                         .message = "the ports of an InferencePool are its `targetPorts`",
                         .suggestion = "remove `port`",
                         .also = {}});
}

// These filters are on for requests of the action.
void RuleTranslator::ask(const std::vector<ir::ExtensionPtr>& filters, ir::RouteAction& action) {
  if (filters.empty()) return;
  std::vector<ir::ExtensionUse> uses =
      action.extensions ? *action.extensions : std::vector<ir::ExtensionUse>();
  for (const ir::ExtensionPtr& filter : filters) {
    if (std::ranges::find(asking_, filter) == asking_.end()) asking_.push_back(filter);
    uses.push_back({.name = filter->name});
  }
  std::ranges::sort(uses);
  action.extensions = std::move(uses);
}

// Requests of the action are sent on when the pool's picker has been asked.
void RuleTranslator::ask_picker(const ResolvedBackend& pool, ir::RouteAction& action) {
  if (pool.picker == nullptr) return;
  if (pool.picker_cluster != nullptr) backends_.add_cluster(pool.picker_cluster);
  ask({pool.picker}, action);
  if (pool.picker_sees == ir::AnswersShown::kAll) return;
  std::vector<ir::ExtensionUse> uses = *action.extensions;
  const auto use = std::ranges::find(uses, pool.picker->name, &ir::ExtensionUse::name);
  use->answers = pool.picker_sees;
  use->streamed = std::get<ir::EndpointPicker>(pool.picker->filter).streamed;
  action.extensions = std::move(uses);
}

// What the backends of a rule are beside each other. A Backend of type DynamicResolver has to be alone.
void RuleTranslator::settle(const Place& place, std::vector<Part>& parts) {
  bool dynamic = false;
  bool plaintext = false;
  for (const Part& part : parts) {
    if (!part.leads_somewhere()) continue;
    const ir::Cluster& cluster = part.backend->row.cluster;
    dynamic = dynamic || cluster.discovery == ir::Discovery::kDynamic;
    plaintext = plaintext || !cluster.tls;
  }
  if (dynamic && parts.size() > 1) {
    backends_.refuse(
        {.reason = "InvalidBackendRef",
         .code = "support/dynamic-resolver",
         .field = "backendRefs",
         .message = "a Backend of type DynamicResolver stands beside others, and a request goes to one host",
         .suggestion = "make it the only backend of its rule"},
        place);
    for (Part& part : parts) part.backend.reset();
    return;
  }
  // Where some speak plain HTTP the protocol is the same for all, and those with TLS do not negotiate it.
  if (!plaintext) return;
  for (Part& part : parts) {
    if (part.leads_somewhere()) part.backend = negotiating_no_protocol(std::move(part.backend));
  }
}

// Where a request goes to the host that it names, no filter may name the proxy's own machine: nor may
// clients, see xds/filters/loopback_guard.h.
bool RuleTranslator::stays_outside(const RouteRule& rule, const Place& place) {
  static const re2::RE2 kLoopback(ir::kLoopbackHost);
  bool good = true;
  const auto check = [&](const std::vector<api::HTTPRouteFilter>& filters, const Place& of) {
    for (std::size_t i = 0; i < filters.size(); ++i) {
      const auto& rewrite = filters[i].url_rewrite;
      if (!rewrite || !rewrite->hostname || !re2::RE2::FullMatch(*rewrite->hostname, kLoopback)) continue;
      good = false;
      backends_.refuse(
          {.reason = "InvalidBackendRef",
           .code = "support/dynamic-resolver",
           .field = "urlRewrite.hostname",
           .message = fmt::format("`{}` is the proxy's own machine, to which a DynamicResolver never sends",
                                  *rewrite->hostname),
           .suggestion = ""},
          {&of, "filters", i});
    }
  };
  check(rule.filters, place);
  for (std::size_t i = 0; i < rule.backend_refs.size(); ++i) {
    check(rule.backend_refs[i].filters, {&place, "backendRefs", i});
  }
  return good;
}

// Where a request goes to the host that it names, nobody can tell beforehand what a pattern makes of its
// path: it might be the proxy's own machine.
bool RuleTranslator::names_host_by_path(const RouteFilters& filters, const std::vector<Part>& parts,
                                        const Place& place) {
  const auto by_path = [](const RouteFilters& of) { return of.rewrite && of.rewrite->host_from_path; };
  if (!by_path(filters) && std::ranges::none_of(parts, by_path, &Part::filters)) return false;
  backends_.refuse(
      {.reason = "UnsupportedValue",
       .code = "support/dynamic-resolver",
       .field = "backendRefs",
       .message = "a filter takes the host from the path, to which a DynamicResolver never sends",
       .suggestion = "take it from a header"},
      place);
  return true;
}

// What has to see all backends of a rule, a session or a fallback, makes them one cluster. False where they
// cannot be one: requests to some are changed on the way, or they are to speak `one_protocol` and do not.
bool RuleTranslator::join(const RouteRule& rule, std::string_view what, bool one_protocol,
                          std::vector<Part>& parts) {
  std::vector<WeightedBackend> members;
  Part whole{.weight = 0, .backend = nullptr, .filters = {}};
  for (const Part& part : parts) {
    if (!part.leads_somewhere()) continue;
    members.push_back({.weight = part.weight, .backend = part.backend});
    whole.weight += part.weight;
  }
  if (members.size() < 2) return true;
  if (std::ranges::any_of(parts,
                          [](const Part& part) { return part.leads_somewhere() && part.has_settings(); })) {
    return false;
  }
  whole.backend = join_backends(joined_name(what, route_.key, identity_of(route_.key, rule), members),
                                route_.key, members, one_protocol);
  if (!whole.backend) return false;
  std::erase_if(parts, [](const Part& part) { return part.leads_somewhere(); });
  parts.push_back(std::move(whole));
  return true;
}

// Of paths that filters set without the slash that they need: each path begins with one, and as in Envoy
// Gateway it is the slash itself that is replaced of the prefix "/" (`of_root`: the rule matches it).
void RuleTranslator::warn_of_paths(const std::vector<api::HTTPRouteFilter>& filters, bool of_root,
                                   const Place& place) {
  const auto warn = [&](const std::optional<api::HTTPPathModifier>& path, std::size_t i, const char* filter) {
    if (!path) return;
    const bool is_prefix = path->type == api::PathModifierType::kReplacePrefixMatch;
    const std::string with = (is_prefix ? path->replace_prefix_match : path->replace_full_path).value_or("");
    const bool begins = with.starts_with('/');
    const bool ends = !is_prefix || !of_root || with.ends_with('/');
    if ((with.empty() && is_prefix) || (begins && ends)) return;
    const Place here{&place, "filters", i};
    backends_.add_problem(
        {.code = begins ? "value/root-prefix" : "value/path",
         .severity = Severity::kWarning,
         .where = {},
         .object = route_.key,
         .path = fmt::format("{}.{}.path.{}", here.to_string(), filter,
                             is_prefix ? "replacePrefixMatch" : "replaceFullPath"),
         .message = begins ? fmt::format("of the prefix `/` the slash is replaced: `/x` becomes `{}x`", with)
                    : with.empty()
                        ? "the path is replaced by nothing, which counts as `/`"
                        : fmt::format("`{}` does not begin with a slash, as every path does", with),
         .suggestion = fmt::format("write `{}{}{}`", begins ? "" : "/", with, ends ? "" : "/")});
  };
  for (std::size_t i = 0; i < filters.size(); ++i) {
    const api::HTTPRouteFilter& filter = filters[i];
    if (filter.url_rewrite) warn(filter.url_rewrite->path, i, "urlRewrite");
    if (filter.request_redirect) warn(filter.request_redirect->path, i, "requestRedirect");
  }
}

// Of a rule that refers to nothing that could answer, and does not answer itself.
void RuleTranslator::note_no_backend(const RouteRule& rule, const Place& place) {
  const bool none = rule.backend_refs.empty();
  const Place refs{&place, "backendRefs"};
  Problem problem{
      .code = "value/no-backend",
      .severity = Severity::kWarning,
      .where = {},
      .object = route_.key,
      .path = (none ? place : refs).to_string(),
      .message = fmt::format("the rule has no backend{}: every request that it takes is answered with {}",
                             none ? "" : " with a weight above 0", route_.grpc ? "UNKNOWN" : "500"),
      .suggestion = none ? route_.grpc
                               ? "add `backendRefs`"
                               : "add `backendRefs`, or a filter that answers, as RequestRedirect does"
                         : "give one of them a `weight`"};
  without_backend_.emplace_back(*place.index, std::move(problem));
}

std::optional<ir::Session> RuleTranslator::session_of(const RouteRule& rule, const Place& place) {
  if (!rule.session) return std::nullopt;
  const Place here{&place, "sessionPersistence"};
  bool good = true;
  for (Problem& problem : check_session(*rule.session, route_.key, here.to_string())) {
    good = good && problem.severity != Severity::kError;
    backends_.add_problem(std::move(problem));
  }
  if (!good) return std::nullopt;
  std::string name = rule.session->session_name.value_or("");
  if (name.empty()) name = "session-" + content_id(identity_of(route_.key, rule));
  return read_session(*rule.session, std::move(name));
}

// What all backends of a rule have by their policies; nothing where they differ in it.
std::optional<api::SessionPersistence> RuleTranslator::session_by_policy(const std::vector<Part>& parts,
                                                                         const Place& place) {
  std::optional<api::SessionPersistence> common;
  bool some_without = false;
  bool differ = false;
  for (const Part& part : parts) {
    if (!part.leads_somewhere()) continue;
    const Boxed<api::SessionPersistence>& its = part.backend->session;
    if (!its) {
      some_without = true;
    } else if (!common) {
      common = *its;
    } else {
      differ = differ || *common != *its;
    }
  }
  if (!common || !(some_without || differ)) return common;
  warn_of_no_session("XBackendTrafficPolicies do not say the same of all backends of the rule",
                     "add the other backends to the policy, or `sessionPersistence` to the rule", place);
  return std::nullopt;
}

void RuleTranslator::warn_of_no_session(std::string_view why, std::string suggestion, const Place& place) {
  backends_.add_problem({.code = "support/session",
                         .severity = Severity::kWarning,
                         .where = {},
                         .object = route_.key,
                         .path = Place{&place, "backendRefs"}.to_string(),
                         .message = fmt::format("no session is kept: {}", why),
                         .suggestion = std::move(suggestion),
                         .also = {}});
}

// Each rule has a session of its own, whatever the policy calls the cookie.
ir::Session RuleTranslator::session_of_policy(const api::SessionPersistence& from,
                                              const RouteRule& rule) const {
  const std::string id = content_id(identity_of(route_.key, rule));
  std::string name = from.session_name.value_or("");
  if (name.empty()) {
    name = "session-" + id;
  } else if (from.type == api::SessionPersistenceType::kCookie) {
    name += "-" + id;
  }
  return read_session(from, std::move(name));
}

// Models take their time: what the rule does not limit has no limit. A picker names more than one endpoint,
// for those that have just gone.
void adapt_to_pool(ir::Forward& forward) {
  constexpr std::uint32_t kMoreEndpoints = 3;
  if (!forward.timeout) {
    forward.timeout = ir::Duration{0};
    forward.idle_timeout = kIdleTimeout;
  }
  if (!forward.retry) {
    ir::Retry& retry = forward.retry.emplace();
    retry.attempts = kMoreEndpoints;
    retry.only_unsent = true;
  }
  // A prompt may be a book. Our picker, for which Envoy keeps it, takes no more (picker::ServiceOptions).
  constexpr std::uint64_t kMaxBody = 16U << 20U;
  forward.body_limit = kMaxBody;
}

// Where requests go to is filled in by the caller.
ir::Forward RuleTranslator::forward_of(const RouteRule& rule) const {
  ir::Forward forward;
  forward.grpc = route_.grpc;
  std::optional<api::Duration> request;
  std::optional<api::Duration> per_try;
  if (rule.timeouts) {
    request = rule.timeouts->request;
    per_try = rule.timeouts->backend_request;
  }
  if (rule.retry) {
    ir::Retry retry;
    if (rule.retry->attempts) retry.attempts = static_cast<std::uint32_t>(*rule.retry->attempts);
    for (const std::int32_t code : rule.retry->codes) retry.codes.push_back(static_cast<std::uint32_t>(code));
    if (retry.codes.empty()) retry.codes.push_back(503);
    retry.backoff = rule.retry->backoff;
    retry.per_try_timeout = per_try;
    forward.retry = std::move(retry);
    forward.timeout = request;
  } else {
    // The only try is the whole request.
    forward.timeout = per_try ? per_try : request;
  }
  if (forward.timeout) {
    forward.idle_timeout =
        forward.timeout->count() == 0 ? ir::Duration{0} : std::max(kIdleTimeout, *forward.timeout);
  }
  return forward;
}

// What a rule rewrites on the way to a backend that rewrites a part of it itself; but a host that is written
// down, for that is the business of the weighted cluster.
ir::Rewrite over(const Boxed<ir::Rewrite>& base, const ir::Rewrite& own) {
  ir::Rewrite both = base ? *base : ir::Rewrite();
  auto path = own.path ? own.path : both.path;
  if (rewrites_host(own) && !own.host) both = own;
  both.path = std::move(path);
  return both;
}

// With what the part does to requests, which it has no more. Of a rewrite that is the host: paths are
// rewritten by routes only.
ir::WeightedCluster weighted(Part& part) {
  ir::WeightedCluster cluster;
  cluster.weight = part.weight;
  if (!part.leads_somewhere()) return cluster;
  cluster.cluster = part.backend->cluster();
  cluster.request_headers = boxed(std::move(part.filters.request_headers));
  cluster.response_headers = boxed(std::move(part.filters.response_headers));
  if (part.filters.rewrite && part.filters.rewrite->host) {
    cluster.rewrite.emplace().host = part.filters.rewrite->host;
  }
  return cluster;
}

// Why backends of one rule cannot be one cluster, and what to do.
struct Apart {
  std::string_view why;
  std::string suggestion;
};
Apart apart_for(const std::vector<Part>& parts) {
  const std::string others = "make a rule of its own for each backend";
  if (std::ranges::any_of(parts, &Part::is_pool)) {
    return {.why = "one is an InferencePool, whose picker picks", .suggestion = others};
  }
  if (std::ranges::any_of(parts, &Part::has_settings)) {
    return {.why = "one has filters of its own",
            .suggestion = "remove the filters of the backendRefs, or " + others};
  }
  return {.why = "they do not speak the same protocol", .suggestion = others};
}

// Envoy Gateway has one cluster for the endpoints of a rule, and one a backend where they are found in
// different ways.
bool mixes_discovery(const std::vector<Part>& parts) {
  std::optional<ir::Discovery> way;
  for (const Part& part : parts) {
    if (!part.leads_somewhere()) continue;
    const ir::Discovery its = part.backend->row.cluster.discovery;
    if (way.value_or(its) != its) return true;
    way = its;
  }
  return false;
}

// The rule's cluster is one of its own, in Envoy Gateway's shape and under its name.
void RuleTranslator::separate(std::size_t rule, std::vector<Part>& parts) {
  std::vector<WeightedBackend> members;
  bool settings = false;
  for (const Part& part : parts) {
    if (!part.leads_somewhere()) continue;
    members.push_back({.weight = part.weight, .backend = part.backend});
    settings = settings || part.has_settings();
  }
  const std::string name = own_cluster_name(route_.key, rule);
  if (members.size() == 1 && !settings) {
    for (Part& part : parts) {
      if (part.leads_somewhere()) part.backend = renamed(*part.backend, name);
    }
  } else if (settings || mixes_discovery(parts)) {
    for (Part& part : parts) {
      if (part.leads_somewhere()) {
        part.backend = renamed(*part.backend, own_cluster_name(route_.key, rule, part.index));
      }
    }
  } else if (!members.empty()) {
    Part whole{.weight = 0, .backend = join_backends(name, route_.key, members, false), .filters = {}};
    for (const WeightedBackend& member : members) whole.weight += member.weight;
    std::erase_if(parts, [](const Part& part) { return part.leads_somewhere(); });
    parts.push_back(std::move(whole));
  }
}

// The name in statistics is the rule's, and so are its clusters then. A pool keeps its own.
void RuleTranslator::name_in_statistics(const RouteRule& rule, std::size_t index, std::vector<Part>& parts) {
  const std::string name = stat_name_of(stat_name_, route_.key, rule, index);
  for (Part& part : parts) {
    if (!part.leads_somewhere() || part.is_pool()) continue;
    auto named = std::make_shared<ResolvedBackend>(*part.backend);
    ir::Cluster& cluster = named->row.cluster;
    cluster.stat_name = name;
    // Whoever has members is the rule's already.
    if (named->row.members.empty() && !has_own_cluster(index)) {
      const std::string suffix = "/stat-" + content_id(name);
      cluster.name.insert(named->base_size, suffix);
      named->base_size += suffix.size();
    }
    part.backend = std::move(named);
  }
}

Alternatives RuleTranslator::alternatives(const RouteRule& rule, const RouteFilters& filters,
                                          const Place& place, std::vector<RuleFailure>& failures) {
  warn_of_paths(rule.filters, matches_root(rule), place);
  std::vector<Part> parts = read_backends(rule, place);
  settle(place, parts);
  const auto goes_anywhere = [](const Part& part) {
    return part.filters.mirrors_anywhere ||
           (part.leads_somewhere() && part.backend->row.cluster.discovery == ir::Discovery::kDynamic);
  };
  const bool dynamic = filters.mirrors_anywhere || std::ranges::any_of(parts, goes_anywhere);
  if (dynamic && (!stays_outside(rule, place) || names_host_by_path(filters, parts, place))) {
    for (Part& part : parts) part.backend.reset();
  }
  std::optional<ir::Session> session = session_of(rule, place);
  const auto by_policy = rule.session ? std::nullopt : session_by_policy(parts, place);
  const bool falls_back = std::ranges::any_of(
      parts, [](const Part& part) { return part.leads_somewhere() && part.backend->fallback; });
  if (falls_back && !join(rule, "fallback", false, parts)) {
    // Which backend is up the proxy knows only after it has changed the request.
    backends_.report(
        {.reason = "",
         .code = "support/fallback",
         .field = "backendRefs",
         .message = "a backend has filters of its own, and so the fallback beside it gets its share of "
                    "the requests at all times",
         .suggestion = "put the filters on the rule"},
        place);
  }
  if (session && !join(rule, "session", true, parts)) {
    const Apart apart = apart_for(parts);
    const ReferenceFailure failure{
        .reason = "UnsupportedValue",
        .code = "support/session",
        .field = "sessionPersistence",
        .message = fmt::format("no session can hold over these backends: {}", apart.why),
        .suggestion = apart.suggestion};
    backends_.report(failure, place);
    failures.push_back({.reason = failure.reason, .message = failure.message});
  }

  if (by_policy && join(rule, "session", true, parts)) {
    session = session_of_policy(*by_policy, rule);
  } else if (by_policy) {
    const Apart apart = apart_for(parts);
    warn_of_no_session(apart.why, apart.suggestion, place);
  }
  if (has_own_cluster(*place.index)) separate(*place.index, parts);
  if (!stat_name_.empty()) name_in_statistics(rule, *place.index, parts);

  const bool failed = filters.failed || !failures.empty();
  const auto answer = [this, &filters, failed](auto what) {
    auto action = std::make_shared<ir::RouteAction>();
    action->action = std::move(what);
    // A direct response that is none after all keeps its headers, as in Envoy Gateway.
    if (!failed || filters.response) action->response_headers = boxed(filters.response_headers);
    if (!failed) {
      action->request_headers = boxed(filters.request_headers);
      action->cors = filters.cors;
      if (filters.credential != nullptr) {
        action->extensions = std::vector{ir::ExtensionUse{.name = filters.credential->credential->name}};
      }
      ask(filters.auths, *action);
    }
    return action;
  };
  const ir::DirectResponse error{
      .status = 500, .body = {}, .content_type = filters.response ? filters.response->content_type : ""};
  if (failed) return {{.weight = 1, .action = answer(error)}};
  if (filters.response) return {{.weight = 1, .action = answer(*filters.response)}};
  if (filters.redirect) return {{.weight = 1, .action = answer(*filters.redirect)}};
  if (parts.empty()) note_no_backend(rule, place);
  if (std::ranges::none_of(parts, &Part::leads_somewhere)) return {{.weight = 1, .action = answer(error)}};

  ir::Forward forward = forward_of(rule);
  forward.session = std::move(session);
  forward.rewrite = filters.rewrite;
  forward.mirrors = filters.mirrors;
  forward.dynamic = dynamic;
  for (const Part& part : parts) {
    if (part.leads_somewhere() && !part.filters.redirect) backends_.add_cluster(row_of(part.backend));
  }
  if (std::ranges::none_of(parts, &Part::needs_a_route)) {
    forward.clusters.reserve(parts.size());
    for (Part& part : parts) forward.clusters.push_back(weighted(part));
    // As in Envoy Gateway, where it has weighted clusters for them.
    forward.missing_is_500 =
        mixes_discovery(parts) || (merges_ && parts.size() > 1) ||
        std::ranges::any_of(parts, [](const Part& part) { return part.filters.credential != nullptr; });
    forward.nobody_ready = std::ranges::all_of(
        parts, [](const Part& part) { return part.leads_somewhere() && !part.backend->has_endpoints; });
    return {{.weight = 1, .action = answer(std::move(forward))}};
  }

  Alternatives out;
  for (Part& part : parts) {
    if (!part.leads_somewhere()) {
      out.push_back({.weight = part.weight, .action = answer(error)});
    } else if (part.filters.redirect) {
      auto action = answer(*part.filters.redirect);
      ir::HeaderChanges of_response = action->response_headers.or_default();
      append(part.filters.response_headers, of_response);
      action->response_headers = boxed(std::move(of_response));
      ask(part.filters.auths, *action);
      out.push_back({.weight = part.weight, .action = std::move(action)});
    } else if (part.backend->no_picker) {
      const ir::DirectResponse nobody{.status = 503, .body = {}, .content_type = {}};
      out.push_back({.weight = part.weight, .action = answer(nobody)});
    } else {
      ir::Forward one = forward;
      const BackendPtr backend = part.backend;
      if (part.is_pool()) adapt_to_pool(one);
      one.clusters = {weighted(part)};
      one.mirrors.insert(one.mirrors.end(), part.filters.mirrors.begin(), part.filters.mirrors.end());
      if (part.filters.rewrite) one.rewrite = over(one.rewrite, *part.filters.rewrite);
      auto action = answer(std::move(one));
      ask(part.filters.auths, *action);
      ask_picker(*backend, *action);
      out.push_back({.weight = part.weight, .action = std::move(action)});
    }
  }
  return out;
}

// A request that one of the matches takes, and that has all cookies of one of these.
std::vector<ir::RouteMatch> with_cookies(const std::vector<ir::RouteMatch>& matches,
                                         const std::vector<std::vector<ir::ValueMatch>>& cookies) {
  std::vector<ir::RouteMatch> both;
  both.reserve(matches.size() * cookies.size());
  for (const ir::RouteMatch& match : matches) {
    for (const std::vector<ir::ValueMatch>& needed : cookies) both.emplace_back(match).cookies = needed;
  }
  return both;
}

constexpr const char* kPreflightHeaders[] = {"origin", "access-control-request-method"};
constexpr char kAnyValue[] = ".*";

// A preflight asks with OPTIONS about the method of the request to come: it is for the rule of that.
std::optional<ir::RouteMatch> preflight_of(const ir::RouteMatch& match) {
  if (match.method.empty() || match.method == "OPTIONS" || !match.cookies.empty()) return std::nullopt;
  ir::RouteMatch preflight = match;
  preflight.method = "OPTIONS";
  for (const char* header : kPreflightHeaders) {
    preflight.headers.push_back({.name = header, .kind = ir::MatchKind::kRegex, .value = kAnyValue});
  }
  return preflight;
}

void RuleTranslator::translate(const RouteRule& written, std::size_t index, std::vector<ir::Route>& routes) {
  const Place place{nullptr, "spec.rules", index};
  std::vector<RuleFailure> failures;
  const auto add_failures = [&] {
    if (failures.empty()) return;
    verdicts_.failed_rules.insert(index);
    verdicts_.failures.insert(verdicts_.failures.end(), failures.begin(), failures.end());
  };
  const RouteFilters filters =
      read_rule_filters(written.filters, place, backends_, failures,
                        has_own_cluster(index) ? std::optional(index) : std::nullopt);
  if (!check_matches(written, place, failures) || filters.matches_nothing) {
    add_failures();
    return;
  }
  std::optional<RouteRule> with;
  if (!filters.cookies.empty())
    with.emplace(written).matches = with_cookies(written.matches, filters.cookies);
  const RouteRule& rule = with ? *with : written;
  if (filters.credential != nullptr) credentials_.push_back({.filter = filters.credential, .of_rule = true});
  const Alternatives shares = alternatives(rule, filters, place, failures);
  add_failures();
  std::uint32_t total = 0;
  for (const Alternative& share : shares) total += share.weight;
  const auto add_routes = [&](const ir::RouteMatch& match) {
    std::uint32_t sum = 0;
    for (const Alternative& share : shares) {
      ir::Route& route = routes.emplace_back(
          ir::Route{.match = match, .action = share.action, .owner = route_.key, .rule_name = rule.name});
      sum += share.weight;
      if (sum < total) route.match.below = ir::Fraction{.numerator = sum, .denominator = total};
    }
  };
  for (const ir::RouteMatch& match : rule.matches) {
    add_routes(match);
    if (!shares.front().action->cors) continue;
    if (const auto preflight = preflight_of(match)) add_routes(*preflight);
  }
}

// ResolvedRefs, and what else an accepted parent is told.
Conditions rule_conditions(const Verdicts& verdicts, const RouteBackends& backends, std::size_t rules) {
  Conditions conditions;
  if (!verdicts.failures.empty()) {
    std::set<std::string> reasons;
    std::vector<std::string> messages;
    for (const RuleFailure& failure : verdicts.failures) {
      reasons.insert(failure.reason);
      if (std::ranges::find(messages, failure.message) == messages.end()) messages.push_back(failure.message);
    }
    const std::string reason = fmt::format("{}", fmt::join(reasons, ","));
    const std::string message = fmt::format("{}", fmt::join(messages, "; "));
    if (verdicts.failed_rules.size() == rules) {
      conditions.push_back({"Accepted", false, reason, message});
    } else {
      conditions.push_back(
          {"PartiallyInvalid", true, reason,
           fmt::format("Dropped Rule(s) [{}]: {}", fmt::join(verdicts.failed_rules, " "), message)});
    }
  }
  conditions.push_back(backends.resolved_refs());
  if (auto missing = backends.backends_available()) conditions.push_back(*std::move(missing));
  return conditions;
}

// Sorts pairs by their keys; of those with one key the first stays.
template <typename Pair>
void keep_first_of_each(std::vector<Pair>& pairs) {
  if (pairs.size() < 2) return;
  std::ranges::stable_sort(pairs, {}, &Pair::first);
  pairs.erase(std::ranges::unique(pairs, {}, &Pair::first).begin(), pairs.end());
}

// Of those for one route table, each once, by name.
void keep_each_once(std::vector<std::pair<std::string, ir::ExtensionPtr>>& extensions) {
  const auto name = [](const auto& extension) { return std::tie(extension.first, extension.second->name); };
  std::ranges::sort(extensions, {}, name);
  extensions.erase(std::ranges::unique(extensions, {}, name).begin(), extensions.end());
}

// The InferencePools that rules refer to as backends.
std::vector<NamespacedName> pools_of(const RouteParts& route) {
  std::set<NamespacedName> pools;
  for (const RouteRule& rule : route.rules) {
    for (const api::HTTPBackendRef& backend : rule.backend_refs) {
      const api::BackendObjectReference& ref = backend.ref;
      if (ref.group != kPoolGroup || ref.kind != "InferencePool") continue;
      pools.insert({ref.namespace_.value_or(route.key.name.namespace_), ref.name});
    }
  }
  return {pools.begin(), pools.end()};
}

std::set<ir::RouteFilter> filters_of(const std::vector<ir::Route>& routes, bool grpc) {
  std::set<ir::RouteFilter> filters;
  if (grpc) filters.insert(ir::RouteFilter::kGrpc);
  for (const ir::Route& route : routes) {
    if (route.action->cors) filters.insert(ir::RouteFilter::kCors);
    const auto* forward = std::get_if<ir::Forward>(&route.action->action);
    if (forward != nullptr && forward->session) filters.insert(ir::RouteFilter::kSession);
    if (forward != nullptr && forward->dynamic) filters.insert(ir::RouteFilter::kLoopbackGuard);
  }
  return filters;
}

}  // namespace

bool is_preflight(const ir::RouteMatch& match) {
  return match.method == "OPTIONS" && std::ranges::all_of(kPreflightHeaders, [&match](const char* header) {
           return std::ranges::any_of(match.headers, [header](const ir::ValueMatch& value) {
             return value.name == header && value.kind == ir::MatchKind::kRegex && value.value == kAnyValue;
           });
         });
}

std::vector<ir::ValueMatch> translate_values(const std::vector<api::HTTPNameValueMatch>& matches,
                                             bool fold_case) {
  const auto same = [fold_case](std::string_view a, std::string_view b) {
    return fold_case ? same_name(a, b) : a == b;
  };
  std::vector<ir::ValueMatch> values;
  values.reserve(matches.size());
  for (const api::HTTPNameValueMatch& m : matches) {
    if (std::ranges::any_of(values, [&](const ir::ValueMatch& v) { return same(v.name, m.name); })) continue;
    values.push_back(
        {.name = m.name,
         .kind = m.type == api::StringMatchType::kExact ? ir::MatchKind::kExact : ir::MatchKind::kRegex,
         .value = m.value});
  }
  return values;
}

RouteResult translate_rules(const RouteParts& route, const RouteEnvironment& environment,
                            flow::Reads& reads) {
  RouteResult result;
  // The rules depend on a parent only by the way its proxy reaches backends, and by which rules have clusters
  // of their own there: one translation serves most parents.
  struct Translation {
    Translation(const ObjectKey& owner, const BackendReader& from, std::vector<std::uint32_t> own,
                bool merges, std::string called, flow::Reads& reads)
        : reader(from),
          own_clusters(std::move(own)),
          merges_backends(merges),
          stat_name(std::move(called)),
          backends(owner, reader, reads) {}

    BackendReader reader;
    std::vector<std::uint32_t> own_clusters;
    bool merges_backends;
    std::string stat_name;
    RouteBackends backends;
    Verdicts verdicts;
    RoutesPtr routes;
    std::shared_ptr<const std::vector<std::uint32_t>> rules;  // of each route, its rule
    std::set<ir::RouteFilter> filters;
    std::vector<RuleTranslator::Credential> credentials;
    std::vector<ir::ExtensionPtr> asking;  // services, about requests
    std::vector<std::pair<std::size_t, Problem>> without_backend;
    // The routes as they are at some listeners: with redirects to ports, and with what policies make of them.
    struct Variant {
      Entrance entrance;
      std::vector<RuleExtensions> extensions;  // by rule; empty: none has any
      RoutesPtr routes;
    };
    absl::InlinedVector<Variant, 1> variants;

    RoutesPtr at(const Entrance& entrance, std::vector<RuleExtensions> extensions) {
      for (const Variant& variant : variants) {
        if (variant.entrance == entrance && variant.extensions == extensions) return variant.routes;
      }
      RoutesPtr here = routes_at(entrance, routes);
      if (!extensions.empty()) here = with_extensions(*here, *rules, extensions);
      return variants.emplace_back(Variant{entrance, std::move(extensions), std::move(here)}).routes;
    }
  };
  std::list<Translation> translations;
  const auto translation_for = [&](const AttachPoints& points) -> Translation& {
    const BackendAccess& access = points.terms.access;
    auto own = rules_with_own_clusters(route.key, points.proxy, environment.own_clusters, reads);
    for (Translation& made : translations) {
      if (made.reader.access == access && made.own_clusters == own &&
          made.merges_backends == points.merges_backends && made.stat_name == points.cluster_stat_name) {
        return made;
      }
    }
    Translation& t = translations.emplace_back(
        route.key,
        BackendReader{route.key.kind, route.key.name.namespace_, access, environment.settings,
                      environment.inputs, environment.tables, route.grpc, "TCP", false, false, true},
        std::move(own), points.merges_backends, points.cluster_stat_name, reads);
    RuleTranslator rules(route, t.own_clusters, t.merges_backends, t.stat_name, t.backends, t.verdicts);
    std::vector<ir::Route> routes;
    std::vector<std::uint32_t> indexes;
    routes.reserve(route.rules.size());
    indexes.reserve(route.rules.size());
    for (std::size_t i = 0; i < route.rules.size(); ++i) {
      rules.translate(route.rules[i], i, routes);
      indexes.resize(routes.size(), static_cast<std::uint32_t>(i));
    }
    t.filters = filters_of(routes, route.grpc);
    t.credentials = rules.credentials();
    t.asking = rules.asking();
    t.without_backend = rules.without_backend();
    t.routes = std::make_shared<const std::vector<ir::Route>>(std::move(routes));
    t.rules = std::make_shared<const std::vector<std::uint32_t>>(std::move(indexes));
    return t;
  };

  RouteExtensions extensions(route.key, route.rules, environment.extension_policies, reads);
  std::vector<bool> may_answer(route.rules.size());  // extensions of the rule, on some listener
  result.extension_policies = extensions.own();

  result.pools = pools_of(route);

  Parents attached = attach(route.key, route.parents, route.hostnames, environment, reads);
  result.problems = std::move(attached.problems);
  result.parents.reserve(attached.parents.size());
  for (Parent& parent : attached.parents) {
    Translation& translation = translation_for(*parent.points);
    result.filters.insert(translation.filters.begin(), translation.filters.end());
    for (Attachment& attachment : parent.attachments) {
      const std::string& table = attachment.listener->route_table;
      parent.status.route_tables.push_back(table);
      if (translation.routes->empty()) continue;
      const Entrance entrance{.port = attachment.listener->port, .tls = attachment.listener->ends_tls};
      std::vector<RuleExtensions> by_rule =
          extensions.at(parent.status.parent, *parent.points, attachment.listener->name);
      std::vector<MissingExtension> missing;
      for (std::size_t i = 0; i < by_rule.size(); ++i) {
        const RuleExtensions& of_rule = by_rule[i];
        may_answer[i] = may_answer[i] || of_rule.may_answer;
        missing.insert(missing.end(), of_rule.missing.begin(), of_rule.missing.end());
        for (const PolicyExtension* used : of_rule.used) {
          result.extensions.emplace_back(table, used->filter);
          if (used->cluster == nullptr) continue;
          result.clusters.push_back(
              {{.proxy = parent.points->proxy, .name = used->cluster->cluster.name}, used->cluster});
        }
      }
      for (const auto& [filter, of_rule] : translation.credentials) {
        if (of_rule) result.extensions.emplace_back(table, filter->credential);
        result.secrets.push_back(
            {{.proxy = parent.points->proxy, .name = filter->of_secret->name}, *filter->of_secret});
      }
      for (const ir::ExtensionPtr& filter : translation.asking) result.extensions.emplace_back(table, filter);
      const RoutesPtr routes = translation.at(entrance, std::move(by_rule));
      std::shared_ptr<const std::vector<MissingExtension>> shared_missing;
      if (!missing.empty()) {
        shared_missing = std::make_shared<const std::vector<MissingExtension>>(std::move(missing));
      }
      for (std::string& host : attachment.hosts) {
        result.contributions.push_back({{.table = table, .host = std::move(host)},
                                        {.creation_timestamp = route.creation_timestamp,
                                         .keep_order = parent.points->preserve_route_order,
                                         .routes = routes,
                                         .rules = translation.rules,
                                         .missing = shared_missing}});
      }
    }
    if (parent.accepted()) {
      for (const auto& row : translation.backends.clusters()) {
        result.clusters.push_back({{.proxy = parent.points->proxy, .name = row->cluster.name}, row});
      }
    }
    for (Condition& condition :
         rule_conditions(translation.verdicts, translation.backends, route.rules.size())) {
      if (!parent.accepted() && condition.type != "ResolvedRefs") continue;
      set_condition(parent.status.conditions, std::move(condition));
    }
    for (PolicyUse use : translation.backends.policies()) {
      use.ancestor = parent.status.parent_ref;
      use.ancestor.namespace_ = parent.status.parent.name.namespace_;
      result.policies_met.push_back(std::move(use));
    }
    result.parents.push_back(std::move(parent.status));
  }

  // Two parentRefs may lead to one listener; each host is brought there once.
  keep_first_of_each(result.contributions);
  keep_first_of_each(result.clusters);
  keep_first_of_each(result.secrets);
  keep_each_once(result.extensions);
  for (const Translation& translation : translations) {
    // All of them ask for the same.
    const std::set<NamespacedName>& read = translation.backends.extended_filters();
    result.extended_filters.assign(read.begin(), read.end());
    const auto add_once = [&result](const Problem& problem) {
      if (std::ranges::find(result.problems, problem) == result.problems.end()) {
        result.problems.push_back(problem);
      }
    };
    std::ranges::for_each(translation.backends.problems(), add_once);
    for (const auto& [rule, problem] : translation.without_backend) {
      if (!may_answer[rule]) add_once(problem);
    }
  }
  return result;
}

}  // namespace sluice::translate
