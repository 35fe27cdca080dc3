// One stream of one node: what it wants, holds and has refused, and what it is sent next.
//
// A session is a machine without gRPC, clock or threads. Requests, new state and the passing of time go in;
// next() gives the next response to write, whenever the stream can take one; events come out. So there is no
// queue: a response is made from the newest state at the moment it can be written.
//
// Per type there is a Channel. It knows of every name what the node holds (what it acknowledged), what is on
// its way, and what it should hold (`wanted`: the store's resource, or the last accepted one while the node
// refuses that). Where they differ the name is dirty. A channel has one unanswered response at most; its
// answer makes the resources held. A refusal puts them in doubt: they go again in smaller and smaller groups,
// until those at fault stand alone.
//
// Between types:
//   - types are served in the order of ResourceType: clusters first;
//   - a listener or route table waits while one of its clusters is unsettled, that is sent or to be sent but
//   not
//     acknowledged. Under a stream of commits it may always wait for the newest cluster, so whenever clusters
//     go out the waiting resources are latched as they are then, and go with that acknowledgement at the
//     latest;
//   - a listener or route table that is to replace another waits a moment longer if one of its clusters has
//   been
//     refused: the controller may hold back what brought it;
//   - a cluster that goes away is kept while anything that the node holds names it, and for a grace after
//   that;
//   - a cluster that is sent has its endpoints sent (again) after it.
//
// Both variants are this one machine. State-of-the-world differs in that acknowledgements name only the
// newest response, that subscriptions are whole lists, that a cluster or listener response lists everything
// the node is to hold, and that its version stands for the whole: it is made from the versions inside.
//
// Threads: none; the server's loop owns it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ads/server.h"
#include "ads/store.h"

namespace sluice::ads {

using Time = std::chrono::steady_clock::time_point;

enum class Variant : std::uint8_t { kDelta, kSotw };

// What both kinds of request say about an earlier response.
struct Answer {
  std::string nonce;                 // of the response that is answered; empty: none
  std::optional<std::string> error;  // it was refused, in the node's words, which end with no line break
};

struct DeltaRequest {
  xds::ResourceType type = xds::ResourceType::kCluster;
  Answer answer;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::vector<std::pair<std::string, std::string>>
      initial_versions;  // name, version; first request of a type only
};

struct SotwRequest {
  xds::ResourceType type = xds::ResourceType::kCluster;
  Answer answer;
  std::string version;             // of the last response that was accepted
  std::vector<std::string> names;  // all of them; empty: everything
};

struct Response {
  xds::ResourceType type = xds::ResourceType::kCluster;
  std::string nonce;
  std::string version;  // of the whole
  std::vector<ResourcePtr> resources;
  std::vector<std::string> removed;  // delta only
};

// A version as Envoy sees it.
std::string version_text(std::uint64_t version);

// What outlives a node's stream: needed when it comes back.
struct Memory {
  // The node refused this version; `fallback` is what it held instead, null if nothing.
  struct Refusal {
    std::uint64_t version = 0;
    std::string message;
    ResourcePtr fallback;
    bool bare = false;  // nothing is sent in its place, not even an empty resource
  };
  using Name = std::pair<xds::ResourceType, std::string>;
  std::map<Name, Refusal> refusals;
  // State-of-the-world only: the clusters, endpoints and listeners that the node held. It will not say what
  // it has, and a response without one that is still used would take that from it.
  std::map<Name, ResourcePtr> held;
  // Delta only: clusters and listeners that the node may have without knowing so itself: it had them from a
  // response that it refused as a whole, and their removal may not have arrived.
  std::set<Name> doubtful;
  // Clusters that were sent but whose endpoints, due to be sent again, may not have arrived.
  std::set<std::string, std::less<>> endpoints_due;

  bool empty() const { return refusals.empty() && held.empty() && doubtful.empty() && endpoints_due.empty(); }
};

class Session {
 public:
  Session(Variant variant, ir::ProxyKey proxy, std::string node, const Options& options, Memory memory = {});
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Variant variant() const { return variant_; }
  const ir::ProxyKey& proxy() const { return proxy_; }
  const std::string& node() const { return node_; }

  // The node's proxy appeared, or had a commit. Until the first call nothing is sent. `state` outlives the
  // session.
  void on_state(const ProxyState* state, Time now);
  void on_request(const DeltaRequest& request, Time now);
  void on_request(const SotwRequest& request, Time now);
  // Forgets that the node has refused the name.
  void retry(xds::ResourceType type, const std::string& name, Time now);
  // To be called when wake_at() has come.
  void on_time(Time now);
  std::optional<Time> wake_at() const;

  // The next response, or nothing at present. To be asked after every input, and again after every response.
  std::optional<Response> next(Time now);
  // What happened since the last call.
  std::vector<Event> take_events();
  // The stream is over; what its successor should be given.
  Memory take_memory();

 private:
  using Type = xds::ResourceType;

  // A name that the node subscribes to, or that a wildcard covers.
  struct Item {
    std::uint64_t id = 0;   // tells an item from one that had its name before
    bool named = false;     // subscribed to by name
    bool force = false;     // is to be sent although unchanged
    bool on_way = false;    // `sent` has not been accepted or refused; it may be in doubt
    bool doubtful = false;  // the node may have it in a version that is not known
    ResourcePtr held;       // the node has it
    ResourcePtr sent;       // null: its removal
    // The gate: what may go when `wanted` may not yet.
    ResourcePtr latched;
    std::uint64_t latched_commit = 0;
    // The oldest commit of which something is to be sent, or was sent and is not yet settled; 0: none.
    std::uint64_t dirty_since = 0;
    std::uint64_t sent_since = 0;
  };
  struct SentItem {
    std::string name;
    std::uint64_t id = 0;
    ResourcePtr resource;  // null: its removal
  };
  struct Unanswered {
    std::string nonce;
    Time at;
    std::uint64_t commit = 0;  // the newest at that time
    bool stuck = false;        // has been reported
    std::vector<SentItem> items;
  };
  using NameSet = std::set<std::string, std::less<>>;
  struct Channel {
    bool subscribed = false;  // there was a request
    bool resolved = false;    // what the node brought along has been compared with the store
    bool wildcard = false;
    bool had_names = false;    // state-of-the-world: an empty list no longer means everything
    bool owes_answer = false;  // even an empty one
    // State-of-the-world: the node holds what is not known, so the first response must lack nothing.
    bool whole_first = false;
    std::map<std::string, Item, std::less<>> items;
    NameSet dirty;
    NameSet gated;  // dirty, but waiting for clusters
    std::deque<Unanswered> unanswered;
    std::deque<std::vector<std::string>> doubts;  // groups to send again, each alone
    std::string last_nonce;
    // What the first request said the node has.
    std::vector<std::pair<std::string, std::string>> initial_versions;
    std::string initial_version;
  };
  enum class Need : std::uint8_t { kNothing, kSend, kRemove };
  // A cluster that the node holds and is to lose.
  struct Leaving {
    std::optional<Time> free_since;  // nothing that the node holds names it
    std::optional<Time> due;         // its place in removals_
  };

  Channel& channel(Type type) { return channels_[static_cast<std::size_t>(type)]; }
  const Channel& channel(Type type) const { return channels_[static_cast<std::size_t>(type)]; }
  bool whole(Type type) const;  // responses list everything

  // Requests.
  void subscribe(Type type, const std::string& name, Time now);
  void unsubscribe(Type type, const std::string& name, Time now);
  void set_wildcard(Type type, bool wildcard, Time now);
  // Compares what the node has brought along with the store, once there is both.
  void resolve(Type type, Time now);
  ResourcePtr brought(Type type, const std::string& name, const std::string& version) const;
  void on_answer(Type type, const Answer& answer, Time now);
  void accept(Type type, const SentItem& sent, Time now);
  void refuse(Type type, std::vector<SentItem> items, std::uint64_t commit, const std::string& message,
              Time now);

  // What there is for the node, and what it is to hold as far as it has not refused that; null: nothing.
  ResourcePtr offered(Type type, const std::string& name, const Item* item) const;
  ResourcePtr wanted(Type type, const std::string& name, const Item* item) const;
  bool live(Type type, const std::string& name) const;  // in the store
  Need need(Type type, const std::string& name, const Item& item) const;
  // Brings the books on one name up to date; to be called whenever something about it has changed. May drop
  // the item: `name` is not its key.
  void consider(Type type, const std::string& name, Time now);
  void consider_all(Type type, Time now);
  void consider_cluster(const std::string& name, const Item* item, Time now);
  void set_dirty(Type type, const std::string& name, Item& item, bool dirty);
  void drop_item(Type type, const std::string& name, Time now);
  void await_verdict(const std::string& cluster, Time now);
  void end_wait(const std::string& cluster);
  // Whether the resource is to wait; `commit` is that which it is from.
  bool gated(const Item& item, const Resource& resource, std::uint64_t commit) const;
  bool may_go_latched(const Item& item) const;
  void latch_gated();

  // Changes what is held and on its way, and counts which clusters that uses.
  void put(Type type, Item& item, ResourcePtr held, ResourcePtr sent, Time now);
  void count_use(std::string_view cluster, int more, Time now);
  // A fallback may be sent as long as there is the refusal, whether the node holds it or not.
  void use_fallback(const Memory::Refusal& refusal, int more, Time now);
  void review_refusals(Time now);  // forgets those of versions that are gone
  void forget_refusal(Type type, const std::string& name, Time now);
  void schedule_removal(const std::string& name, Leaving& leaving, Time now);

  bool may_send(Type type, Time now) const;
  std::optional<Response> next_of(Type type, Time now);
  bool plan(Type type, const std::string& name, bool again, std::vector<SentItem>& batch);
  Response send(Type type, std::vector<SentItem> batch, Time now);
  std::string sotw_version(Type type) const;

  // Acknowledged.
  void find_unasked_tables();
  void add_pending(std::uint64_t commit);
  void drop_pending(std::uint64_t& commit);
  void report_acknowledged();

  const Variant variant_;
  const ir::ProxyKey proxy_;
  const std::string node_;
  const std::chrono::milliseconds removal_grace_;
  const std::chrono::milliseconds stuck_after_;

  const ProxyState* state_ = nullptr;
  std::uint64_t cursor_ = 0;  // the commit up to which the store was looked at
  std::array<Channel, xds::kResourceTypes> channels_;
  Memory memory_;
  std::uint64_t nonces_ = 0;
  std::uint64_t ids_ = 0;

  std::set<Memory::Name> retried_;  // refused before, and sent again

  NameSet unsettled_;  // clusters that the node is to hold in a version which it has not acknowledged
  // Clusters that have just been refused and have no older version: what names them waits for the
  // controller's verdict. For all of them until one time, so that nothing waits for one after another.
  NameSet awaited_;
  std::optional<Time> awaited_until_;  // of the last wait
  bool gates_changed_ = false;
  std::map<std::string, Leaving, std::less<>> leaving_;
  std::set<std::pair<Time, std::string>>
      removals_;  // leaving clusters that nothing names, by the end of their grace
  std::map<std::string, int, std::less<>> uses_;  // cluster → how many held or sent resources name it
  int opaque_ = 0;                                // held resources whose clusters are not known

  // A node that comes back says what it has type by type, so for a while there is nothing to be sent of route
  // tables only because it has not asked for them yet. Those of listeners that it has are waited for; once is
  // enough, for it may have given up a listener (its port was taken) that it has accepted.
  NameSet asked_tables_;
  NameSet unasked_tables_;
  bool listeners_changed_ = false;  // unasked_tables_ is to be found anew

  std::map<std::uint64_t, int> pending_;  // dirty_since and sent_since of all items
  std::deque<std::uint64_t> commits_;     // seen and not acknowledged, oldest first
  std::uint64_t acknowledged_ = 0;
  std::vector<Event> events_;
};

}  // namespace sluice::ads
