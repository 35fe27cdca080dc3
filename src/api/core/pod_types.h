// Kubernetes' own types that kinds of others embed: what pods and autoscalers consist of.
//
// As wherever they are embedded, words are strings of any text: which ones there are is for the API server of
// the cluster to say, which gets them as they are.
//
// Threads: pure functions.
#pragma once

#include <vector>

#include "schema/type.h"

namespace sluice::api {

schema::Type quantity();

// References from a pod to something in its own namespace.
schema::Type local_name_reference();     // by name alone
schema::Type object_field_selector();    // a field of the pod itself
schema::Type resource_field_selector();  // a resource of one of its containers

// container_types.cc
schema::Type container();
schema::Type env_var();
schema::Type resource_requirements();
// `limits` and `requests`, which volumes have, too.
std::vector<schema::Field> resource_amounts();
schema::Type volume_mount();

// security_types.cc
schema::Type container_security_context();
schema::Type pod_security_context();

// scheduling_types.cc
schema::Type affinity();
schema::Type toleration();
schema::Type topology_spread_constraint();

// volume_types.cc
schema::Type volume();

// autoscaling_types.cc
schema::Type autoscaler_behavior();
schema::Type autoscaler_metric();

}  // namespace sluice::api
