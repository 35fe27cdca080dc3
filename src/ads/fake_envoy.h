// A model of Envoy's discovery client for the tests, written from what Envoy does and not from what the
// session needs.
//
// A resource's bytes are words: "bad" makes it refused, "bound" does as long as ports are taken; "slow" keeps
// a cluster warming until the test says so; "dns" is a cluster without EDS; "secret=NAME", "routes=NAME",
// "cluster=NAME" are references. An empty ClusterLoadAssignment is the real one.
//
// What is modelled: a cluster that is new or changed warms until its endpoints (and secrets) have come after
// it, or the wait for them ends. While one warms no CDS request goes out, neither an answer nor the first one
// of a new stream; except during initialisation, when CDS is answered at once and LDS is asked for only when
// all clusters are ready. A listener warms until its route tables and secrets are there. Subscriptions follow
// from clusters and listeners and go out before the answer to what caused them. A refused delta response is
// remembered for none of its resources; of CDS and LDS the good ones are applied, of the others those before
// the bad one.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ads/session.h"

namespace sluice::ads {

using AnyRequest = std::variant<DeltaRequest, SotwRequest>;

class FakeEnvoy {
 public:
  using Type = xds::ResourceType;

  explicit FakeEnvoy(Variant variant) : variant_(variant) {}

  // Opens a stream: what it sends first is then in the outbox.
  void connect();
  void on_response(const Response& response);
  // Requests to the server, oldest first.
  std::deque<AnyRequest> outbox;

  // By hand: it asks for these, once on a stream; it refuses, whatever it is.
  void ask_for(Type type, const std::set<std::string>& names);
  void refuse(const Response& response);

  // "slow" clusters that warm become ready.
  void finish_slow();
  // initial_fetch_timeout: what warms no longer waits for endpoints.
  void time_out();
  // Listeners that were removed or replaced let go of their route tables.
  void drain();

  // What it serves, as bytes.
  std::map<std::string, std::string> clusters;  // warm
  std::map<std::string, std::string> warming;
  std::map<std::string, std::string> endpoints;  // of warm clusters
  std::map<std::string, std::string> listeners;  // active
  std::map<std::string, std::string> warming_listeners;
  std::map<std::string, std::string> tables;
  std::map<std::string, std::string> secrets;
  std::map<std::string, std::string> extensions;  // filters of listeners
  bool ports_taken = false;
  int responses = 0;
  int resources = 0;  // received in all

  static std::set<std::string> words(const std::string& bytes, const std::string& key) {
    std::set<std::string> values;
    std::istringstream in(bytes);
    for (std::string word; in >> word;) {
      if (word.starts_with(key + "=")) values.insert(word.substr(key.size() + 1));
    }
    return values;
  }
  static bool has(const std::string& bytes, const std::string& word) {
    std::istringstream in(bytes);
    for (std::string w; in >> w;) {
      if (w == word) return true;
    }
    return false;
  }

 private:
  struct Subscription {
    bool asked = false;                           // on this stream
    std::set<std::string> names;                  // as last sent
    std::map<std::string, std::string> versions;  // delta: known ones
    std::string version;                          // state-of-the-world
    std::string nonce;
    std::deque<Answer> held_answers;  // CDS while clusters warm
  };
  static bool wildcard(Type type) { return type == Type::kCluster || type == Type::kListener; }
  Subscription& sub(Type type) { return subs_[static_cast<std::size_t>(type)]; }

  std::set<std::string> interest(Type type) const;
  void update_subscription(Type type, bool again);
  void answer(Type type, Answer answer);
  void ask(Type type, const std::set<std::string>& subscribe, const std::set<std::string>& unsubscribe,
           const Answer& answer);
  void progress();
  bool ready(const std::string& name, const std::string& bytes) const;

  Variant variant_;
  std::array<Subscription, xds::kResourceTypes> subs_;
  bool connected_ = false;
  bool got_clusters_ = false;
  bool initialised_ = false;
  std::set<std::string> fresh_endpoints_;  // warming clusters whose endpoints have come
  std::map<std::string, std::string> next_endpoints_;
  std::set<std::string> slow_done_;
  std::set<std::string> unblocked_;  // route tables and secrets that were answered or refused
  std::vector<std::string> draining_;
};

inline void FakeEnvoy::connect() {
  outbox.clear();
  connected_ = true;
  for (Subscription& s : subs_) {
    s.asked = false;
    s.names.clear();
    s.nonce.clear();
    s.held_answers.clear();
  }
  for (int i = 0; i < xds::kResourceTypes; ++i) {
    const auto type = static_cast<Type>(i);
    if (type == Type::kCluster && warming.empty()) ask(type, {}, {}, {});
    if (type == Type::kListener && initialised_) ask(type, {}, {}, {});
    if (!wildcard(type)) update_subscription(type, false);
  }
}

inline std::set<std::string> FakeEnvoy::interest(Type type) const {
  std::set<std::string> names;
  const auto collect = [&](const std::map<std::string, std::string>& from, const char* key) {
    for (const auto& [name, bytes] : from) names.merge(words(bytes, key));
  };
  if (type == Type::kEndpoints) {
    for (const auto* from : {&clusters, &warming}) {
      for (const auto& [name, bytes] : *from) {
        if (!has(bytes, "dns")) names.insert(name);
      }
    }
  }
  if (type == Type::kSecret) {
    for (const auto* from : {&clusters, &warming, &listeners, &warming_listeners}) collect(*from, "secret");
  }
  if (type == Type::kExtension) {
    for (const auto* from : {&listeners, &warming_listeners}) collect(*from, "extension");
  }
  if (type == Type::kRoutes) {
    for (const auto* from : {&listeners, &warming_listeners}) collect(*from, "routes");
    for (const std::string& bytes : draining_) names.merge(words(bytes, "routes"));
  }
  return names;
}

inline void FakeEnvoy::ask(Type type, const std::set<std::string>& subscribe,
                           const std::set<std::string>& unsubscribe, const Answer& answer) {
  Subscription& s = sub(type);
  const bool first = !std::exchange(s.asked, true);
  if (variant_ == Variant::kDelta) {
    DeltaRequest request{.type = type, .answer = answer};
    request.subscribe.assign(subscribe.begin(), subscribe.end());
    request.unsubscribe.assign(unsubscribe.begin(), unsubscribe.end());
    if (first) request.initial_versions.assign(s.versions.begin(), s.versions.end());
    outbox.push_back(std::move(request));
  } else {
    SotwRequest request{.type = type, .answer = answer, .version = s.version};
    request.answer.nonce = s.nonce;
    request.names.assign(s.names.begin(), s.names.end());
    outbox.push_back(std::move(request));
  }
}

inline void FakeEnvoy::update_subscription(Type type, bool again) {
  Subscription& s = sub(type);
  std::set<std::string> now = interest(type);
  std::set<std::string> more;
  std::set<std::string> less;
  std::ranges::set_difference(now, s.names, std::inserter(more, more.end()));
  std::ranges::set_difference(s.names, now, std::inserter(less, less.end()));
  s.names = std::move(now);
  for (const std::string& name : less) {
    s.versions.erase(name);
    if (type == Type::kRoutes) tables.erase(name);
    if (type == Type::kSecret) secrets.erase(name);
    unblocked_.erase(name);
  }
  // State-of-the-world asks again for the same names when there is a new watch.
  if (!more.empty() || !less.empty() || (again && variant_ == Variant::kSotw)) ask(type, more, less, {});
}

inline void FakeEnvoy::answer(Type type, Answer answer) {
  Subscription& s = sub(type);
  if (type == Type::kCluster && initialised_ && !warming.empty()) {
    // State-of-the-world has one answer to all, with the last error.
    if (variant_ == Variant::kSotw && !s.held_answers.empty()) {
      if (!answer.error) answer.error = s.held_answers.back().error;
      s.held_answers.clear();
    }
    s.held_answers.push_back(std::move(answer));
    return;
  }
  ask(type, {}, {}, answer);
}

inline bool FakeEnvoy::ready(const std::string& name, const std::string& bytes) const {
  if (has(bytes, "slow") && !slow_done_.contains(name)) return false;
  for (const std::string& secret : words(bytes, "secret")) {
    if (!secrets.contains(secret) && !unblocked_.contains(secret)) return false;
  }
  return has(bytes, "dns") || fresh_endpoints_.contains(name);
}

inline void FakeEnvoy::progress() {
  for (auto it = warming.begin(); it != warming.end();) {
    if (!ready(it->first, it->second)) {
      ++it;
      continue;
    }
    clusters[it->first] = it->second;
    endpoints.erase(it->first);
    if (auto next = next_endpoints_.find(it->first); next != next_endpoints_.end())
      endpoints[it->first] = next->second;
    slow_done_.erase(it->first);
    it = warming.erase(it);
  }
  if (warming.empty() && connected_) {
    if (!sub(Type::kCluster).asked) ask(Type::kCluster, {}, {}, {});
    auto& answers = sub(Type::kCluster).held_answers;
    while (!answers.empty()) {
      ask(Type::kCluster, {}, {}, answers.front());
      answers.pop_front();
    }
  }
  for (auto it = warming_listeners.begin(); it != warming_listeners.end();) {
    const auto known = [&](const std::string& name) {
      return tables.contains(name) || secrets.contains(name) || unblocked_.contains(name);
    };
    if (!std::ranges::all_of(words(it->second, "routes"), known) ||
        !std::ranges::all_of(words(it->second, "secret"), known)) {
      ++it;
      continue;
    }
    if (auto old = listeners.find(it->first); old != listeners.end()) draining_.push_back(old->second);
    listeners[it->first] = it->second;
    it = warming_listeners.erase(it);
  }
  if (!initialised_ && got_clusters_ &&
      std::ranges::all_of(clusters, [&](const auto& c) { return ready(c.first, c.second); })) {
    initialised_ = true;
    ask(Type::kListener, {}, {}, {});
  }
}

inline void FakeEnvoy::ask_for(Type type, const std::set<std::string>& names) {
  if (sub(type).asked) return;
  if (!wildcard(type)) sub(type).names = names;
  ask(type, wildcard(type) ? std::set<std::string>() : names, {}, {});
}

inline void FakeEnvoy::refuse(const Response& response) {
  sub(response.type).nonce = response.nonce;
  ask(response.type, {}, {}, {.nonce = response.nonce, .error = "no"});
}

inline void FakeEnvoy::finish_slow() {
  for (const auto* from : {&clusters, &warming}) {
    for (const auto& [name, bytes] : *from) {
      if (has(bytes, "slow")) slow_done_.insert(name);
    }
  }
  progress();
}

inline void FakeEnvoy::time_out() {
  for (const auto& [name, bytes] : warming) fresh_endpoints_.insert(name);
  progress();
}

inline void FakeEnvoy::drain() {
  draining_.clear();
  update_subscription(Type::kRoutes, false);
  update_subscription(Type::kSecret, false);
}

inline void FakeEnvoy::on_response(const Response& response) {
  ++responses;
  resources += static_cast<int>(response.resources.size());
  const Type type = response.type;
  Subscription& s = sub(type);
  s.nonce = response.nonce;
  std::vector<std::string> errors;
  bool new_watch = false;

  std::vector<std::string> removed = response.removed;
  if (variant_ == Variant::kSotw && wildcard(type)) {
    std::set<std::string> listed;
    for (const ResourcePtr& r : response.resources) listed.insert(r->name);
    for (const auto* from : type == Type::kCluster ? std::vector{&clusters, &warming}
                                                   : std::vector{&listeners, &warming_listeners}) {
      for (const auto& [name, bytes] : *from) {
        if (!listed.contains(name)) removed.push_back(name);
      }
    }
  }
  for (const std::string& name : removed) {
    if (type == Type::kCluster) {
      clusters.erase(name);
      warming.erase(name);
      endpoints.erase(name);
      next_endpoints_.erase(name);
      fresh_endpoints_.erase(name);
    } else if (type == Type::kListener) {
      if (auto it = listeners.find(name); it != listeners.end()) {
        draining_.push_back(it->second);
        listeners.erase(it);
      }
      warming_listeners.erase(name);
    } else if (type == Type::kSecret) {
      unblocked_.insert(name);  // Envoy 1.40 goes on without a secret, but not without a route table
    }
  }
  for (const ResourcePtr& r : response.resources) {
    const std::string& bytes = *r->bytes;
    const bool bad = has(bytes, "bad") || (ports_taken && has(bytes, "bound"));
    if (bad) errors.push_back(wildcard(type) ? "Error adding/updating " + r->name + ": is bad" : "is bad");
    if (type == Type::kCluster && !bad) {
      auto& current = warming.contains(r->name) ? warming[r->name] : clusters[r->name];
      if (current == bytes) continue;
      if (current.empty()) clusters.erase(r->name);
      fresh_endpoints_.erase(r->name);
      next_endpoints_.erase(r->name);
      slow_done_.erase(r->name);
      (initialised_ ? warming : clusters)[r->name] = bytes;
      new_watch = true;
    } else if (type == Type::kListener && !bad) {
      auto current = warming_listeners.contains(r->name) ? warming_listeners[r->name] : std::string();
      if (current.empty() && listeners.contains(r->name)) current = listeners[r->name];
      if (current != bytes) warming_listeners[r->name] = bytes;
    } else if (!s.names.contains(r->name)) {
      continue;
    } else if (bad) {
      break;
    } else if (type == Type::kEndpoints) {
      fresh_endpoints_.insert(r->name);
      next_endpoints_[r->name] = bytes;
      if (clusters.contains(r->name)) endpoints[r->name] = bytes;
    } else if (type == Type::kSecret) {
      secrets[r->name] = bytes;
    } else if (type == Type::kExtension) {
      extensions[r->name] = bytes;
    } else if (type == Type::kRoutes) {
      tables[r->name] = bytes;
    }
  }
  Answer reply{.nonce = response.nonce};
  if (!errors.empty()) {
    reply.error.emplace();
    for (const std::string& e : errors) *reply.error += e + "; ";
    if (type == Type::kEndpoints) {
      for (const ResourcePtr& r : response.resources) fresh_endpoints_.insert(r->name);
    } else if (!wildcard(type)) {
      for (const ResourcePtr& r : response.resources) unblocked_.insert(r->name);
    }
  } else if (variant_ == Variant::kSotw) {
    s.version = response.version;
  } else {
    for (const ResourcePtr& r : response.resources) {
      if (wildcard(type) || s.names.contains(r->name)) s.versions[r->name] = version_text(r->version);
    }
    for (const std::string& name : response.removed) s.versions.erase(name);
  }
  if (type == Type::kCluster) {
    got_clusters_ = true;
    update_subscription(Type::kEndpoints, new_watch);
    update_subscription(Type::kSecret, false);
  }
  if (type == Type::kListener) {
    update_subscription(Type::kSecret, false);
    update_subscription(Type::kRoutes, false);
    update_subscription(Type::kExtension, false);
  }
  answer(type, std::move(reply));
  progress();
}

}  // namespace sluice::ads
