// The backends of one route: what its references lead to, and what is wrong with them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "translate/backend.h"
#include "translate/near.h"
#include "translate/tables.h"

namespace sluice::translate {

// The path of a field, spelled out only when something is wrong there.
struct Place {
  const Place* parent;
  std::string_view field;
  std::optional<std::size_t> index = {};

  std::string to_string() const;
};

// Resolves references, and keeps what comes of them: the rules of a route mostly refer to few backends, each
// of which is resolved once. What is resolved has to outlive this.
class RouteBackends {
 public:
  RouteBackends(const ObjectKey& route, const BackendReader& reader, flow::Reads& reads)
      : route_(route), reader_(reader), reads_(reads) {}

  const ObjectKey& route() const { return route_; }

  // Null where the reference leads nowhere: then that is a problem, and ResolvedRefs says it. Its cluster is
  // among clusters() from now on.
  BackendPtr resolve(const api::BackendObjectReference& ref, const Place& place);
  // The same without the cluster.
  BackendPtr look_up(const api::BackendObjectReference& ref, const Place& place);
  // Of a service that is asked about requests, by HTTP/2 where it speaks gRPC: it may be behind a Unix
  // socket, and no InferencePool.
  BackendPtr look_up_service(const api::BackendObjectReference& ref, bool grpc, const Place& place);
  void add_cluster(std::shared_ptr<const ClusterRow> row);

  // Null: there is none.
  const ExtendedFilterRow* extended_filter(const NamespacedName& name);
  // Of the objects of its kind, the one that was probably meant.
  std::string near(const ObjectKey& missing) { return near_object(missing, {}, reader_.tables, reads_); }

  void report(const ReferenceFailure& failure, const Place& place);  // a problem
  void refuse(ReferenceFailure failure, const Place& place);         // and ResolvedRefs says it
  void add_problem(Problem problem) { problems_.push_back(std::move(problem)); }

  // Each once.
  const std::vector<std::shared_ptr<const ClusterRow>>& clusters() const { return clusters_; }
  const std::vector<Problem>& problems() const { return problems_; }
  // Those that references met.
  const std::vector<PolicyUse>& policies() const { return policies_; }
  // HTTPRouteFilters that were asked for.
  const std::set<NamespacedName>& extended_filters() const { return extended_filters_; }

  // ResolvedRefs, always; its reasons are joined as Envoy Gateway joins them. The other conditions are for
  // parents that accept the route.
  Condition resolved_refs() const;
  std::optional<Condition> backends_available() const;

 private:
  void note_endpoints(const ResolvedBackend& backend);

  const ObjectKey& route_;
  const BackendReader& reader_;
  flow::Reads& reads_;
  std::vector<std::pair<const api::BackendObjectReference*, BackendPtr>> known_;
  std::vector<std::shared_ptr<const ClusterRow>> clusters_;
  std::vector<ReferenceFailure> unresolved_;
  std::set<std::string> without_endpoints_;  // backends that nobody answers for
  std::vector<Problem> problems_;
  std::vector<PolicyUse> policies_;
  std::set<NamespacedName> extended_filters_;
};

}  // namespace sluice::translate
