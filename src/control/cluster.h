// The side of `sluice run` that looks at a cluster: the client of its API server, the source, who leads, the
// writer of statuses, and where Envoys run in the cluster, too, their objects.
//
// Each replica reads for itself and serves; the one that leads writes. Without an election this one leads.
//
// Threads: hooks are called on the client's thread; the rest belongs to the control thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/problem.h"
#include "control/certificate_secrets.h"
#include "control/infrastructure.h"
#include "control/pipeline.h"
#include "control/replica_reports.h"
#include "control/status_writer.h"
#include "infra/objects.h"
#include "kube/access.h"
#include "kube/client.h"
#include "kube/election.h"
#include "kube/lease.h"
#include "kube/token_review.h"
#include "source/cluster/cluster.h"

namespace sluice::control {

// Of statuses: a thousand routes that appear at once are told so within some seconds.
inline constexpr double kStatusesASecond = 200;
inline constexpr double kStatusesAtOnce = 500;

struct ClusterProvider {
  kube::Access access;
  // As source::ClusterOptions has them.
  std::vector<std::string> namespaces;
  std::string namespace_selector;
  bool elects = true;             // several replicas may run
  kube::Election::Options lease;  // what of it is empty is made from the access and the controller's name
  kube::WriteQueue::Options writes{.rate = kStatusesASecond, .burst = kStatusesAtOnce};
  std::chrono::milliseconds patience{5'000};  // StatusWriter::Options has it
  // Of ADS over TLS: for what its clients' tokens have to be; and the certificates that are kept in the
  // cluster, which others may do without.
  std::string token_audience;
  std::optional<CertificateOptions> certificates;
  // How Envoys run in the cluster; nothing: they are processes of this host.
  std::optional<infra::Settings> infrastructure;
  // With the control plane, where they ran with their Gateways before: what is left there is deleted.
  bool ran_with_gateways = false;
  // The pod that this is; empty: it is none.
  std::string pod_name;
  std::string pod_uid;
};

class Cluster {
 public:
  struct Hooks {
    std::function<void(source::Batch)> on_batch;
    std::function<void(std::vector<Problem>)> on_waiting;  // see source::ClusterHooks
    std::function<void(bool)> on_leads;
    // Why it cannot be agreed on who leads; without a code: it can again.
    std::function<void(Problem)> on_election;
    CertificateSecrets::Events certificates = {};
    Infrastructure::Hooks infrastructure = {};  // where Envoys run in the cluster
    ReplicaReports::Heard on_report = nullptr;
  };

  Cluster(const ClusterProvider& provider, const std::string& controller_name, Hooks hooks);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  // Lets another replica lead, for which it waits a moment.
  ~Cluster();

  // To be called once. It must not outlive this.
  std::unique_ptr<source::Source> watch(const Pipeline& pipeline);
  // From any thread; see kube::TokenReviewer.
  void review(std::string token, kube::TokenReviewer::Done done) {
    reviewer_->review(std::move(token), std::move(done));
  }
  // What our Envoys said, for other replicas.
  void tell(ReplicaReport report) {
    if (reports_ != nullptr) reports_->tell(std::move(report));
  }
  // After each commit. While not `complete`, it may be made from a part of what there is.
  void committed(const Pipeline& pipeline, bool complete);
  // Nobody waits any more for what the proxy, which is wanted no longer, has.
  void release(const ir::ProxyKey& proxy);

 private:
  void lead(bool leads);

  const ClusterProvider provider_;
  const Hooks hooks_;
  kube::Client client_;
  std::unique_ptr<StatusWriter> statuses_;
  std::unique_ptr<kube::TokenReviewer> reviewer_;
  std::unique_ptr<CertificateSecrets> certificates_;  // or null
  std::unique_ptr<Infrastructure> infrastructure_;    // or null
  std::unique_ptr<ReplicaReports> reports_;           // null: there are no others
  std::unique_ptr<kube::Lease> lease_;
};

// The name of the Lease that replicas with this controller name share.
std::string lease_name(const std::string& controller_name);

}  // namespace sluice::control
