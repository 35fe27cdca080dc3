#include "observe/health.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/socket_address.h"

namespace sluice::observe {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kAgain{2};
// An Envoy is busy with such questions for no more than about one part in so many of its time.
constexpr int kShare = 20;
// After so long an answer is not coming.
constexpr std::chrono::seconds kLost{30};

// A member of that name, or null.
const json* find(const json& value, const char* name) {
  if (!value.is_object()) return nullptr;
  const auto at = value.find(name);
  return at == value.end() ? nullptr : &*at;
}

std::string text_of(const json* value) {
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::string address_of(const json& host) {
  const json* address = find(host, "address");
  if (address == nullptr) return {};
  if (const json* socket = find(*address, "socket_address")) {
    const json* port = find(*socket, "port_value");
    const std::string ip = text_of(find(*socket, "address"));
    const int number = port != nullptr && port->is_number() ? port->get<int>() : 0;
    return host_and_port(ip, number);
  }
  if (const json* pipe = find(*address, "pipe")) return text_of(find(*pipe, "path"));
  return {};
}

// Why no requests are sent to a host; empty: they are.
std::string unhealthy(const json& host) {
  const json* status = find(host, "health_status");
  if (status == nullptr) return {};
  static constexpr std::pair<const char*, const char*> kFlags[] = {
      {"failed_active_health_check", "failed its active health check"},
      {"failed_outlier_check", "ejected as an outlier"},
      {"pending_active_hc", "waits for its first health check"},
      {"pending_dynamic_removal", "is to be removed"},
      {"excluded_via_immediate_hc_fail", "says that it fails"},
      {"active_hc_timeout", "its active health check times out"},
  };
  for (const auto& [flag, words] : kFlags) {
    const json* set = find(*status, flag);
    if (set != nullptr && set->is_boolean() && set->get<bool>()) return words;
  }
  const std::string eds = text_of(find(*status, "eds_health_status"));
  if (eds == "UNHEALTHY" || eds == "DRAINING" || eds == "TIMEOUT") return fmt::format("is {}", eds);
  return {};
}

}  // namespace

std::optional<ClusterHealth> read_clusters(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  const json* clusters = find(document, "cluster_statuses");
  if (clusters == nullptr || !clusters->is_array()) return std::nullopt;
  ClusterHealth health;
  for (const json& cluster : *clusters) {
    std::vector<EndpointHealth>& endpoints = health[text_of(find(cluster, "name"))];
    const json* hosts = find(cluster, "host_statuses");
    if (hosts == nullptr || !hosts->is_array()) continue;
    for (const json& host : *hosts) {
      std::string why = unhealthy(host);
      const bool healthy = why.empty();
      endpoints.push_back({.address = address_of(host), .healthy = healthy, .why = std::move(why)});
    }
  }
  return health;
}

std::shared_ptr<const ClusterHealth> HealthWatch::look(const ir::ProxyKey& proxy, Clock::time_point now) {
  Proxy& known = proxies_[proxy];
  if (known.answer != nullptr) {
    std::optional<std::string> body;
    Clock::time_point at = now;
    bool arrived = false;
    {
      const std::lock_guard lock(known.answer->mutex);
      arrived = known.answer->arrived;
      if (arrived) {
        body = std::move(known.answer->body);
        at = known.answer->at;
      }
    }
    if (arrived || now - known.asked > kLost) {
      std::optional<ClusterHealth> health = body ? read_clusters(*body) : std::nullopt;
      known.health = health ? std::make_shared<const ClusterHealth>(*std::move(health)) : nullptr;
      known.answer = nullptr;
      known.next = now + (arrived ? std::max<Clock::duration>(kAgain, kShare * (at - known.asked)) : kLost);
    }
  }
  if (known.answer == nullptr && now >= known.next) {
    const auto answer = std::make_shared<Answer>();
    known.answer = answer;
    known.asked = now;
    ask_(proxy, [answer](std::optional<std::string> body) {
      const std::lock_guard lock(answer->mutex);
      answer->arrived = true;
      answer->body = std::move(body);
      answer->at = Clock::now();
    });
  }
  return known.health;
}

void HealthWatch::forget_others(const std::vector<ir::ProxyKey>& but) {
  const std::set<ir::ProxyKey> kept(but.begin(), but.end());
  std::erase_if(proxies_, [&](const auto& proxy) { return !kept.contains(proxy.first); });
}

}  // namespace sluice::observe
