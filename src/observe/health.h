// Which endpoints are healthy, in the eyes of the Envoys that send to them.
//
// Envoys are asked while somebody looks, and no more often than that costs little: a thousand clusters are
// megabytes.
//
// Threads: HealthWatch belongs to one thread at a time, but answers come on any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/ir.h"

namespace sluice::observe {

struct EndpointHealth {
  std::string address;  // "127.0.0.1:80", or a path
  bool healthy = true;
  std::string why;  // not: "failed active health check"

  bool operator==(const EndpointHealth&) const = default;
};
// By name of the cluster.
using ClusterHealth = std::map<std::string, std::vector<EndpointHealth>, std::less<>>;

// Reads what Envoy's /clusters?format=json answers; nothing if it is something else.
std::optional<ClusterHealth> read_clusters(std::string_view json);

class HealthWatch {
 public:
  using Clock = std::chrono::steady_clock;
  using Done = std::function<void(std::optional<std::string> body)>;
  // Asks the Envoy of a proxy for its clusters.
  using Ask = std::function<void(const ir::ProxyKey&, Done)>;

  explicit HealthWatch(Ask ask) : ask_(std::move(ask)) {}

  // What is known, and sees to it that the next call knows better. Null where nothing is.
  std::shared_ptr<const ClusterHealth> look(const ir::ProxyKey& proxy, Clock::time_point now);
  void forget_others(const std::vector<ir::ProxyKey>& but);

 private:
  struct Answer {
    std::mutex mutex;
    bool arrived = false;
    std::optional<std::string> body;
    Clock::time_point at;
  };
  struct Proxy {
    std::shared_ptr<const ClusterHealth> health;
    std::shared_ptr<Answer> answer;  // that is waited for
    Clock::time_point asked;
    Clock::time_point next;
  };

  Ask ask_;
  std::map<ir::ProxyKey, Proxy> proxies_;
};

}  // namespace sluice::observe
