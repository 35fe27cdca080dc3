// Where a route attaches: parentRefs → listeners that take it, the hosts that it has there, conditions.
// The same for the routes of every kind.
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

// What every translation of a route may read, besides the route.
struct RouteEnvironment {
  const Settings& settings;
  const Inputs& inputs;
  const Projections& tables;
  const AttachTable& parents;
  const ExtensionPolicyIndex& extension_policies;
  const OwnClusterIndex& own_clusters;
};

// A listener that takes the route, and under which hosts (sorted, at least one; "*" is all).
struct Attachment {
  const AttachPoint* listener;
  std::vector<std::string> hosts;
};

// A parentRef that is ours.
struct Parent {
  ParentStatus status;  // the Accepted condition is set
  const AttachPoints* points;
  std::vector<Attachment> attachments;  // to listeners that are served

  bool accepted() const { return !status.attached_listeners.empty(); }
};

struct Parents {
  std::vector<Parent> parents;  // in the order of the refs
  std::vector<Problem> problems;
};

// `hostnames` are the route's; none: all that the listeners have. What is returned points into the tables: it
// is for the stage that reads them.
Parents attach(const ObjectKey& route, const std::vector<api::ParentReference>& refs,
               const std::vector<std::string>& hostnames, const RouteEnvironment& environment,
               flow::Reads& reads);

}  // namespace sluice::translate
