// The picker as a service that Envoy asks about each request: the Inference Extension's endpoint picker
// protocol (docs/proposals/004) on src/extproc.
//
// For each request it reads headers and body, lets the Pool decide, and answers with the addresses to go to;
// or with 503, 429 or, for a body that is no good, 4xx. In FULL_DUPLEX_STREAMED mode it holds headers and
// body back until there is a decision; in BUFFERED mode, the body. Without a body it decides on the headers
// alone. It watches the response pass, for what the Pool learns from it.
//
// Threads: those of its loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "extproc/server.h"
#include "picker/exchange/keeper.h"

namespace sluice::picker {

struct ServiceOptions {
  PoolOptions pool;
  ScrapeOptions scrape;
  std::vector<Series> series = default_series();
  // For clients that do not say: Envoy does.
  extproc::BodyMode body_mode = extproc::BodyMode::kFullDuplexStreamed;
};

class PickerService final : public extproc::Service {
 public:
  PickerService(Loop& loop, ServiceOptions options);

  std::unique_ptr<extproc::Handler> start(extproc::Exchange& exchange) override;

  void set_endpoints(const std::vector<Endpoint>& endpoints) { keeper_.set_endpoints(endpoints); }
  void set_rules(TrafficRules rules) { keeper_.pool().set_rules(std::move(rules)); }
  PoolKeeper& keeper() { return keeper_; }
  // All servers have been asked once.
  bool ready() const { return keeper_.ready(); }
  // Called from the loop when ready() has become true.
  void when_ready(std::function<void()> callback) { when_ready_ = std::move(callback); }

  // The page for Prometheus.
  std::string metrics();

 private:
  class Conversation;

  const extproc::BodyMode body_mode_;
  std::function<void()> when_ready_;
  PoolKeeper keeper_;
};

}  // namespace sluice::picker
