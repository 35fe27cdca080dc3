// The modules that somebody wants, fetched and kept on disk.
//
//   auto store = open_store(loop, {.cache{.folder = "/var/lib/sluice/wasm"}}, [&](const Source& source) { …
//   });
//   (*store)->want({HttpSource{.url = "https://example.com/filter.wasm", .sha256 = …}});
//   std::get_if<Ready>(&(*store)->state(source))->path;
//
// A source is Pending until it was fetched or could not be. A file is on disk, complete and readable by all,
// before its source is Ready, and stays while a source with it is wanted and for a grace after that. It is
// named after its content, so a path never changes its meaning.
//
// Nobody gets a module by what others fetched: each source is asked with its own credentials (see cache.h).
//
// What failed is tried again with jittered exponential back-off, for ever, unless the source itself is no
// good. A source that may move (see source.h) is looked at with each start and then at an interval. While
// that fails, what was there before stays Ready, with a warning.
//
// When a user moves from one source to another, want both and use the old one until the new one is Ready:
// requests need not notice then. So too when credentials change, for that makes another source.
//
// Servers that hang hold up others only when there are more of them than fetches at a time; sources that
// failed less often go first.
//
// Threads: all members and the callback belong to the loop's thread; each fetch has a thread of its own.
// Opening a store hashes what is in its cache, about a second a GB; what was there before is Ready at once
// then. The destructor ends fetches at work.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/loop.h"
#include "wasm/cache.h"
#include "wasm/failure.h"
#include "wasm/fetch.h"
#include "wasm/source.h"
#include "wasm/state.h"

namespace sluice::wasm {

struct StoreSettings {
  CacheSettings cache;
  FetchLimits limits;
  std::size_t max_fetches = 8;  // at a time
  std::chrono::milliseconds first_retry{1'000};
  std::chrono::milliseconds max_retry{300'000};
  std::chrono::milliseconds look_again{600'000};  // at sources that may move
};

class Store {
 public:
  virtual ~Store() = default;
  // These and no others. Their states are right when this returns: known modules are Ready.
  virtual void want(std::vector<Source> sources) = 0;
  // This one beside those before, for what the others do not cost.
  virtual void want_also(Source source) = 0;
  // Pending for a source that nobody wants.
  virtual State state(const Source& source) const = 0;
};

// `on_change` is called when the state of a wanted source changes after want(), by more than the time of the
// next attempt, and never from within a member. It may call any member. The loop outlives the store. Fails
// where the folder cannot be used.
Result<std::unique_ptr<Store>> open_store(Loop& loop, StoreSettings settings,
                                          std::function<void(const Source&)> on_change);

}  // namespace sluice::wasm
