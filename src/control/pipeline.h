// The whole dataflow, from the user's objects to the bytes that ADS serves: the tables of control/tables, a
// group a header, which pipeline.cc puts in their order.
//
// Objects go in, commit() runs what they concern, and the output tables tell what changed. Rejections go in
// like any other input (see refuse).
//
// Threads: belongs to the control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/kinds.h"
#include "control/tables/rows.h"
#include "flow/graph.h"
#include "infra/objects.h"
#include "translate/installation.h"
#include "translate/rows.h"
#include "translate/settings.h"
#include "translate/socket.h"
#include "xds/render.h"

namespace sluice::control {

class Pipeline {
 public:
  // `envoy_args` are what every Envoy's command line has besides, where that is known.
  explicit Pipeline(translate::Settings settings, std::vector<std::string> envoy_args = {});
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // False where it is equal to what the last commit had.
  bool upsert(const api::BoundObject& object);
  void erase(const ObjectKey& object);

  // Keeps a version of an object from being served; another version is served again. Null takes it back.
  void refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal);
  // A proxy serves a socket or route table; or not, and nobody is to be held back for that.
  void set_unserved(const translate::XdsKey& resource, std::optional<translate::Unserved> why);
  // A proxy did not take a cluster, in its words; or that is over. Nobody is held back for that: the proxy
  // goes on with the one that it has of the name.
  void set_cluster_refused(const translate::XdsKey& cluster, std::optional<std::string> words);
  // Without a state, the conditions of Gateways say nothing of their proxy.
  void set_proxy_state(const ir::ProxyKey& proxy, ProxyState state);

  // Envoys run in a cluster, by objects that are made like this. Conditions of Gateways are of these then,
  // not of the proxies' states.
  void set_infrastructure(infra::Settings settings);
  // What the cluster has of a proxy's objects; nothing: that is not known.
  void set_installation(const ir::ProxyKey& proxy, std::optional<translate::Installation> installation);
  void set_node_addresses(translate::NodeAddresses addresses);

  // Without, every address counts as one of the host.
  void set_host(translate::HostAddresses addresses);
  // What the source found wrong, all of it: whoever refers to an object that is not there for a mistake of
  // its own is told so.
  void set_unusable(const std::vector<Problem>& of_source);
  // Who has the modules that policies and EnvoyProxies want. To be set before the first commit; without, none
  // is there.
  void set_modules(ModuleResolver resolve);
  // What became of that of a slot has changed.
  void look_at_module(const std::string& slot);

  flow::CommitStats commit();
  // To be called when all that the last commit changed has been looked at: of a first commit that is much.
  void forget_changes();

  // How many objects there are of each kind.
  std::vector<std::pair<GroupKind, std::size_t>> count_objects() const;

  const RenderedTable& resources(xds::ResourceType type) const;
  // What a cluster is there for: an object, and a field of it where one is at fault for what the cluster is.
  struct ClusterOwner {
    ObjectKey object;
    std::string path;
  };
  ClusterOwner owner_of_cluster(const translate::XdsKey& cluster) const;
  // The object that a secret is made from, of several the first; none where it is from a file of the machine.
  ObjectKey owner_of_secret(const translate::XdsKey& secret) const;
  // The object that a filter is for which comes by itself.
  ObjectKey owner_of_filter(const translate::XdsKey& filter) const;
  // The modules that policies and EnvoyProxies want now, by slot (translate::ModuleState).
  const flow::Table<std::string, wasm::Source>& wanted_modules() const;
  const flow::Table<ir::ProxyKey, translate::ProxyPlan>& proxies() const;
  // Where Envoys run in a cluster.
  const flow::Table<ir::ProxyKey, ProxyObjects>& objects_of_proxies() const;
  // Of all kinds.
  const flow::Table<ObjectKey, translate::RouteResult>& routes() const;
  const flow::Table<NamespacedName, translate::GatewayPlan>& gateways() const;
  // Sockets with what their routes bring.
  const flow::Table<translate::XdsKey, translate::SocketRow>& sockets() const;
  // Clusters as translation made them, and what their endpoints are found in.
  const flow::Table<translate::XdsKey, translate::ClusterRow>& cluster_rows() const;
  const flow::Table<ObjectKey, translate::ServiceView>& services() const;
  const flow::Table<ObjectKey, translate::ServiceEndpoints>& endpoints_of_services() const;

  // Our own pickers, by the pool that each is for. A pool that no Gateway sends to has none.
  const flow::Table<NamespacedName, translate::PickerPlan>& pickers() const;

  // Of a policy, how a proxy calls its plugins; else empty.
  std::vector<std::string> plugins_of(const ObjectKey& object) const;
  // Of a policy, the code that its present version brings (Refusal::code); else empty.
  std::string code_of(const ObjectKey& object) const;

  // Of a policy, the slots of the libraries that it names and that are fetched.
  std::set<std::string> libraries_of(const NamespacedName& policy) const;

  // False of a route that no parent accepts, for all of its rules failed: what it serves are errors.
  bool is_accepted(const ObjectKey& object) const;

  // The object as it went in.
  std::optional<api::Object> object(const ObjectKey& key) const;

  // An object that brings to aggregates (route tables by their names, the listeners of a proxy by its key,
  // other resources only where they are patched) something else than before the last commit. Whatever a proxy
  // may refuse of them is its doing.
  struct Contributor {
    ObjectKey object;
    std::set<std::string> aggregates;  // to which it brings or brought something
    bool refused = false;              // it is not its present version that does
  };
  std::vector<Contributor> changed_contributors() const;
  // The aggregate that a resource is in, which its proxy refused; nothing where the object is known at once.
  std::optional<std::string> aggregate_of(xds::ResourceType type, const translate::XdsKey& resource) const;
  // The EnvoyPatchPolicies that change a resource; none where their patches have no effect on it.
  std::vector<NamespacedName> patches_of(xds::ResourceType type, const translate::XdsKey& resource) const;
  // That of a proxy's clusters, endpoints and secrets, as far as they are patched.
  static std::string patched_aggregate(const ir::ProxyKey& proxy);

  // One table a kind that has statuses.
  const std::vector<KindStatuses>& statuses() const;

  // What is wrong with the objects that went in, sorted. Where a problem stands in a file is the source's
  // knowledge.
  std::vector<Problem> problems() const;
  // How the last commit changed them.
  struct ProblemChanges {
    std::vector<Problem> added;
    std::vector<Problem> removed;
  };
  ProblemChanges problem_changes() const;

 private:
  struct Tables;

  std::map<NamespacedName, std::set<std::string>> proxies_of_changed_policies() const;

  std::unique_ptr<Tables> tables_;
  std::set<ObjectKey> unusable_;  // as last set
};

}  // namespace sluice::control
