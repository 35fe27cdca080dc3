// What the Service of a proxy asks for.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "infra/names.h"
#include "infra/objects.h"
#include "infra/provider.h"

namespace sluice::infra {

// Its spec; null where there is no socket.
nlohmann::json service_of(const Request& request, const Provider& provider, const Identity& identity);

}  // namespace sluice::infra
