// The reports of all replicas (replica_report.h), each in a ConfigMap of its own, in the namespace in which
// sluice runs.
//
// By way of the API server, and not from one replica to another: it needs no port and no certificates, passes
// network policies, is authenticated (whoever may write ConfigMaps there is sluice), outlives a change of the
// leader, and a replica that starts finds what was said before. A pod owns its report, so that Kubernetes
// deletes it with the pod.
//
// A report is written when it has changed, first at once and then less often (kube::WriteQueue); its size is
// limited.
//
// Threads: `heard` is called on the client's thread; tell() from any. The client must outlive it, though it
// may have been stopped.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/replica_report.h"
#include "kube/client.h"

namespace sluice::control {

// A replica as others know it.
struct ReplicaName {
  std::string name_space;
  std::string controller_name;
  std::string name;  // no other replica has it at the same time: the pod's
  std::string pod_uid;  // of the pod of that name; empty: it is none
};

// Of the replicas with this controller name.
inline constexpr char kReportLabel[] = "sluice.dev/report";

class ReplicaReports {
 public:
  // What another replica's Envoys said; nothing: the replica is gone.
  using Heard = std::function<void(const std::string& replica, std::optional<ReplicaReport> report)>;

  ReplicaReports(kube::Client& client, ReplicaName own, Heard heard);
  ReplicaReports(const ReplicaReports&) = delete;
  ReplicaReports& operator=(const ReplicaReports&) = delete;
  ~ReplicaReports();

  // What ours said.
  void tell(ReplicaReport report);

 private:
  class Work;
  kube::Client& client_;
  std::shared_ptr<Work> work_;
};

}  // namespace sluice::control
