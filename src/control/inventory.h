// The objects that run the proxies of a cluster: which there are to be, which there are, and what to do about
// it. A machine without I/O and clock.
//
// - An object that is wanted is applied where the server does not have it as it is wanted, as far as one can
//   tell; and once more after each start and each change of leaders where one cannot. What the server makes
//   of it is remembered, and whatever differs from that later is drift, which is applied away. Fields that
//   are not ours may change: they belong to somebody else.
// - An object of ours that nobody wants is deleted. All that are seen count as ours: they are looked for by a
//   label that has our controller's name. Of a proxy that is wanted no longer they stay until release();
//   nothing is deleted while it is not known what all is wanted.
// - What takes the place of something else comes first. A workload of another kind or name goes when the new
//   one serves, and what its pods need goes after it; a Service goes when the new one has its address.
// - A Deployment or DaemonSet that selects other pods cannot be changed: it is made anew.
// - When an autoscaler comes, a Deployment's replicas are left as they are: they are given to another field
//   manager first, for a field that nobody owns gets its default, of 1.
// - What is withheld is left alone.
// - Of several proxies that want one object, as EnvoyProxies can name them, the first has it.
//
// Nothing is to be done while this replica does not lead.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/object_key.h"
#include "control/live_object.h"
#include "control/tables/rows.h"
#include "ir/ir.h"
#include "translate/installation.h"

namespace sluice::control {

class Inventory {
 public:
  // Null: the proxy is wanted no longer.
  void want(const ir::ProxyKey& proxy, std::shared_ptr<const ProxyObjects> objects);
  // Those of a proxy that is wanted no longer may go.
  void release(const ir::ProxyKey& proxy);
  // All proxies that are wanted have been told, or not.
  void set_complete(bool complete);
  void set_leads(bool leads);

  // All objects of the kind have been told, once or again.
  void listed(const GroupKind& kind);
  // What the server has; null: it has it no longer.
  void seen(const ObjectKey& object, const nlohmann::json* live);

  struct Step {
    enum class What : std::uint8_t {
      kApply,
      kKeepReplicas,  // the document is to be applied by another field manager
      kDelete,
      kNothing,  // whatever of the object waits to be written is not wanted any more
    };
    What what = What::kApply;
    ObjectKey object;
    nlohmann::json document;  // of what is applied
    std::string uid;          // of what is deleted

    bool operator==(const Step&) const = default;
  };
  // What is to be done now; done() or failed() has to follow for each, but kNothing.
  std::vector<Step> take_steps();
  // `answer` is the object as it is then.
  void done(const Step& step, const nlohmann::json& answer);
  // The server refuses it. It is tried again when something else is wanted, and with retry().
  void failed(const Step& step, const std::string& why);
  void retry();

  // What has changed since the last call; nothing: it is not known.
  using Installations = std::map<ir::ProxyKey, std::optional<translate::Installation>>;
  Installations take_installations();
  // Why objects are not as they are wanted, by object.
  std::map<ObjectKey, std::string> faults() const;
  // Whether it matters where nodes are reached.
  bool wants_nodes() const { return !of_nodes_.empty(); }

 private:
  struct Entry {
    // Wanted:
    std::shared_ptr<const ProxyObjects> row;   // null: it is not
    ir::ProxyKey proxy;                        // with a row
    const nlohmann::json* document = nullptr;  // in the row; null: it is withheld
    std::size_t hash = 0;                      // of the document
    // There:
    std::optional<LiveObject> live;
    std::size_t part = 0;    // hash of what of it is ours
    bool is_wanted = false;  // has_all() of the document
    // On its way:
    std::optional<Step::What> doing;
    std::size_t sent = 0;  // hash of the document
    std::set<std::string> seen_meanwhile;
    // Acknowledged:
    std::optional<std::size_t> applied;  // hash of the document
    std::size_t accepted = 0;            // hash of what the server made of it
    std::string awaited;                 // the version that it has got, as long as it has not been seen
    bool replicas_kept = false;
    std::string fault;
  };

  void take(const ir::ProxyKey& proxy, const std::shared_ptr<const ProxyObjects>& row,
            const ObjectKey& object, const nlohmann::json* document);
  void take_all(const ir::ProxyKey& proxy, const std::shared_ptr<const ProxyObjects>& row);
  void touch(const ObjectKey& object);
  void touch_owner(const std::string& owner);
  void look(Entry& entry, const nlohmann::json& live);
  void forget(const ObjectKey& object);
  static bool is_awaited(const Step& step, const Entry& entry);
  std::optional<Step> next(const ObjectKey& object, Entry& entry);
  std::optional<Step> next_of_wanted(const ObjectKey& object, Entry& entry);
  bool may_go(const ObjectKey& object, const Entry& entry) const;
  bool is_replaced(const ObjectKey& object, const ProxyObjects& row) const;
  bool is_serving(const ObjectKey& object) const;
  std::optional<translate::Installation> installation_of(const ir::ProxyKey& proxy) const;
  bool knows_workloads() const;

  bool leads_ = false;
  bool complete_ = false;
  std::set<GroupKind> listed_;
  std::map<ObjectKey, Entry> entries_;
  std::map<ir::ProxyKey, std::shared_ptr<const ProxyObjects>> wanted_;
  std::map<ir::ProxyKey, std::set<ObjectKey>> clashes_;  // which of theirs are another's
  std::map<std::string, ir::ProxyKey> owners_;           // of wanted_
  std::map<ir::ProxyKey, std::string> leaving_;          // their owners
  std::map<std::string, std::set<ObjectKey>> live_of_;   // by owner
  std::set<ir::ProxyKey> of_nodes_;                      // whose Service has ports of nodes
  std::vector<ObjectKey> touched_;                       // each once, in order
  std::set<ObjectKey> is_touched_;
  std::set<ir::ProxyKey> changed_;
  Installations told_;
};

}  // namespace sluice::control
