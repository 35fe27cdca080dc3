#include "picker/exchange/keeper.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace sluice::picker {

PoolKeeper::PoolKeeper(Loop& loop, KeeperOptions options)
    : loop_(loop),
      options_(std::move(options)),
      table_(options_.series),
      scraper_(loop_, options_.scrape, table_, *this),
      pool_(options_.pool, *this) {}

PoolKeeper::~PoolKeeper() { *self_ = nullptr; }

void PoolKeeper::set_endpoints(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> addresses;
  addresses.reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) addresses.push_back(endpoint.address);
  pool_.set_endpoints(endpoints);
  scraper_.set_addresses(addresses);
  was_ready_ = was_ready_ && !addresses.empty();
}

void PoolKeeper::follow(std::unique_ptr<EndpointsFile> file, const std::vector<Endpoint>& endpoints,
                        std::function<void(std::size_t)> changed,
                        std::function<void(const Problem&)> failed) {
  file_ = std::move(file);
  set_endpoints(endpoints);
  file_->watch(
      loop_,
      [this, changed = std::move(changed)](const std::vector<Endpoint>& now) {
        changed(now.size());
        set_endpoints(now);
      },
      std::move(failed));
}

void PoolKeeper::on_load(std::string_view address, const Load& load) {
  pool_.observe(address, load);
  answered();
}

void PoolKeeper::on_lost(std::string_view address, std::string_view reason) {
  if (options_.on_lost) options_.on_lost(address, reason);
  pool_.lost(address);
  answered();
}

void PoolKeeper::on_silent(std::string_view address, std::string_view reason) {
  if (options_.on_silent) options_.on_silent(address, reason);
}

void PoolKeeper::on_models(std::string_view address, std::vector<ServedModel> models) {
  pool_.set_models(address, std::move(models));
}

void PoolKeeper::answered() {
  if (was_ready_ || !scraper_.complete()) return;
  was_ready_ = true;
  if (options_.on_ready) options_.on_ready();
}

void PoolKeeper::wake() {
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->work();
  });
}

void PoolKeeper::work() {
  const std::optional<Time> next = pool_.work();
  timer_.reset();
  if (!next) return;
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(*next - pool_.now());
  timer_ = loop_.after(std::max(std::chrono::milliseconds(0), delay), [this] { work(); });
}

}  // namespace sluice::picker
