// The page at the admin address: one HTML file without any outside resource, compiled in from page.html. It
// shows what /api/state says, and asks for it again every two seconds.
//
// Threads: any.
#pragma once

#include <string_view>

namespace sluice::admin {

std::string_view page();

}  // namespace sluice::admin
