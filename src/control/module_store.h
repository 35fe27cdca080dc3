// A wasm::Store on a thread of its own, for a thread that has no loop.
//
// Threads: the members belong to one thread, which each waits for the other for some microseconds; `changed`
// is called on the other.
#pragma once

#include <functional>
#include <memory>

#include "wasm/store.h"

namespace sluice::control {

// `changed` is called when the state of a wanted source has changed. Fails where the folder cannot be used.
wasm::Result<std::unique_ptr<wasm::Store>> start_module_store(wasm::StoreSettings settings,
                                                              std::function<void()> changed);

}  // namespace sluice::control
