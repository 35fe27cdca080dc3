// The statuses of the kinds, as controllers write them. They are part of the schemas only: whatever a file
// says there is left alone.
//
// Threads: pure functions.
#pragma once

#include "schema/type.h"

namespace sluice::api {

schema::Type gateway_class_status();
schema::Type gateway_status();
schema::Type listener_set_status();
schema::Type route_status();
schema::Type policy_status();
schema::Type backend_status();
schema::Type x_backend_status();
schema::Type envoy_proxy_status();
schema::Type inference_pool_status();
schema::Type inference_objective_status();
schema::Type inference_model_rewrite_status();

// What GatewayClasses, Gateways and ListenerSets say of themselves until a controller does: the conditions
// with the value Unknown.
Tree waiting_status(std::initializer_list<const char*> conditions);

}  // namespace sluice::api
