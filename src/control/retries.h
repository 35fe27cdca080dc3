// What proxies refused though no object is at fault, and when it is sent to them again.
//
// An address that cannot be bound, because another process has the port or the address is on no interface
// yet, is nothing that another version of an object would mend, and nothing that lasts. Nor is a refusal for
// which isolation finds nobody to blame: the same was good before. Neither is held against an object or
// remembered over a restart. Such a resource is sent again with a delay that doubles from try to try, with
// jitter so that several do not come at once for ever, until the node takes it; and at once when whoever had
// the port has left it.
//
// An entry is of a resource and the nodes that refuse it, of which there are two in a hot restart. It ends
// when they have recovered, have gone, or have answered to another version; or when the resource has gone.
//
// What the Envoys of other replicas do not serve is known here, too, for whoever writes the statuses; those
// replicas try again.
//
// Threads: one at a time. Knows no clock: time goes in.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ads/server.h"
#include "control/replica_report.h"
#include "translate/rows.h"

namespace sluice::control {

class Retries {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Resource {
    xds::ResourceType type = xds::ResourceType::kListener;
    translate::XdsKey key;

    bool operator==(const Resource&) const = default;
    auto operator<=>(const Resource&) const = default;
  };
  // The version that nodes are to have; nothing where there is no such resource.
  using VersionOf = std::function<std::optional<std::uint64_t>(const Resource&)>;

  static constexpr std::chrono::milliseconds kFirst{500};
  static constexpr std::chrono::milliseconds kLongest{30'000};

  // `seed` is of the jitter.
  explicit Retries(std::uint32_t seed) : random_(seed) {}

  void refused(const ads::Rejected& rejected, translate::Unserved why, Time now);
  void recovered(const ads::Recovered& recovered);
  void disconnected(const ads::Disconnected& disconnected);
  void acknowledged(const ads::Acknowledged& acknowledged, const VersionOf& version_of);
  // To be called after each commit.
  void committed(const VersionOf& version_of);

  // Ports that other processes have.
  std::set<std::uint16_t> taken_ports() const;
  // Nobody listens there any more.
  void freed(std::uint16_t port, Time now);

  // The node has refused this version for the same reason before.
  bool knows(const ads::Rejected& rejected, const translate::Unserved& why) const;

  std::optional<Time> wake_at() const;
  // What is to be sent again now.
  std::vector<Resource> take_due(Time now);

  // What the Envoys of another replica do not serve, all of it; nothing: the replica is gone.
  void heard(const std::string& replica, std::vector<UnservedResource> unserved);
  // What ours do not.
  std::vector<UnservedResource> report() const;
  // Whether that may have changed since the last call.
  bool take_news() { return std::exchange(news_, false); }

  // The resources for which the answer is another than at the last call: why a node does not serve it, of
  // several the newest, which will go on, and first of ours; or nothing where all do.
  std::vector<std::pair<Resource, std::optional<translate::Unserved>>> take_changes();

 private:
  struct Refusal {
    std::uint64_t version = 0;
    std::uint64_t commit = 0;
    translate::Unserved why;
  };
  // Nodes of one proxy, which differ in their epoch only: "web/9" comes before "web/10".
  struct OlderEpoch {
    bool operator()(const std::string& a, const std::string& b) const {
      return std::tuple(a.size(), std::string_view(a)) < std::tuple(b.size(), std::string_view(b));
    }
  };
  struct Entry {
    std::map<std::string, Refusal, OlderEpoch> nodes;
    int tries = 0;
    std::optional<Time> due;  // nothing while an answer is awaited
  };

  std::chrono::milliseconds delay(int tries);
  void touch(const Resource& resource);
  // As far as is known of all replicas' nodes.
  std::optional<translate::Unserved> why(const Resource& resource) const;
  // Drops the refusals of which `ends(resource, node, refusal)` is true.
  template <typename Ends>
  void drop(Ends ends);

  std::minstd_rand random_;
  std::map<Resource, Entry> entries_;
  std::map<Resource, translate::Unserved> told_;
  std::map<std::string, std::map<Resource, translate::Unserved>> others_;  // by replica
  std::set<Resource> touched_;                                             // since take_changes()
  bool news_ = false;
};

}  // namespace sluice::control
