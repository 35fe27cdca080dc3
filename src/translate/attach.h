// Where a route attaches: parentRefs and default Gateways → listeners that take it, the hosts that it has
// there, conditions. The same for the routes of every kind.
//
// A route that asks for default Gateways (GEP-3793) attaches to each of them as if it had a parentRef to it.
#pragma once

#include <string>
#include <vector>

#include "translate/policy/patch_policy.h"
#include "translate/settings.h"
#include "translate/tables.h"

namespace sluice::translate {

// By the objects that they are attached to.
using ExtensionPolicyIndex = flow::Index<ObjectKey, NamespacedName, ExtensionPolicyRow>;

// By the Gateway or ListenerSet.
using AttachTable = flow::Table<ObjectKey, AttachPoints>;

// Default Gateways, ours and others', by their scope. A row says nothing else of a Gateway, so that routes
// which do not ask for default ones need not know which are.
using DefaultGatewayIndex = flow::Index<std::string, NamespacedName, Named>;
inline constexpr char kDefaultScope[] = "All";  // the only one that there is

// What every translation of a route may read, besides the route.
struct RouteEnvironment {
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  const AttachTable& parents;
  const DefaultGatewayIndex& default_gateways;
  const ExtensionPolicyIndex& extension_policies;
  const OwnClusterIndex& own_clusters;
};

// A listener that takes the route, and under which hosts (sorted, at least one; "*" is all).
struct Attachment {
  const AttachPoint* listener;
  std::vector<std::string> hosts;
};

// What a route wants to attach to.
struct WantedParents {
  const std::vector<api::ParentReference>& refs;
  const std::string& default_gateways;  // their scope; empty, or "None": none
};

// A parentRef, or a default Gateway, that is ours.
struct Parent {
  ParentStatus status;  // the Accepted condition is set
  const AttachPoints* points;
  std::vector<Attachment> attachments;  // to listeners that are served

  bool accepted() const { return !status.attached_listeners.empty(); }
};

struct Parents {
  std::vector<Parent> parents;  // in the order of the refs, then of the default Gateways' names
  std::vector<Problem> problems;
};

// `hostnames` are the route's; none: all that the listeners have. What is returned points into the tables: it
// is for the stage that reads them.
Parents attach(const ObjectKey& route, const WantedParents& wanted, const std::vector<std::string>& hostnames,
               const RouteEnvironment& environment, flow::Reads& reads);

}  // namespace sluice::translate
