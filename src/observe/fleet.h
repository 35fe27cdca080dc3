// The proxies as seen from the control thread: their processes, the nodes that are connected, and how far
// each of them is behind what has been committed.
//
// A node is behind from the moment a commit changes something for its proxy until it acknowledges it. A
// change has arrived when the first node of its proxy acknowledges its commit: that is the moment from which
// on it is served.
//
// Threads: a plain value; knows no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/ir.h"
#include "proxy/proxy.h"

namespace sluice::observe {

using Time = std::chrono::steady_clock::time_point;

// "starting", "ready", "draining", "exited", "backing off".
std::string_view state_name(proxy::State state);

class Fleet {
 public:
  struct Node {
    std::string name;
    std::uint64_t acknowledged = 0;  // a commit
    std::size_t commits_behind = 0;
    std::optional<Time> behind_since;
  };
  struct Proxy {
    ir::ProxyKey key;
    std::vector<std::uint16_t> ports;
    proxy::State state = proxy::State::kExited;
    int pid = 0;
    std::string message;         // of the process
    std::uint64_t starts = 0;    // of processes
    std::uint64_t failures = 0;  // a process ended that was to go on
    std::uint64_t commit = 0;    // the newest that changed something for it
    bool serves = false;         // some node has acknowledged a commit, since sluice runs
    std::vector<Node> nodes;     // that are connected, sorted

    bool ready() const { return state == proxy::State::kReady && serves; }
  };

  void add(const ir::ProxyKey& proxy, std::vector<std::uint16_t> ports);
  void remove(const ir::ProxyKey& proxy);
  // What is told of proxies that have not been added, or have been removed, is dropped.
  void changed(const proxy::Event& event);
  void connected(const ir::ProxyKey& proxy, const std::string& node);
  void disconnected(const ir::ProxyKey& proxy, const std::string& node);
  // The commit changes something for the proxy. `noticed` is when the change that it brings was first seen,
  // if a user's change is in it.
  void served(const ir::ProxyKey& proxy, std::uint64_t commit, std::optional<Time> noticed, Time now);
  // Gives how long the changes took that have arrived with this.
  std::vector<std::chrono::steady_clock::duration> acknowledged(const ir::ProxyKey& proxy,
                                                                const std::string& node, std::uint64_t commit,
                                                                Time now);

  std::vector<Proxy> proxies() const;  // sorted

 private:
  struct Served {
    std::uint64_t commit = 0;
    Time at;
    std::optional<Time> noticed;  // until it has arrived
  };
  struct Row {
    Proxy proxy;
    std::map<std::string, Node> nodes;
    // Commits that some connected node has not acknowledged, or (without any node) that have not arrived.
    std::deque<Served> open;
  };

  static void catch_up(const Row& row, Node& node);
  static void drop_done(Row& row);

  std::map<ir::ProxyKey, Row> rows_;
};

}  // namespace sluice::observe
