// Keeps a Pool going on a Loop: asks its servers how they are, tells the Pool, and calls Pool::work() in
// time.
//
// Threads: those of its loop, but for pool(), whose members may be called from any. It is made before the
// loop runs or on its thread, and destroyed on its thread or after it has ended.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/problem.h"
#include "picker/endpoint.h"
#include "picker/exchange/endpoints_file.h"
#include "picker/exchange/pool.h"
#include "picker/exchange/scraper.h"
#include "picker/metrics_page.h"

namespace sluice::picker {

struct KeeperOptions {
  PoolOptions pool;
  ScrapeOptions scrape;
  std::vector<Series> series = default_series();
  // A server that answered does not any more, or one that is new has not answered at all.
  std::function<void(std::string_view address, std::string_view reason)> on_lost;
  // A server answers, but does not say how it is, and counts as idle.
  std::function<void(std::string_view address, std::string_view reason)> on_silent;
  // ready() has become true.
  std::function<void()> on_ready;
};

class PoolKeeper final : private Pool::Keeper, private Scraper::Listener {
 public:
  PoolKeeper(Loop& loop, KeeperOptions options);
  PoolKeeper(const PoolKeeper&) = delete;
  PoolKeeper& operator=(const PoolKeeper&) = delete;
  ~PoolKeeper();

  Pool& pool() { return pool_; }

  void set_endpoints(const std::vector<Endpoint>& endpoints);
  // Where servers are asked from now on.
  void set_sources(const Sources& sources) { scraper_.set_sources(sources); }
  // Takes its endpoints from the file, which has been read and said `endpoints`. Later `changed` is told how
  // many there are now, and `failed` what is wrong with the file.
  void follow(std::unique_ptr<EndpointsFile> file, const std::vector<Endpoint>& endpoints,
              std::function<void(std::size_t)> changed, std::function<void(const Problem&)> failed);
  // All servers have been asked once.
  bool ready() const { return scraper_.complete(); }

  std::vector<Scraper::Server> servers() const { return scraper_.servers(); }

 private:
  void wake() override;
  void asked(Time at) override { scraper_.busy(at); }
  void on_load(std::string_view address, const Load& load) override;
  void on_lost(std::string_view address, std::string_view reason) override;
  void on_silent(std::string_view address, std::string_view reason) override;
  void on_models(std::string_view address, std::vector<ServedModel> models) override;
  void answered();
  void work();

  Loop& loop_;
  const KeeperOptions options_;
  SeriesTable table_;
  Scraper scraper_;
  Pool pool_;
  Loop::Timer timer_;
  std::unique_ptr<EndpointsFile> file_;
  bool was_ready_ = false;
  // What wake() has posted may come after the end of `this`.
  std::shared_ptr<PoolKeeper*> self_ = std::make_shared<PoolKeeper*>(this);
};

}  // namespace sluice::picker
