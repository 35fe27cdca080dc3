#include "explain/view.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/content_id.h"
#include "explain/describe.h"
#include "explain/match.h"
#include "explain/settings_view.h"
#include "translate/hostname.h"

namespace sluice::explain {

namespace {

using translate::GatewayPlan;
using translate::ListenerPlan;
using translate::ProxyPlan;

constexpr std::uint16_t kMisdirected = 421;  // RFC 9110, section 15.5.20

std::string words(const std::vector<std::string>& list) { return fmt::format("{}", fmt::join(list, ", ")); }

class Viewer {
 public:
  explicit Viewer(const Snapshot& snapshot) : snapshot_(snapshot) {}

  View look() {
    for (const ProxyPlan* plan : snapshot_.proxies()) {
      plan_ = plan;
      title_ = plan->proxy.key.find('/') == std::string::npos
                   ? fmt::format("GatewayClass {}", plan->proxy.key)
                   : fmt::format("Gateway {}", plan->proxy.key);
      look_at_proxy();
      for (const ir::Listener* socket : snapshot_.sockets(plan->proxy.key)) look_at_socket(*socket);
    }
    look_at_statuses();
    return std::move(view_);
  }

 private:
  void look_at_proxy() {
    const ir::Proxy& proxy = plan_->proxy;
    Settings& settings = view_.proxies["Envoy of " + title_];
    settings["workers"] = proxy.concurrency ? fmt::format("{}", *proxy.concurrency) : "one a core";
    std::vector<std::string> levels;
    for (const auto& [component, level] : proxy.log_levels) levels.push_back(component + "=" + level);
    settings["log levels"] = words(levels);
    settings["arguments"] = fmt::format("{}", fmt::join(proxy.extra_args, " "));
    settings["drain timeout"] = describe_duration(proxy.drain_timeout);
    // It may hold what is secret.
    if (!proxy.bootstrap.empty()) {
      settings["changes to the bootstrap"] = fmt::format("{:016x}", xds::content_hash(proxy.bootstrap));
    }
  }

  std::uint16_t users_port(const ir::Listener& socket) const {
    for (const GatewayPlan& gateway : plan_->gateways) {
      for (const ListenerPlan& listener : gateway.listeners) {
        if (listener.ready && listener.bind_port == socket.port) return listener.port;
      }
    }
    return socket.port;
  }

  static std::string addresses_of(const ir::Listener& socket) {
    if (socket.dual_stack) return "IPv4 and IPv6";
    if (socket.address == "::") return "IPv6";
    if (socket.address == "0.0.0.0") return "IPv4";
    std::vector<std::string> all{socket.address};
    all.insert(all.end(), socket.more_addresses.begin(), socket.more_addresses.end());
    return words(all);
  }

  void look_at_socket(const ir::Listener& socket) {
    SocketView& view = view_.sockets[fmt::format("{}, port {}", title_, users_port(socket))];
    view.settings["address"] = addresses_of(socket);
    view.settings["bound port"] = fmt::format("{}", socket.port);
    for (const ir::HttpChain& chain : socket.chains) look_at_chain(chain, view);
    for (const ir::TcpChain& chain : socket.tcp_chains) {
      const bool tls = chain.tls || !chain.server_names.empty();
      Settings& settings = view.chains[tls ? title_of(chain.server_names, true) : "connections"].settings;
      if (tls) settings["TLS"] = chain.tls ? "ends here" : "passes through";
      if (chain.tls) settings["certificates"] = view_of(*chain.tls, secret_of_)["certificates"];
      settings["backends"] = describe_shares(chain.shares);
    }
    if (socket.udp) {
      const std::vector<ir::StreamShare> shares{{.cluster = socket.udp->cluster, .weight = 1}};
      view.chains["datagrams"].settings["backends"] = describe_shares(shares);
    }
  }

  static std::string title_of(const std::vector<std::string>& server_names, bool tls) {
    if (!tls) return "";
    return server_names.empty() ? "every server name" : "server name " + words(server_names);
  }

  std::string describe_shares(const std::vector<ir::StreamShare>& shares) {
    std::uint64_t weights = 0;
    for (const ir::StreamShare& part : shares) weights += part.weight;
    std::vector<std::string> parts;
    for (const ir::StreamShare& part : shares) {
      const bool nobody = snapshot_.is_nobody(snapshot_.cluster(plan_->proxy.key, part.cluster));
      const std::string name = nobody ? "nothing (closed)" : name_backend(part.cluster);
      parts.push_back(part.weight == weights ? name
                                             : fmt::format("{} {}", share(part.weight, weights), name));
    }
    std::ranges::sort(parts);
    return words(parts);
  }

  ir::Secret secret(const std::string& name) const {
    const control::Rendered* found = snapshot_.pipeline()
                                         .resources(xds::ResourceType::kSecret)
                                         .get({.proxy = plan_->proxy.key, .name = name});
    return found == nullptr ? ir::Secret() : xds::parse_secret(*found->bytes);
  }

  void look_at_chain(const ir::HttpChain& chain, SocketView& socket) {
    ChainView& view = socket.chains[title_of(chain.server_names, chain.tls.has_value())];
    if (chain.tls) view.settings = view_of(*chain.tls, secret_of_);
    view.exact = chain;
    view.exact.name.clear();
    view.exact.route_table.clear();
    view.exact.stat_prefix.clear();
    if (view.exact.tls) view.exact.tls->certificate_secrets.clear();
    auths_.clear();
    credentials_.clear();
    for (const ir::ExtensionPtr& extension : chain.extensions) {
      look_at_service(*extension);
      if (const auto* auth = std::get_if<ir::ExtAuthz>(&extension->filter)) {
        auths_.emplace(extension->name,
                       fmt::format("{} {}", name_backend(auth->cluster), describe_auth(*auth)));
      }
      if (const auto* injector = std::get_if<ir::CredentialInjector>(&extension->filter)) {
        credentials_.emplace(extension->name, secret(injector->secret).credential);
      }
    }
    // Routes tell of these.
    std::erase_if(view.exact.extensions, [](const ir::ExtensionPtr& extension) {
      return std::holds_alternative<ir::ExtAuthz>(extension->filter);
    });
    for (const auto& [host, contributions] : snapshot_.hosts(chain.route_table)) {
      look_at_host(chain.route_table, host, view.hosts[host].routes);
    }
    const auto table =
        std::ranges::find(plan_->route_tables, chain.route_table, &translate::RouteTablePlan::name);
    if (table == plan_->route_tables.end()) return;
    for (const std::string& host : table->misdirected_hosts) view.hosts[host].otherwise = kMisdirected;
    // A host that is kept without routes counts where its requests would meet wider routes otherwise.
    for (const std::string& host : table->reserved_hosts) {
      const bool wider = std::ranges::any_of(
          view.hosts, [&](const auto& served) { return translate::covers(served.first, host); });
      if (wider) view.hosts[host];
    }
  }

  void look_at_host(const std::string& table, const std::string& host, std::vector<RouteView>& routes) {
    std::set<std::string> seen;
    for (const ir::Route& route : snapshot_.merged(table, host).routes) {
      RouteView view{.match = in_order(route.match),
                     .what = {},
                     .action = {},
                     .exact = *route.action,
                     .credentials = {}};
      view.what = explain::describe(view.match);
      if (!seen.insert(view.what).second) continue;  // never reached
      view.action = describe_action(route);
      name_backends(view.exact);
      for (const ir::ExtensionUse& use : route.action->extensions.or_default()) {
        const auto credential = credentials_.find(use.name);
        if (credential != credentials_.end()) view.credentials.insert(credential->second);
      }
      routes.push_back(std::move(view));
    }
  }

  // The order of headers and parameters does not matter.
  static ir::RouteMatch in_order(ir::RouteMatch match) {
    for (auto* values : {&match.headers, &match.query_params, &match.cookies}) {
      std::ranges::sort(*values, {}, &ir::ValueMatch::name);
    }
    return match;
  }

  std::string name_backend(const std::string& cluster) {
    const translate::ClusterRow* row =
        cluster.empty() ? nullptr : snapshot_.cluster(plan_->proxy.key, cluster);
    if (row == nullptr) return "nothing (500)";
    for (const auto& member : row->members) {
      put_settings(row->cluster, view_.backends[snapshot_.backend(*member.row).to_string()]);
    }
    return name_backends(*row);
  }

  std::string name_backends(const translate::ClusterRow& row) {
    if (row.members.empty()) return look_at_backend(row);
    std::uint64_t weights = 0;
    for (const auto& member : row.members) weights += member.weight;
    std::vector<std::string> parts;
    for (const auto& member : row.members) {
      const std::string name = look_at_backend(*member.row);
      parts.push_back(member.weight == weights ? name
                                               : fmt::format("{} {}", share(member.weight, weights), name));
    }
    return fmt::format("{}", fmt::join(parts, " and "));
  }

  static void put_settings(const ir::Cluster& cluster, BackendView& view) {
    if (!cluster.settings) return;
    for (auto& [name, text] : view_of(*cluster.settings)) view.settings[name].insert(std::move(text));
    view.exact.insert(fingerprint(*cluster.settings));
  }

  // What an extension asks.
  void look_at_service(const ir::Extension& extension) {
    const auto* asking = std::get_if<ir::ExtProc>(&extension.filter);
    const auto* picking = std::get_if<ir::EndpointPicker>(&extension.filter);
    if (asking == nullptr && picking == nullptr) return;
    const std::string& cluster = asking != nullptr ? asking->cluster : picking->cluster;
    const translate::ClusterRow* row = snapshot_.cluster(plan_->proxy.key, cluster);
    if (row == nullptr) return;
    BackendView& view = view_.backends["service of " + short_name(extension.name)];
    view.settings["backends"].insert(name_backends(*row));
    put_settings(row->cluster, view);
  }

  std::string look_at_backend(const translate::ClusterRow& cluster) {
    const std::string name = snapshot_.backend(cluster).to_string();
    if (!seen_.insert({plan_->proxy.key, cluster.cluster.name}).second) return name;
    BackendView& view = view_.backends[name];
    view.settings["protocol"].insert(describe_protocol(cluster.cluster));
    put_settings(cluster.cluster, view);
    if (cluster.cluster.credential) {
      view.settings["credential"].insert(
          fmt::format("{}", fmt::join(ir::short_names({{.name = cluster.cluster.credential->name}}), "")));
      const auto& injector = std::get<ir::CredentialInjector>(cluster.cluster.credential->filter);
      view.credentials.insert(secret(injector.secret).credential);
    }
    if (cluster.cluster.tls) {
      for (auto& [setting, value] : view_of(*cluster.cluster.tls, secret_of_)) {
        if (!value.empty()) view.settings[setting].insert(std::move(value));
      }
    }
    for (const ir::Locality& locality : snapshot_.localities(cluster)) {
      for (const ir::Endpoint& endpoint : locality.endpoints) {
        std::string text = describe_endpoint(endpoint);
        if (!locality.zone.empty()) text += " in zone " + locality.zone;
        if (locality.priority > 0) text += " as fallback";
        view.endpoints.insert(std::move(text));
      }
    }
    return name;
  }

  void name_backends(ir::RouteAction& action) {
    auto* forward = std::get_if<ir::Forward>(&action.action);
    if (forward == nullptr) return;
    forward->nobody_ready = false;  // that is told of the backends
    for (ir::WeightedCluster& part : forward->clusters) part.cluster = name_backend(part.cluster);
    for (ir::Mirror& mirror : forward->mirrors) mirror.cluster = name_backend(mirror.cluster);
    std::ranges::sort(forward->clusters, {}, [](const ir::WeightedCluster& c) {
      return std::pair(std::string_view(c.cluster), c.weight);
    });
  }

  static void put_steps(const std::vector<Step>& steps, Settings& settings) {
    for (const Step& step : steps) {
      std::string& value = settings[step.kind];
      value += (value.empty() ? "" : "; ") + step.text;
    }
  }

  static std::string describe_path_rewrite(const ir::PathRewrite& path) {
    if (path.full) return "the path becomes " + *path.full;
    if (path.prefix) return "the matched prefix of the path becomes " + *path.prefix;
    if (path.regex)
      return fmt::format("in the path, `{}` becomes {}", path.regex->pattern, path.regex->substitution);
    return "";
  }

  static std::string describe_rewrite(const ir::Rewrite& rewrite) {
    std::vector<std::string> parts;
    if (rewrite.host) parts.push_back("the host becomes " + *rewrite.host);
    if (rewrite.host_header) parts.push_back("the host becomes that of header " + *rewrite.host_header);
    if (rewrite.host_of_endpoint) parts.emplace_back("the host becomes that of the endpoint");
    if (rewrite.host_from_path) parts.emplace_back("the host is taken from the path");
    if (rewrite.path) parts.push_back(describe_path_rewrite(*rewrite.path));
    return fmt::format("{}", fmt::join(parts, "; "));
  }

  static std::string describe(const ir::Session& session) {
    const std::string_view kind = session.kind == ir::Session::Kind::kCookie ? "cookie" : "header";
    const std::string lifetime = session.lifetime ? ", for " + describe_duration(*session.lifetime) : "";
    return fmt::format("{} {}{}", kind, session.name, lifetime);
  }

  static void describe_cors(const ir::Cors& cors, Settings& settings) {
    settings["CORS"] = "origins " + words(cors.origins);
    settings["CORS methods"] = words(cors.methods);
    settings["CORS headers"] = words(cors.headers);
    settings["CORS exposed headers"] = words(cors.exposed_headers);
    settings["CORS credentials"] = cors.credentials ? "allowed" : "";
    settings["CORS max age"] = describe_duration(cors.max_age);
  }

  Settings describe_action(const ir::Route& route) {
    Settings settings;
    const ir::RouteAction& action = *route.action;
    std::vector<Step> steps;
    add_header_steps("request headers", action.request_headers.or_default(), steps);
    add_header_steps("response headers", action.response_headers.or_default(), steps);
    if (const auto* redirect = std::get_if<ir::Redirect>(&action.action)) {
      std::vector<std::string> parts{fmt::format("{}", redirect->status)};
      if (!redirect->scheme.empty()) parts.push_back("scheme " + redirect->scheme);
      if (redirect->host) parts.push_back("host " + *redirect->host);
      if (redirect->port) parts.push_back(fmt::format("port {}", *redirect->port));
      if (redirect->without_port) parts.emplace_back("no port");
      if (redirect->path) parts.push_back(describe_path_rewrite(*redirect->path));
      settings["redirect"] = words(parts);
    } else if (const auto* response = std::get_if<ir::DirectResponse>(&action.action)) {
      settings["answer"] = fmt::format("{}", response->status);
      if (!response->content_type.empty()) settings["content type"] = response->content_type;
      if (!response->body.empty()) {
        settings["body"] = fmt::format("{} bytes ({})", response->body.size(), content_id(response->body));
      }
    } else {
      const auto& forward = std::get<ir::Forward>(action.action);
      describe_backends(forward, settings);
      if (forward.session) settings["session"] = describe(*forward.session);
      if (forward.rewrite) settings["rewrite"] = describe_rewrite(*forward.rewrite);
      add_limit_steps(forward, steps);
      std::vector<std::string> mirrors;
      for (const ir::Mirror& mirror : forward.mirrors) {
        mirrors.push_back(fmt::format("{} to {}", share(mirror.numerator, mirror.denominator),
                                      name_backend(mirror.cluster)));
      }
      if (!mirrors.empty()) settings["mirrors"] = words(mirrors);
    }
    std::vector<ir::ExtensionUse> code;
    std::vector<std::string> auths;
    for (const ir::ExtensionUse& use : action.extensions.or_default()) {
      const auto auth = auths_.find(use.name);
      auth == auths_.end() ? code.push_back(use) : auths.push_back(auth->second);
    }
    if (!auths.empty()) settings["ExternalAuth"] = fmt::format("{}", fmt::join(auths, "; "));
    if (!code.empty()) settings["extensions"] = words(extension_names(code));
    if (action.cors) describe_cors(*action.cors, settings);
    put_steps(steps, settings);
    return settings;
  }

  void describe_backends(const ir::Forward& forward, Settings& settings) {
    std::uint64_t weights = 0;
    for (const ir::WeightedCluster& part : forward.clusters) weights += part.weight;
    std::vector<std::string> parts;
    for (const ir::WeightedCluster& part : forward.clusters) {
      const std::string name = name_backend(part.cluster);
      std::string text =
          part.weight == weights ? name : fmt::format("{} {}", share(part.weight, weights), name);
      std::vector<Step> own;
      add_header_steps("request headers", part.request_headers.or_default(), own);
      add_header_steps("response headers", part.response_headers.or_default(), own);
      std::vector<std::string> changes;
      for (const Step& step : own) changes.push_back(step.text);
      if (part.rewrite) changes.push_back(describe_rewrite(*part.rewrite));
      if (!changes.empty()) text += fmt::format(" ({})", fmt::join(changes, "; "));
      parts.push_back(std::move(text));
    }
    std::ranges::sort(parts);
    settings["backends"] = words(parts);
  }

  void look_at_statuses() {
    for (const control::KindStatuses& kind : snapshot_.pipeline().statuses()) {
      kind.table.for_each([&](const NamespacedName& name, const translate::ObjectStatus& status) {
        const std::string object = ObjectKey{.kind = kind.kind, .name = name}.to_string();
        put_conditions(object, status.conditions);
        for (const translate::ListenerStatus& listener : status.listeners) {
          put_conditions(fmt::format("{}, listener {}", object, listener.name), listener.conditions);
        }
        for (const auto* list : {&status.parents, &status.ancestors}) {
          for (const auto& [ref, conditions] : *list) {
            std::string text = fmt::format("{} at {} {}", object, ref.kind, ref.name);
            if (ref.section_name) text += ", " + *ref.section_name;
            put_conditions(text, conditions);
          }
        }
      });
    }
  }

  void put_conditions(const std::string& of, const translate::Conditions& conditions) {
    for (const translate::Condition& condition : conditions) {
      view_.statuses[fmt::format("{}: {}", of, condition.type)] =
          fmt::format("{} ({})", condition.status ? "True" : "False", condition.reason);
    }
  }

  const Snapshot& snapshot_;
  const SecretOf secret_of_ = [this](const std::string& name) { return secret(name); };
  const ProxyPlan* plan_ = nullptr;
  std::string title_;
  std::map<std::string, std::string> auths_;            // of the chain, by name: who is asked, and how
  std::map<std::string, std::string> credentials_;      // of the chain, by the name of their filter
  std::set<std::pair<std::string, std::string>> seen_;  // proxy and cluster
  View view_;
};

}  // namespace

View view_of(const Snapshot& snapshot) { return Viewer(snapshot).look(); }

}  // namespace sluice::explain
