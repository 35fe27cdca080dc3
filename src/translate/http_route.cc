#include "translate/http_route.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "translate/route_backends.h"

namespace sluice::translate {
namespace {

// Envoy Gateway's: without a limit of its own, a stream that is silent for so long ends.
constexpr ir::Duration kIdleTimeout{3'600'000};

// What a rule's translation says about the route as a whole, besides its backends.
struct Verdicts {
  std::vector<std::string> dropped;          // rules whose match is invalid: their messages
  std::vector<ReferenceFailure> unaccepted;  // filters that no rule may have
};

class RuleTranslator {
 public:
  RuleTranslator(RouteBackends& backends, Verdicts& verdicts)
      : owner_(backends.route()), backends_(backends), verdicts_(verdicts) {}

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

  const ObjectKey& owner_;
  RouteBackends& backends_;
  Verdicts& verdicts_;
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

bool RuleTranslator::check_regex(const std::string& regex, const Place& place, std::string& message) {
  const re2::RE2 compiled(regex, re2::RE2::Quiet);
  if (compiled.ok()) return true;
  message = fmt::format("`{}` is no regular expression: {}", regex, compiled.error());
  backends_.add_problem({.code = "value/regex",
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
      if (of_backend) {
        backends_.refuse(std::move(failure), here);
      } else {
        backends_.report(failure, here);
        verdicts_.unaccepted.push_back(std::move(failure));
      }
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
        const auto backend =
            backends_.resolve(filter.request_mirror->backend_ref, {&here, "requestMirror.backendRef"});
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
    const auto backend = backends_.resolve(ref.ref, here);
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
    const auto cluster = backends_.clusters().find(part.cluster);
    if (cluster != backends_.clusters().end()) ways.insert(cluster->second->cluster.discovery);
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

// ResolvedRefs, and what else an accepted parent is told.
Conditions rule_conditions(const Verdicts& verdicts, const RouteBackends& backends, std::size_t rules) {
  Conditions conditions;
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
  set_condition(conditions, backends.resolved_refs());
  if (auto missing = backends.backends_available()) set_condition(conditions, *std::move(missing));
  return conditions;
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
    Translation(const ObjectKey& owner, const BackendReader& from, flow::Reads& reads)
        : reader(from), backends(owner, reader, reads) {}

    BackendReader reader;
    RouteBackends backends;
    Verdicts verdicts;
    std::shared_ptr<const std::vector<ir::Route>> routes;
    std::shared_ptr<const std::vector<std::uint32_t>> rules;  // of each route, its rule
  };
  std::map<api::RoutingType, std::unique_ptr<Translation>> translations;
  const auto translation_for = [&](api::RoutingType routing) -> const Translation& {
    std::unique_ptr<Translation>& t = translations[routing];
    if (t != nullptr) return *t;
    t = std::make_unique<Translation>(
        owner, BackendReader{owner.kind, name.namespace_, routing, settings, inputs, tables}, reads);
    RuleTranslator rules(t->backends, t->verdicts);
    std::vector<ir::Route> routes;
    std::vector<std::uint32_t> indexes;
    for (std::size_t i = 0; i < route.spec.rules.size(); ++i) {
      rules.translate(route.spec.rules[i], i, routes);
      indexes.resize(routes.size(), static_cast<std::uint32_t>(i));
    }
    t->routes = std::make_shared<const std::vector<ir::Route>>(std::move(routes));
    t->rules = std::make_shared<const std::vector<std::uint32_t>>(std::move(indexes));
    return *t;
  };

  Parents attached =
      attach(owner, route.spec.parent_refs, route.spec.hostnames, inputs, tables, parents, reads);
  result.problems = std::move(attached.problems);
  for (Parent& parent : attached.parents) {
    const Translation& translation = translation_for(parent.points->routing);
    for (const Attachment& attachment : parent.attachments) {
      const std::string& table = attachment.listener->route_table;
      parent.status.route_tables.push_back(table);
      if (translation.routes->empty()) continue;
      for (const std::string& host : attachment.hosts) {
        result.contributions.push_back({{.table = table, .host = host},
                                        {.creation_timestamp = route.metadata.creation_timestamp,
                                         .keep_order = parent.points->preserve_route_order,
                                         .routes = translation.routes,
                                         .rules = translation.rules}});
      }
    }
    if (parent.accepted()) {
      for (const auto& [cluster, row] : translation.backends.clusters()) {
        result.clusters.push_back({{.proxy = parent.points->proxy, .name = cluster}, row});
      }
    }
    for (Condition& condition :
         rule_conditions(translation.verdicts, translation.backends, route.spec.rules.size())) {
      if (!parent.accepted() && condition.type != "ResolvedRefs") continue;
      set_condition(parent.status.conditions, std::move(condition));
    }
    result.parents.push_back(std::move(parent.status));
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
    for (const Problem& problem : translation->backends.problems()) {
      if (std::ranges::find(result.problems, problem) == result.problems.end()) {
        result.problems.push_back(problem);
      }
    }
  }
  return result;
}

}  // namespace sluice::translate
