#include "translate/http_route.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "translate/hostname.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";
// Envoy Gateway's: without a limit of its own, a stream that is silent for so long ends.
constexpr ir::Duration kIdleTimeout{3'600'000};

// What a rule's translation says about the route as a whole.
struct Verdicts {
  std::vector<std::string> dropped;            // rules whose match is invalid: their messages
  std::vector<ReferenceFailure> unaccepted;    // filters that no rule may have
  std::vector<ReferenceFailure> unresolved;    // references that lead nowhere
  std::vector<std::string> without_endpoints;  // backends that nobody answers for
  std::vector<Problem> problems;
};

// The path of a field, spelled out only when something is wrong there.
struct Place {
  const Place* parent;
  std::string_view field;
  std::optional<std::size_t> index = {};

  std::string to_string() const {
    std::string text = parent == nullptr ? "" : parent->to_string();
    if (!text.empty() && !field.empty()) text += '.';
    text += field;
    if (index) text += fmt::format("[{}]", *index);
    return text;
  }
};

class RuleTranslator {
 public:
  RuleTranslator(const ObjectKey& owner, const BackendReader& backends, flow::Reads& reads,
                 Verdicts& verdicts, std::map<std::string, std::shared_ptr<const ClusterRow>>& clusters)
      : owner_(owner), backends_(backends), reads_(reads), verdicts_(verdicts), clusters_(clusters) {}

  // Appends the rule's routes, one a match.
  void translate(const api::HTTPRouteRule& rule, std::size_t index, std::vector<ir::Route>& routes);

 private:
  struct Filters {
    ir::HeaderChanges request_headers;
    ir::HeaderChanges response_headers;
    std::optional<ir::Redirect> redirect;
    std::optional<ir::Rewrite> rewrite;
    std::vector<ir::Mirror> mirrors;
    bool failed = false;  // the rule is answered with 500
  };

  Filters read_filters(const std::vector<api::HTTPRouteFilter>& filters, const Place& place, bool of_backend);
  std::vector<ir::WeightedCluster> read_backends(const api::HTTPRouteRule& rule, const Place& place);
  bool mixes_discovery(const std::vector<ir::WeightedCluster>& parts) const;
  bool check_regex(const std::string& regex, const Place& place, std::string& message);
  std::optional<ResolvedBackend> resolve(const api::BackendObjectReference& ref, const Place& place);
  void report(const ReferenceFailure& failure, const Place& place);

  const ObjectKey& owner_;
  const BackendReader& backends_;
  flow::Reads& reads_;
  Verdicts& verdicts_;
  std::map<std::string, std::shared_ptr<const ClusterRow>>& clusters_;
};

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// Header names compare without case; of several changes to one header in a filter the first counts.
void add_header_changes(const api::HTTPHeaderFilter& filter, ir::HeaderChanges& changes) {
  const auto known = [&changes](const std::string& name) {
    const auto is_it = [&](const ir::Header& h) { return same_name(h.name, name); };
    return std::ranges::any_of(changes.add, is_it) || std::ranges::any_of(changes.set, is_it);
  };
  for (const api::HTTPHeader& h : filter.add) {
    if (!known(h.name)) changes.add.push_back({h.name, h.value});
  }
  for (const api::HTTPHeader& h : filter.set) {
    if (!known(h.name)) changes.set.push_back({h.name, h.value});
  }
  for (const std::string& name : filter.remove) {
    if (std::ranges::none_of(changes.remove, [&](const std::string& r) { return same_name(r, name); })) {
      changes.remove.push_back(name);
    }
  }
}

ir::PathRewrite path_rewrite(const api::HTTPPathModifier& modifier) {
  if (modifier.type == api::PathModifierType::kReplaceFullPath) {
    return {.full = modifier.replace_full_path.value_or(""), .prefix = {}};
  }
  return {.full = {}, .prefix = modifier.replace_prefix_match.value_or("")};
}

ir::Redirect translate_redirect(const api::HTTPRequestRedirectFilter& filter) {
  ir::Redirect redirect;
  redirect.scheme = filter.scheme;
  redirect.host = filter.hostname;
  if (filter.path) redirect.path = path_rewrite(*filter.path);
  if (filter.port) redirect.port = static_cast<std::uint16_t>(*filter.port);
  redirect.status = static_cast<std::uint16_t>(filter.status_code);
  return redirect;
}

ir::Rewrite translate_rewrite(const api::HTTPURLRewriteFilter& filter) {
  ir::Rewrite rewrite;
  rewrite.host = filter.hostname;
  if (filter.path) rewrite.path = path_rewrite(*filter.path);
  return rewrite;
}

ir::MatchKind kind_of_match(api::PathMatchType type) {
  switch (type) {
    case api::PathMatchType::kExact:
      return ir::MatchKind::kExact;
    case api::PathMatchType::kPathPrefix:
      return ir::MatchKind::kPrefix;
    case api::PathMatchType::kRegularExpression:
      return ir::MatchKind::kRegex;
  }
  return ir::MatchKind::kExact;
}

// Of several matches of one name the first counts (the specification's rule).
std::vector<ir::ValueMatch> translate_values(const std::vector<api::HTTPNameValueMatch>& matches,
                                             bool fold_case) {
  std::vector<ir::ValueMatch> values;
  values.reserve(matches.size());
  for (const api::HTTPNameValueMatch& m : matches) {
    const bool known = std::ranges::any_of(values, [&](const ir::ValueMatch& v) {
      return fold_case ? same_name(v.name, m.name) : v.name == m.name;
    });
    if (known) continue;
    values.push_back(
        {.name = m.name,
         .kind = m.type == api::StringMatchType::kExact ? ir::MatchKind::kExact : ir::MatchKind::kRegex,
         .value = m.value});
  }
  return values;
}

ir::RouteMatch translate_match(const api::HTTPRouteMatch& match) {
  ir::RouteMatch out;
  out.path = {.kind = kind_of_match(match.path.type), .value = match.path.value};
  // "/a/" and "/a" are the same prefix: both are the segments of "/a".
  if (out.path.kind == ir::MatchKind::kPrefix) {
    while (out.path.value.size() > 1 && out.path.value.ends_with('/')) out.path.value.pop_back();
    if (out.path.value.empty()) out.path.value = "/";
  }
  out.method = match.method;
  out.headers = translate_values(match.headers, true);
  out.query_params = translate_values(match.query_params, false);
  return out;
}

void RuleTranslator::report(const ReferenceFailure& failure, const Place& place) {
  const std::string path = place.to_string();
  verdicts_.problems.push_back({.code = failure.code,
                                .severity = Severity::kError,
                                .where = {},
                                .object = owner_,
                                .path = failure.field.empty() ? path : path + "." + failure.field,
                                .message = failure.message,
                                .suggestion = failure.suggestion});
}

std::optional<ResolvedBackend> RuleTranslator::resolve(const api::BackendObjectReference& ref,
                                                       const Place& place) {
  auto resolved = resolve_backend(ref, backends_, reads_);
  if (!resolved) {
    report(resolved.error(), place);
    verdicts_.unresolved.push_back(std::move(resolved.error()));
    return std::nullopt;
  }
  if (!resolved->has_endpoints) {
    verdicts_.without_endpoints.push_back(resolved->row.cluster.owner.to_string());
  }
  resolved->cluster = resolved->row.cluster.name;
  auto& row = clusters_[resolved->cluster];
  if (row == nullptr) row = std::make_shared<const ClusterRow>(resolved->row);
  return *std::move(resolved);
}

bool RuleTranslator::check_regex(const std::string& regex, const Place& place, std::string& message) {
  const re2::RE2 compiled(regex, re2::RE2::Quiet);
  if (compiled.ok()) return true;
  message = fmt::format("`{}` is no regular expression: {}", regex, compiled.error());
  verdicts_.problems.push_back({.code = "value/regex",
                                .severity = Severity::kError,
                                .where = {},
                                .object = owner_,
                                .path = place.to_string(),
                                .message = message,
                                .suggestion = ""});
  return false;
}

RuleTranslator::Filters RuleTranslator::read_filters(const std::vector<api::HTTPRouteFilter>& filters,
                                                     const Place& place, bool of_backend) {
  using Type = api::HTTPRouteFilterType;
  Filters out;
  for (std::size_t i = 0; i < filters.size(); ++i) {
    const api::HTTPRouteFilter& filter = filters[i];
    const Place here{&place, "filters", i};
    const auto unsupported = [&](std::string what) {
      ReferenceFailure failure{.reason = "UnsupportedValue",
                               .code = "support/filter",
                               .field = "type",
                               .message = std::move(what),
                               .suggestion = ""};
      report(failure, here);
      (of_backend ? verdicts_.unresolved : verdicts_.unaccepted).push_back(std::move(failure));
      out.failed = true;
    };
    switch (filter.type) {
      case Type::kRequestHeaderModifier:
        if (filter.request_header_modifier)
          add_header_changes(*filter.request_header_modifier, out.request_headers);
        break;
      case Type::kResponseHeaderModifier:
        if (filter.response_header_modifier) {
          add_header_changes(*filter.response_header_modifier, out.response_headers);
        }
        break;
      case Type::kRequestRedirect:
        if (of_backend) {
          unsupported("a filter RequestRedirect on a backendRef is not supported yet");
        } else if (filter.request_redirect && !out.redirect) {
          out.redirect = translate_redirect(*filter.request_redirect);
        }
        break;
      case Type::kURLRewrite:
        if (!filter.url_rewrite || out.rewrite) break;
        if (of_backend && filter.url_rewrite->path) {
          unsupported("a filter URLRewrite with a path on a backendRef is not supported yet");
        } else {
          out.rewrite = translate_rewrite(*filter.url_rewrite);
        }
        break;
      case Type::kRequestMirror: {
        if (of_backend) {
          unsupported("a filter RequestMirror on a backendRef is not supported");
          break;
        }
        if (!filter.request_mirror) break;
        const auto backend = resolve(filter.request_mirror->backend_ref, {&here, "requestMirror.backendRef"});
        if (!backend) {
          out.failed = true;
          break;
        }
        ir::Mirror mirror{.cluster = backend->cluster, .numerator = 100, .denominator = 100};
        if (filter.request_mirror->percent) {
          mirror.numerator = static_cast<std::uint32_t>(*filter.request_mirror->percent);
        } else if (filter.request_mirror->fraction) {
          mirror.numerator = static_cast<std::uint32_t>(filter.request_mirror->fraction->numerator);
          mirror.denominator = static_cast<std::uint32_t>(filter.request_mirror->fraction->denominator);
        }
        if (backend->has_endpoints && mirror.numerator > 0) out.mirrors.push_back(std::move(mirror));
        break;
      }
      case Type::kExtensionRef:
        unsupported(filter.extension_ref
                        ? fmt::format("filters of kind {}/{} are not supported", filter.extension_ref->group,
                                      filter.extension_ref->kind)
                        : std::string("a filter ExtensionRef without extensionRef"));
        break;
      case Type::kCORS:
        unsupported("the filter CORS is not supported yet");
        break;
      case Type::kExternalAuth:
        unsupported("the filter ExternalAuth is not supported yet");
        break;
    }
  }
  return out;
}

std::vector<ir::WeightedCluster> RuleTranslator::read_backends(const api::HTTPRouteRule& rule,
                                                               const Place& place) {
  std::vector<ir::WeightedCluster> clusters;
  bool any = false;
  for (std::size_t i = 0; i < rule.backend_refs.size(); ++i) {
    const api::HTTPBackendRef& ref = rule.backend_refs[i];
    const Place here{&place, "backendRefs", i};
    Filters filters = read_filters(ref.filters, here, true);
    const auto backend = resolve(ref.ref, here);
    if (ref.weight == 0) continue;
    ir::WeightedCluster part;
    part.weight = static_cast<std::uint32_t>(ref.weight);
    if (backend && !filters.failed) {
      part.cluster = backend->cluster;
      part.request_headers = std::move(filters.request_headers);
      part.response_headers = std::move(filters.response_headers);
      part.rewrite = std::move(filters.rewrite);
      any = true;
    }
    clusters.push_back(std::move(part));
  }
  if (!any) clusters.clear();
  return clusters;
}

// Envoy Gateway has one cluster for the endpoints of a rule, and one a backend where they are found in
// different ways.
bool RuleTranslator::mixes_discovery(const std::vector<ir::WeightedCluster>& parts) const {
  std::set<ir::Discovery> ways;
  for (const ir::WeightedCluster& part : parts) {
    const auto cluster = clusters_.find(part.cluster);
    if (cluster != clusters_.end()) ways.insert(cluster->second->cluster.discovery);
  }
  return ways.size() > 1;
}

void RuleTranslator::translate(const api::HTTPRouteRule& rule, std::size_t index,
                               std::vector<ir::Route>& routes) {
  const Place place{nullptr, "spec.rules", index};
  std::string message;
  for (std::size_t m = 0; m < rule.matches.size(); ++m) {
    const api::HTTPRouteMatch& match = rule.matches[m];
    const Place here{&place, "matches", m};
    bool good = match.path.type != api::PathMatchType::kRegularExpression ||
                check_regex(match.path.value, {&here, "path.value"}, message);
    const auto check_values = [&](const std::vector<api::HTTPNameValueMatch>& values, std::string_view list) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i].type == api::StringMatchType::kRegularExpression) {
          const Place value{&here, list, i};
          good = check_regex(values[i].value, {&value, "value"}, message) && good;
        }
      }
    };
    check_values(match.headers, "headers");
    check_values(match.query_params, "queryParams");
    if (!good) {
      verdicts_.dropped.push_back(fmt::format("rule {}: {}", index, message));
      return;
    }
  }

  const Filters filters = read_filters(rule.filters, place, false);
  std::vector<ir::WeightedCluster> clusters = read_backends(rule, place);

  ir::RouteAction action;
  if (filters.failed) {
    action.action = ir::DirectResponse{.status = 500, .body = ""};
  } else if (filters.redirect) {
    action.action = *filters.redirect;
  } else if (clusters.empty()) {
    action.action = ir::DirectResponse{.status = 500, .body = ""};
  } else {
    ir::Forward forward;
    forward.clusters = std::move(clusters);
    forward.missing_is_500 = mixes_discovery(forward.clusters);
    forward.rewrite = filters.rewrite;
    forward.mirrors = filters.mirrors;
    std::optional<api::Duration> request;
    std::optional<api::Duration> per_try;
    if (rule.timeouts) {
      request = rule.timeouts->request;
      per_try = rule.timeouts->backend_request;
    }
    if (rule.retry) {
      ir::Retry retry;
      if (rule.retry->attempts) retry.attempts = static_cast<std::uint32_t>(*rule.retry->attempts);
      for (const std::int32_t code : rule.retry->codes)
        retry.codes.push_back(static_cast<std::uint32_t>(code));
      if (retry.codes.empty()) retry.codes.push_back(503);
      retry.backoff = rule.retry->backoff;
      retry.per_try_timeout = per_try;
      forward.retry = std::move(retry);
    }
    forward.timeout = request ? request : (rule.retry ? std::nullopt : per_try);
    if (forward.timeout) {
      forward.idle_timeout =
          forward.timeout->count() == 0 ? ir::Duration{0} : std::max(kIdleTimeout, *forward.timeout);
    }
    action.action = std::move(forward);
  }
  if (!filters.failed) {
    action.request_headers = filters.request_headers;
    action.response_headers = filters.response_headers;
  }
  const auto shared = std::make_shared<const ir::RouteAction>(std::move(action));
  for (const api::HTTPRouteMatch& match : rule.matches) {
    routes.push_back({.match = translate_match(match),
                      .action = shared,
                      .owner = owner_,
                      .rule_name = rule.name.value_or("")});
  }
}

bool allows_kind(const AttachPoint& listener) {
  return std::ranges::any_of(listener.supported_kinds, [](const api::RouteGroupKind& k) {
    return k.group == kGatewayGroup && k.kind == "HTTPRoute";
  });
}

bool allows_namespace(const AttachPoint& listener, const std::string& gateway_namespace,
                      const std::string& route_namespace, const Projections& tables, flow::Reads& reads) {
  switch (listener.namespaces.from) {
    case api::FromNamespaces::kAll:
      return true;
    case api::FromNamespaces::kNone:
      return false;
    case api::FromNamespaces::kSame:
      return gateway_namespace == route_namespace;
    case api::FromNamespaces::kSelector:
      return listener.namespaces.selector && check_selector(*listener.namespaces.selector) &&
             selects(*listener.namespaces.selector, labels_of_namespace(route_namespace, tables, reads));
  }
  return false;
}

// Reasons of the ResolvedRefs condition, several joined as Envoy Gateway joins them.
Condition resolved_refs(const Verdicts& verdicts) {
  if (verdicts.unresolved.empty()) {
    return {"ResolvedRefs", true, "ResolvedRefs", "All references of the route lead somewhere"};
  }
  std::set<std::string> reasons;
  std::vector<std::string> messages;
  for (const ReferenceFailure& failure : verdicts.unresolved) {
    reasons.insert(failure.reason);
    if (std::ranges::find(messages, failure.message) == messages.end()) messages.push_back(failure.message);
  }
  return {"ResolvedRefs", false, fmt::format("{}", fmt::join(reasons, ",")),
          fmt::format("{}", fmt::join(messages, "; "))};
}

void add_rule_conditions(const Verdicts& verdicts, std::size_t rules, Conditions& conditions) {
  if (!verdicts.unaccepted.empty()) {
    set_condition(conditions, {"Accepted", false, verdicts.unaccepted.front().reason,
                               verdicts.unaccepted.front().message});
  } else if (!verdicts.dropped.empty()) {
    const std::string dropped = fmt::format("{}", fmt::join(verdicts.dropped, "; "));
    if (verdicts.dropped.size() == rules) {
      set_condition(conditions, {"Accepted", false, "UnsupportedValue", dropped});
    } else {
      set_condition(conditions, {"PartiallyInvalid", true, "UnsupportedValue", "Dropped " + dropped});
    }
  }
  set_condition(conditions, resolved_refs(verdicts));
  if (!verdicts.without_endpoints.empty()) {
    set_condition(conditions, {"BackendsAvailable", false, "EndpointsNotFound",
                               fmt::format("Nothing is ready to answer for {}",
                                           fmt::join(verdicts.without_endpoints, ", "))});
  }
}

}  // namespace

RouteResult translate_http_route(const NamespacedName& name, const api::HTTPRoute& route,
                                 const Settings& settings, const Inputs& inputs, const Projections& tables,
                                 const AttachTable& parents, flow::Reads& reads) {
  RouteResult result;
  const ObjectKey owner{.kind = api::kind_of<api::HTTPRoute>(), .name = name};
  // The rules depend on a parent only by the way its proxy reaches Services: one translation serves most
  // parents.
  struct Translation {
    Verdicts verdicts;
    std::map<std::string, std::shared_ptr<const ClusterRow>> clusters;
    std::shared_ptr<const std::vector<ir::Route>> routes;
    std::shared_ptr<const std::vector<std::uint32_t>> rules;  // of each route, its rule
  };
  std::map<api::RoutingType, Translation> translations;
  const auto translation_for = [&](api::RoutingType routing) -> const Translation& {
    const auto [it, fresh] = translations.try_emplace(routing);
    Translation& t = it->second;
    if (!fresh) return t;
    const BackendReader backends{owner.kind, name.namespace_, routing, settings, inputs, tables};
    RuleTranslator rules(owner, backends, reads, t.verdicts, t.clusters);
    std::vector<ir::Route> routes;
    std::vector<std::uint32_t> indexes;
    for (std::size_t i = 0; i < route.spec.rules.size(); ++i) {
      rules.translate(route.spec.rules[i], i, routes);
      indexes.resize(routes.size(), static_cast<std::uint32_t>(i));
    }
    t.routes = std::make_shared<const std::vector<ir::Route>>(std::move(routes));
    t.rules = std::make_shared<const std::vector<std::uint32_t>>(std::move(indexes));
    return t;
  };

  for (std::size_t p = 0; p < route.spec.parent_refs.size(); ++p) {
    const api::ParentReference& ref = route.spec.parent_refs[p];
    if (ref.group != kGatewayGroup || ref.kind != "Gateway") continue;
    const NamespacedName gateway{ref.namespace_.value_or(name.namespace_), ref.name};
    const AttachPoints* points = reads.get(parents, gateway);
    if (points == nullptr) {
      // Another controller's Gateway is none of our business; one that does not exist is a slip.
      if (reads.get(inputs.gateways, gateway) == nullptr) {
        result.problems.push_back({.code = "reference/not-found",
                                   .severity = Severity::kError,
                                   .where = {},
                                   .object = owner,
                                   .path = fmt::format("spec.parentRefs[{}].name", p),
                                   .message = fmt::format("there is no Gateway {}", gateway.to_string()),
                                   .suggestion = ""});
      }
      continue;
    }

    ParentStatus& status = result.parents.emplace_back();
    status.parent_ref = ref;
    status.gateway = gateway;
    const auto refuse = [&](std::string reason, std::string field, std::string message) {
      result.problems.push_back({.code = "reference/parent",
                                 .severity = Severity::kError,
                                 .where = {},
                                 .object = owner,
                                 .path = fmt::format("spec.parentRefs[{}]{}", p, field),
                                 .message = message,
                                 .suggestion = ""});
      set_condition(status.conditions, {"Accepted", false, std::move(reason), std::move(message)});
    };

    std::vector<const AttachPoint*> selected;
    for (const AttachPoint& listener : points->listeners) {
      if ((!ref.section_name || *ref.section_name == listener.name) &&
          (!ref.port || *ref.port == listener.port)) {
        selected.push_back(&listener);
      }
    }
    std::vector<const AttachPoint*> allowed;
    for (const AttachPoint* listener : selected) {
      if (allows_kind(*listener) &&
          allows_namespace(*listener, gateway.namespace_, name.namespace_, tables, reads)) {
        allowed.push_back(listener);
      }
    }

    const Translation& translation = translation_for(points->routing);
    if (selected.empty()) {
      refuse("NoMatchingParent",
             ref.section_name ? ".sectionName"
             : ref.port       ? ".port"
                              : "",
             fmt::format("Gateway {} has no such listener", gateway.to_string()));
    } else if (allowed.empty()) {
      refuse("NotAllowedByListeners", "",
             fmt::format(
                 "no listener of Gateway {} that this parentRef selects allows HTTPRoutes from namespace {}",
                 gateway.to_string(), name.namespace_));
    } else {
      bool any_host = false;
      for (const AttachPoint* listener : allowed) {
        const std::vector<std::string> hosts =
            served_hosts(route.spec.hostnames, listener->hostname, listener->sibling_hostnames);
        if (hosts.empty()) continue;
        any_host = true;
        status.attached_listeners.push_back(listener->name);
        if (!listener->ready) continue;
        status.route_tables.push_back(listener->route_table);
        if (translation.routes->empty()) continue;
        for (const std::string& host : hosts) {
          result.contributions.push_back({{.table = listener->route_table, .host = host},
                                          {.creation_timestamp = route.metadata.creation_timestamp,
                                           .keep_order = points->preserve_route_order,
                                           .routes = translation.routes,
                                           .rules = translation.rules}});
        }
      }
      if (!any_host) {
        refuse(
            "NoMatchingListenerHostname", "",
            fmt::format("no hostname of the route is one of a listener of Gateway {}", gateway.to_string()));
      } else {
        set_condition(status.conditions, {"Accepted", true, "Accepted", "The route is accepted"});
        for (const auto& [cluster, row] : translation.clusters) {
          result.clusters.push_back({{.proxy = points->proxy, .name = cluster}, row});
        }
      }
    }
    const bool refused = !status.conditions.empty() && !status.conditions.front().status;
    Conditions rule_conditions;
    add_rule_conditions(translation.verdicts, route.spec.rules.size(), rule_conditions);
    for (Condition& condition : rule_conditions) {
      if (refused && condition.type != "ResolvedRefs") continue;
      set_condition(status.conditions, std::move(condition));
    }
  }

  // Two parentRefs may lead to one listener; each host is brought there once.
  const auto by_key = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto same_key = [](const auto& a, const auto& b) { return a.first == b.first; };
  std::ranges::stable_sort(result.contributions, by_key);
  result.contributions.erase(std::ranges::unique(result.contributions, same_key).begin(),
                             result.contributions.end());
  std::ranges::stable_sort(result.clusters, by_key);
  result.clusters.erase(std::ranges::unique(result.clusters, same_key).begin(), result.clusters.end());
  for (auto& [routing, translation] : translations) {
    for (Problem& problem : translation.verdicts.problems) {
      if (std::ranges::find(result.problems, problem) == result.problems.end()) {
        result.problems.push_back(std::move(problem));
      }
    }
  }
  return result;
}

}  // namespace sluice::translate
