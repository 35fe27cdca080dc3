// What proxies said of the user's objects, and what follows from it: which version of each is known to be
// good, and which is held back.
//
// A proxy takes or refuses aggregates (route tables, its listeners; control/isolation.h has the model). When
// it takes one, the versions in it are good, and are kept in a journal. When it refuses one, isolation finds
// who is guilty, and that object's last good version is served in its place. Both outlast the process, in the
// run directory. A cluster, a secret or endpoints that are refused hold back nobody: the proxy keeps what it
// had, and the problem names the object. That of a policy's service is told in the policy's status too.
//
// What other replicas have decided (replica_report.h) holds here too, as long as they say so; and once such a
// replica is gone, for good, as if it had been decided here.
//
// What is decided goes into the pipeline like any other input, for the next commit.
//
// Threads: belongs to the control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ads/server.h"
#include "control/good_versions.h"
#include "control/isolation.h"
#include "control/pipeline.h"
#include "control/problem_log.h"
#include "control/refusal_memory.h"
#include "control/replica_report.h"

namespace sluice::control {

class Verdicts {
 public:
  struct Hooks {
    // False while a part of the object is still on its way: what proxies take now is the version before.
    std::function<bool(const ObjectKey&)> is_whole;
    // An object is held back for its own fault.
    std::function<void(const ObjectKey&)> held_back;
  };
  // Reads what an earlier process has left in the folder. The others outlive this.
  Verdicts(const std::string& run_dir, Pipeline& pipeline, ProblemLog& problems, Hooks hooks);

  // Has the pipeline know what was refused before. To be called when it has the first objects.
  void restore();
  void deleted(const ObjectKey& object);

  void acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit);
  // False where that can be no object's doing.
  bool rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message);
  // Of a cluster, endpoints or a secret.
  void rejected(const ads::Rejected& rejected);
  // The node took such a resource when it was tried again.
  void recovered(const ads::Recovered& recovered);
  // What the node refused of these it refuses again when it comes back, if it does.
  void disconnected(const ads::Disconnected& disconnected);
  // Orders what follows from all that was said.
  void conclude();

  // The pipeline has committed: who may be guilty if it is refused, and what was refused and is no more.
  void committed(std::uint64_t commit);
  // Refused secrets that proxies may take now, to be tried again once they have been sent what the commit
  // changed: who has several certificates in one listener blames the one that came last, whichever is at
  // fault.
  std::vector<translate::XdsKey> secrets_to_retry() const;
  // To be called before a proxy is sent what depends on a refusal.
  void save_refusals() { refusals_.save(); }
  // Writes some of what is new, so that no call takes long. True: there is more.
  bool save_good_versions() { return good_.save(); }
  void keep_only_present();

  // What another replica says now; nothing: it is gone.
  void heard(const std::string& replica, std::optional<ReplicaReport> report);
  // What is to be said to others: of what proxies refuse for an object's fault.
  ReplicaReport report() const;
  // Whether that has changed since the last call.
  bool take_news() { return std::exchange(news_, false); }

  // Whether the pipeline has got something to commit since the last call.
  bool take_dirty() { return std::exchange(dirty_, false); }
  // Objects of which the present version is refused.
  std::size_t count_held_back() const;

 private:
  struct RefusedResource : RefusedByNode {
    std::string replica;  // whose node it is; empty: ours
    Problem problem;
  };

  // Forgets those of which `ends(refused)` is true.
  template <typename Ends>
  void forget_refused(Ends ends);
  // Has the pipeline know what is refused of a cluster.
  void tell_pipeline(const RefusedResource& refused);
  void carry_out(const std::vector<Isolation::Order>& orders);
  void refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal);
  void refuse_resource(RefusedByNode refused, const std::string& replica);
  // Has the pipeline know what counts of an object: our refusal, or else another replica's.
  void tell_pipeline(const ObjectKey& object);
  // Of the refused resources of other replicas, those that there are here, in that version.
  void follow_others();
  void drop_refusal(const ObjectKey& object);
  std::vector<ObjectKey> named(const std::vector<ObjectKey>& suspects, const std::string& message) const;

  Pipeline& pipeline_;
  ProblemLog& problems_;
  const Hooks hooks_;
  RefusalMemory refusals_;
  GoodVersions good_;
  Isolation isolation_;
  // Held back or let go since the last commit, with the version that was committed then.
  std::map<ObjectKey, std::optional<api::Object>> ordered_;
  std::vector<RefusedResource> refused_;
  std::map<std::string, ReplicaReport> others_;
  bool dirty_ = false;
  bool news_ = false;
};

}  // namespace sluice::control
