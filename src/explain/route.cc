#include "explain/route.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "base/letter_case.h"
#include "explain/describe.h"
#include "explain/destination.h"
#include "explain/rewrite.h"
#include "explain/settings_view.h"
#include "ir/loopback.h"

namespace sluice::explain {

namespace {

// A part of the requests, with what is done to them before the destination.
struct Share {
  std::uint64_t part = 1;
  std::uint64_t whole = 1;
  std::vector<Step> steps;
};

// The host that is looked up where a request goes to the one that it names.
const std::string& resolved_host(const ir::Forward& forward, const Arrival& arrival) {
  if (!forward.rewrite || !forward.rewrite->host_header) return arrival.host;
  const auto header = arrival.headers.find(lower_case(*forward.rewrite->host_header));
  return header == arrival.headers.end() ? arrival.host : header->second.front();
}

class Follower {
 public:
  Follower(const Snapshot& snapshot, const std::vector<translate::MissingExtension>& missing,
           const Arrival& arrival, Explanation& e)
      : snapshot_(snapshot), missing_(missing), arrival_(arrival), e_(e) {}

  void follow(const std::vector<const ir::Route*>& shares);

 private:
  bool is_preflight() const;
  static std::vector<ir::ExtensionUse> uses_of_all(const std::vector<const ir::Route*>& shares);
  std::vector<ir::ExtensionUse> add_auth_steps(const std::vector<ir::ExtensionUse>& uses,
                                               std::vector<Step>& steps) const;
  void add_extension_steps(const std::vector<ir::ExtensionUse>& uses);
  bool lacks_an_extension(std::uint16_t status);
  void add_service_steps(const ir::Extension& extension, const ir::ExtProc& asking);
  void share_out(const std::vector<const ir::Route*>& shares);
  void add_forward_steps(const ir::Forward& forward, const ir::Route& route, std::vector<Step>& steps) const;
  void split(const ir::Forward& forward, const ir::Route& route, const Share& share);
  void judge_destinations();
  void answer_directly(std::uint16_t status, bool code);

  const Snapshot& snapshot_;
  const std::vector<translate::MissingExtension>& missing_;
  const Arrival& arrival_;
  Explanation& e_;
};

// A question of a browser's, which the CORS filter answers whatever comes after it.
bool Follower::is_preflight() const {
  const auto has = [&](std::string_view name) {
    const auto header = arrival_.headers.find(name);
    return header != arrival_.headers.end() && !header->second.front().empty();
  };
  return arrival_.method == "OPTIONS" && has("origin") && has("access-control-request-method");
}

void Follower::follow(const std::vector<const ir::Route*>& shares) {
  const ir::RouteAction& action = *shares.front()->action;
  if (action.cors) {
    if (is_preflight()) {
      e_.answer(200, "CORS answers preflights itself");
      e_.as_wanted = true;
      return;
    }
    e_.steps.push_back({"cors", fmt::format("CORS lets pages of {} read the answers",
                                            fmt::join(action.cors->origins, ", "))});
  }
  const std::vector<ir::ExtensionUse> uses = uses_of_all(shares);
  const std::vector<ir::ExtensionUse> code = add_own_steps(add_auth_steps(uses, e_.steps), e_.steps);
  if (!code.empty()) add_extension_steps(code);
  const auto* response = std::get_if<ir::DirectResponse>(&action.action);
  if (lacks_an_extension(response == nullptr ? 0 : response->status)) {
    // All shares of the rule answer so.
  } else if (shares.size() > 1) {
    share_out(shares);
  } else if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
    e_.outcome = Outcome::kRedirected;
    e_.status = redirect->status;
    e_.location = location(*redirect, shares.front()->match.path, e_.request, arrival_);
  } else if (response != nullptr) {
    answer_directly(response->status, !code.empty());
  } else {
    const auto& forward = std::get<ir::Forward>(action.action);
    add_forward_steps(forward, *shares.front(), e_.steps);
    split(forward, *shares.front(), {.part = 1, .whole = 1, .steps = {}});
    judge_destinations();
    if (forward.dynamic && RE2::FullMatch(resolved_host(forward, arrival_), ir::kLoopbackHost)) {
      e_.answer(403, "the backend is whatever host the request names, but never the proxy's own machine");
    }
  }
  add_header_steps("response-headers", action.response_headers.or_default(), e_.response_steps);
}

// Filters that are on for each of the shares.
std::vector<ir::ExtensionUse> Follower::uses_of_all(const std::vector<const ir::Route*>& shares) {
  std::vector<ir::ExtensionUse> uses = shares.front()->action->extensions.or_default();
  std::erase_if(uses, [&shares](const ir::ExtensionUse& use) {
    return !std::ranges::all_of(shares, [&use](const ir::Route* route) {
      const std::vector<ir::ExtensionUse>& its = route->action->extensions.or_default();
      return std::ranges::find(its, use) != its.end();
    });
  });
  return uses;
}

// A step for each service that is asked whether the request may pass; returns the other filters.
std::vector<ir::ExtensionUse> Follower::add_auth_steps(const std::vector<ir::ExtensionUse>& uses,
                                                       std::vector<Step>& steps) const {
  std::vector<ir::ExtensionUse> others;
  std::vector<const ir::Extension*> auths;
  const Snapshot::Route* route = e_.rule ? snapshot_.route(e_.rule->place.object) : nullptr;
  for (const ir::ExtensionUse& use : uses) {
    if (!use.name.starts_with(ir::kExtAuthz) || route == nullptr) {
      others.push_back(use);
      continue;
    }
    for (const auto& [table, extension] : route->result->extensions) {
      if (table == e_.route_table && extension->name == use.name) auths.push_back(extension.get());
    }
  }
  std::ranges::sort(auths, {}, [](const ir::Extension* auth) { return std::tie(auth->index, auth->name); });
  for (const ir::Extension* extension : auths) {
    const auto& auth = std::get<ir::ExtAuthz>(extension->filter);
    const translate::ClusterRow* cluster = snapshot_.cluster(*e_.proxy, auth.cluster);
    steps.push_back(
        {"auth", fmt::format("{} is asked whether it may pass, {}",
                             cluster == nullptr ? "a service" : snapshot_.backend(*cluster).to_string(),
                             describe_auth(auth))});
  }
  return others;
}

void Follower::add_extension_steps(const std::vector<ir::ExtensionUse>& uses) {
  e_.steps.push_back({"extensions", fmt::format("code of EnvoyExtensionPolicies may change or answer it: {}",
                                                fmt::join(extension_names(uses), ", "))});
  const Snapshot::Route* route = e_.rule ? snapshot_.route(e_.rule->place.object) : nullptr;
  if (route == nullptr) return;
  for (const auto& [table, extension] : route->result->extensions) {
    const auto* asking = std::get_if<ir::ExtProc>(&extension->filter);
    const bool used = std::ranges::find(uses, extension->name, &ir::ExtensionUse::name) != uses.end();
    if (table == e_.route_table && used && asking != nullptr) add_service_steps(*extension, *asking);
  }
}

// Tells of what is missing; true where requests must not do without it, so that the rule answers this status.
bool Follower::lacks_an_extension(std::uint16_t status) {
  std::vector<std::string> needed;
  for (const translate::MissingExtension& each : missing_) {
    const ObjectKey policy{.kind = api::kind_of<api::EnvoyExtensionPolicy>(), .name = each.policy};
    const std::string what = fmt::format("{} of {} {}", each.place, policy.to_string(),
                                         each.pending ? "is not there yet" : "cannot be used");
    if (each.fail_open) {
      e_.steps.push_back({"extensions", fmt::format("{}: it goes on without", what)});
    } else {
      needed.push_back(what);
    }
  }
  if (needed.empty()) return false;
  e_.answer(status, fmt::format("{}", fmt::join(needed, ", and ")));
  return true;
}

// Whom it asks, and how Envoy treats these.
void Follower::add_service_steps(const ir::Extension& extension, const ir::ExtProc& asking) {
  const translate::ClusterRow* cluster = snapshot_.cluster(*e_.proxy, asking.cluster);
  if (cluster == nullptr) return;
  std::vector<Destination> services;
  add_destinations(snapshot_, *cluster, {}, services);
  std::vector<std::string> names;
  for (const Destination& service : services) {
    std::string name = service.backend->to_string();
    if (service.weight != service.weights)
      name = fmt::format("{} {}", share(service.weight, service.weights), name);
    const bool fallback = std::ranges::find(service.steps, "fallback", &Step::kind) != service.steps.end();
    names.push_back(fallback ? name + " as fallback" : std::move(name));
  }
  const std::string who = short_name(extension.name);
  e_.steps.push_back({"extension-service", fmt::format("{} asks {}", who, fmt::join(names, ", "))});
  if (!cluster->cluster.settings) return;
  for (const auto& [name, text] : view_of(*cluster->cluster.settings)) {
    e_.steps.push_back({"extension-service", fmt::format("{}: {}: {}", who, name, text)});
  }
}

// Routes of one match with rising fractions, the last without one.
void Follower::share_out(const std::vector<const ir::Route*>& shares) {
  const std::uint32_t whole = shares.front()->match.below->denominator;
  const std::vector<ir::ExtensionUse> of_all = uses_of_all(shares);
  std::uint32_t before = 0;
  for (const ir::Route* route : shares) {
    const std::uint32_t end = route->match.below ? route->match.below->numerator : whole;
    Share share{.part = end - before, .whole = whole, .steps = {}};
    before = end;
    const ir::RouteAction& action = *route->action;
    std::vector<ir::ExtensionUse> own = action.extensions.or_default();
    std::erase_if(own, [&of_all](const ir::ExtensionUse& use) {
      return std::ranges::find(of_all, use) != of_all.end();
    });
    add_own_steps(add_auth_steps(own, share.steps), share.steps);
    if (const auto* forward = std::get_if<ir::Forward>(&action.action)) {
      add_forward_steps(*forward, *route, share.steps);
      split(*forward, *route, share);
      continue;
    }
    Destination& to = e_.destinations.emplace_back();
    to.weight = share.part;
    to.weights = share.whole;
    to.steps = share.steps;
    if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
      to.status = redirect->status;
      to.location = location(*redirect, route->match.path, e_.request, arrival_);
      to.answer = fmt::format("redirected with {} to {}", to.status, to.location);
    } else {
      to.status = std::get<ir::DirectResponse>(action.action).status;
      to.answer = fmt::format("answered with {}", to.status);
    }
  }
  judge_destinations();
}

void Follower::add_forward_steps(const ir::Forward& forward, const ir::Route& route,
                                 std::vector<Step>& steps) const {
  if (forward.session) {
    const bool header = forward.session->kind == ir::Session::Kind::kHeader;
    steps.push_back({"session", fmt::format("a request with the {} `{}` goes to the endpoint that it names",
                                            header ? "header" : "cookie", forward.session->name)});
  }
  add_header_steps("request-headers", route.action->request_headers.or_default(), steps);
  if (forward.rewrite) add_rewrite_steps(*forward.rewrite, route.match.path, arrival_, steps);
  for (const ir::Mirror& mirror : forward.mirrors) {
    const translate::ClusterRow* cluster = snapshot_.cluster(*e_.proxy, mirror.cluster);
    if (cluster == nullptr) continue;
    steps.push_back({"mirror", fmt::format("{} of the requests go to {} too, whose answers are dropped",
                                           share(mirror.numerator, mirror.denominator),
                                           snapshot_.backend(*cluster).to_string())});
  }
  add_limit_steps(forward, steps);
}

void Follower::split(const ir::Forward& forward, const ir::Route& route, const Share& share) {
  std::uint64_t weights = 0;
  for (const ir::WeightedCluster& part : forward.clusters) weights += part.weight;
  for (const ir::WeightedCluster& part : forward.clusters) {
    Destination to;
    to.steps = share.steps;
    to.weight = share.part * part.weight;
    to.weights = share.whole * weights;
    add_header_steps("request-headers", part.request_headers.or_default(), to.steps);
    const translate::ClusterRow* cluster =
        part.cluster.empty() ? nullptr : snapshot_.cluster(*e_.proxy, part.cluster);
    if (cluster != nullptr && cluster->cluster.credential) {
      add_own_steps({{.name = cluster->cluster.credential->name}}, to.steps);
    }
    if (part.rewrite) add_rewrite_steps(*part.rewrite, route.match.path, arrival_, to.steps);
    add_header_steps("response-headers", part.response_headers.or_default(), to.steps);
    if (cluster == nullptr) {
      to.status = forward.grpc ? 503 : 500;
      to.answer = fmt::format("answered with {}: the reference is invalid", to.status);
      e_.destinations.push_back(std::move(to));
    } else {
      add_destinations(snapshot_, *cluster, std::move(to), e_.destinations);
      add_cluster_patches(snapshot_, part.cluster, e_);
      e_.destinations.back().names_itself = forward.dynamic;
    }
  }
}

// By a filter of the rule, or because of what is wrong with it. `code`: extensions see the request before.
void Follower::answer_directly(std::uint16_t status, bool code) {
  const auto is_error = [](const Problem& problem) { return problem.severity == Severity::kError; };
  const auto has_no_backend = [](const Problem& problem) { return problem.code == "value/no-backend"; };
  const bool no_backend = std::ranges::any_of(e_.problems, has_no_backend);
  const bool error = std::ranges::any_of(e_.problems, is_error);
  e_.answer(status, error        ? "the rule cannot be served"
                    : no_backend ? "the rule has no backend that requests could go to"
                    : code       ? "the rule answers so where no extension does"
                                 : "the rule answers so");
  e_.as_wanted = !error && !no_backend;
}

// Where nobody can answer, Envoy does.
void Follower::judge_destinations() {
  e_.outcome = Outcome::kForwarded;
  if (std::ranges::any_of(e_.destinations, &Destination::is_good)) return;
  const auto is_there = [](const Destination& to) { return to.backend.has_value(); };
  if (e_.destinations.empty() || std::ranges::any_of(e_.destinations, is_there)) {
    e_.answer(503, "no backend has an endpoint that is ready");
  } else {
    e_.answer(e_.destinations.front().status, "every backend is an invalid reference");
  }
}

}  // namespace

void follow_route(const Snapshot& snapshot, const std::vector<const ir::Route*>& shares,
                  const std::vector<translate::MissingExtension>& missing, const Arrival& arrival,
                  Explanation& e) {
  Follower(snapshot, missing, arrival, e).follow(shares);
}

}  // namespace sluice::explain
