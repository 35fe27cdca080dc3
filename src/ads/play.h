// The stage of the session's tests: a store, a session, a fake Envoy, and time that the test moves.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "ads/fake_envoy.h"
#include "ads/session.h"
#include "ads/store.h"

namespace sluice::ads {

inline Resource resource(xds::ResourceType type, std::string name, std::string bytes) {
  Resource r;
  r.type = type;
  r.name = std::move(name);
  r.version = xds::content_hash(bytes);
  r.bytes = std::make_shared<const std::string>(std::move(bytes));
  return r;
}
inline Resource cluster(const std::string& name, const std::string& words = "v1") {
  return resource(xds::ResourceType::kCluster, name, "cluster " + words);
}
inline Resource endpoints(const std::string& name, const std::string& words = "v1") {
  return resource(xds::ResourceType::kEndpoints, name, "endpoints " + words);
}
inline Resource secret(const std::string& name, const std::string& words = "v1") {
  return resource(xds::ResourceType::kSecret, name, "secret " + words);
}
inline Resource extension(const std::string& name, const std::string& words = "v1") {
  return resource(xds::ResourceType::kExtension, name, "extension " + words);
}
inline Resource routes(const std::string& name, std::vector<std::string> clusters,
                       const std::string& words = "v1") {
  Resource r = resource(xds::ResourceType::kRoutes, name, "routes " + words);
  r.clusters = std::move(clusters);
  return r;
}
inline Resource listener(const std::string& name, const std::vector<std::string>& tables,
                         const std::string& words = "v1") {
  std::string bytes = "listener " + words;
  for (const std::string& table : tables) bytes += " routes=" + table;
  Resource r = resource(xds::ResourceType::kListener, name, bytes);
  r.route_tables = tables;
  return r;
}

class Play {
 public:
  enum class Server : std::uint8_t { kRemembers, kForgets };

  explicit Play(Variant variant) : envoy(variant), variant_(variant) {}

  void commit(std::vector<Resource> changed,
              std::vector<std::pair<xds::ResourceType, std::string>> removed = {}) {
    state.apply({state.commit() + 1, std::move(changed), std::move(removed)});
    if (session) session->on_state(&state, now);
    collect();
  }
  void connect(const std::string& node = "node") {
    session = std::make_unique<Session>(variant_, "proxy", node, options, std::exchange(memory, {}));
    if (state.commit() > 0) session->on_state(&state, now);
    envoy.connect();
    collect();
  }
  void disconnect(Server server = Server::kRemembers) {
    memory = session->take_memory();
    // What Envoy applied of a response that it refused it tells nobody: no new server can know, so one is
    // told here.
    if (server == Server::kForgets) memory = {.doubtful = std::move(memory.doubtful)};
    session.reset();
    wire_.clear();
    envoy.outbox.clear();
  }

  void retry(xds::ResourceType type, const std::string& name) {
    session->retry(type, name, now);
    collect();
  }

  // One message is written to the wire; arrives at the node; arrives at the server. False: there was none.
  bool server_step() {
    if (!session) return false;
    auto response = session->next(now);
    collect();
    if (!response) return false;
    wire_.push_back(*std::move(response));
    return true;
  }
  std::optional<Response> take_from_wire() {
    if (wire_.empty()) return std::nullopt;
    Response response = std::move(wire_.front());
    wire_.pop_front();
    return response;
  }
  bool node_step() {
    if (wire_.empty()) return false;
    const Response response = std::move(wire_.front());
    wire_.pop_front();
    envoy.on_response(response);
    return true;
  }
  bool request_step() {
    if (envoy.outbox.empty() || !session) return false;
    const AnyRequest request = std::move(envoy.outbox.front());
    envoy.outbox.pop_front();
    std::visit([this](const auto& r) { session->on_request(r, now); }, request);
    collect();
    return true;
  }
  bool step() { return request_step() || server_step() || node_step(); }
  // Until nobody has anything to say.
  void settle() {
    int steps = 0;
    while (step()) {
      if (++steps > 1'000'000) throw std::runtime_error("they never stop");
    }
  }
  // Time passes, and what it brings happens at its time.
  void advance(std::chrono::milliseconds by) {
    const Time end = now + by;
    settle();
    while (session) {
      const auto at = session->wake_at();
      if (!at || *at > end) break;
      now = std::max(now, *at);
      session->on_time(now);
      collect();
      settle();
    }
    now = end;
  }

  // Time passes, and the session is told.
  void pass(std::chrono::milliseconds by) {
    now += by;
    if (!session) return;
    if (const auto at = session->wake_at(); at && *at <= now) session->on_time(now);
    collect();
  }

  std::uint64_t acknowledged() const {
    std::uint64_t newest = 0;
    for (const Event& event : events) {
      if (const auto* a = std::get_if<Acknowledged>(&event)) newest = a->commit;
    }
    return newest;
  }
  std::vector<std::string> rejected() const {
    std::vector<std::string> names;
    for (const Event& event : events) {
      if (const auto* r = std::get_if<Rejected>(&event)) names.push_back(r->name);
    }
    return names;
  }
  std::vector<std::string> stuck() const {
    std::vector<std::string> names;
    for (const Event& event : events) {
      if (const auto* s = std::get_if<Stuck>(&event)) names = s->clusters;
    }
    return names;
  }
  template <typename E>
  std::size_t index_of() const {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (std::holds_alternative<E>(events[i])) return i;
    }
    return events.size();
  }
  template <typename E>
  E last() const {
    E found;
    for (const Event& event : events) {
      if (const auto* e = std::get_if<E>(&event)) found = *e;
    }
    return found;
  }

  ProxyState state;
  FakeEnvoy envoy;
  Options options;
  Memory memory;
  std::unique_ptr<Session> session;
  Time now;
  std::vector<Event> events;

 private:
  void collect() {
    if (!session) return;
    for (Event& event : session->take_events()) events.push_back(std::move(event));
  }

  const Variant variant_;
  std::deque<Response> wire_;
};

}  // namespace sluice::ads
