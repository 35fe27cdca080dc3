// Certificates of clients: `spec.tls.frontend` of a Gateway (GEP-91).
#pragma once

#include "translate/tables.h"

namespace sluice::translate {

// Reads it into the plan. The Gateway's conditions say what is wrong, and that insecure clients are let in.
void plan_client_checks(const api::Gateway& gateway, const Inputs& inputs, const Projections& tables,
                        flow::Reads& reads, GatewayPlan& plan);

// Gives the listener, which may be one of a ListenerSet, its part of the Gateway's.
void take_client_check(const ClientChecks& checks, ListenerPlan& listener);

}  // namespace sluice::translate
