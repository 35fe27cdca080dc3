#include "translate/redirect_port.h"

#include <map>
#include <string_view>
#include <utility>
#include <variant>

namespace sluice::translate {
namespace {

// 0: none.
std::uint16_t well_known_port(std::string_view scheme) {
  if (scheme == "http") return 80;
  if (scheme == "https") return 443;
  return 0;
}

}  // namespace

ir::Redirect redirect_at(const Entrance& entrance, ir::Redirect redirect) {
  const std::uint16_t usual = well_known_port(entrance.tls ? "https" : "http");
  const std::uint16_t implied = redirect.scheme.empty() ? usual : well_known_port(redirect.scheme);
  const std::uint16_t derived = redirect.scheme.empty() || implied == 0 ? entrance.port : implied;
  redirect.port = redirect.port.value_or(derived);
  if (*redirect.port != implied) return redirect;
  redirect.port.reset();
  // Whoever comes to a well-known port names none. Where something in front of us has another port, and the
  // Host names that, it stays, as with Envoy Gateway: it is the one that leads here.
  redirect.without_port = !redirect.host && entrance.port != usual;
  return redirect;
}

RoutesPtr routes_at(const Entrance& entrance, const RoutesPtr& routes) {
  // Of a rule, whose matches share one.
  std::map<const ir::RouteAction*, std::shared_ptr<const ir::RouteAction>> changes;
  for (const ir::Route& route : *routes) {
    const auto* redirect = std::get_if<ir::Redirect>(&route.action->action);
    if (redirect == nullptr || changes.contains(route.action.get())) continue;
    ir::Redirect here = redirect_at(entrance, *redirect);
    if (here == *redirect) continue;
    auto action = std::make_shared<ir::RouteAction>(*route.action);
    action->action = std::move(here);
    changes.emplace(route.action.get(), std::move(action));
  }
  if (changes.empty()) return routes;
  auto changed = std::make_shared<std::vector<ir::Route>>(*routes);
  for (ir::Route& route : *changed) {
    if (const auto at = changes.find(route.action.get()); at != changes.end()) route.action = at->second;
  }
  return changed;
}

}  // namespace sluice::translate
