#include "picker/service/server.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "picker/exchange/endpoints_file.h"
#include "picker/exchange/names.h"

namespace sluice::picker {
namespace {

// What goes with a body in a message.
constexpr std::size_t kMessageRoom = 1 << 20;

class RunningServer final : public PickerServer {
 public:
  RunningServer(ServerOptions options, std::function<void(const Problem&)> report)
      : options_(std::move(options)), report_(std::move(report)) {}

  bool start(Problem* problem) {
    auto file = std::make_unique<EndpointsFile>(options_.endpoints, options_.endpoints_file);
    const auto endpoints = file->read();
    if (!endpoints) {
      *problem = endpoints.error();
      return false;
    }
    extproc::Options& server = options_.server;
    server.threads = 1;
    server.limits.max_message_bytes = options_.service.pool.max_body_bytes + kMessageRoom;
    server.limits.max_partial_bytes = options_.service.pool.max_held_bytes;
    server.limits.max_unsent_bytes = options_.service.pool.max_held_bytes;
    server.health_services = {"", std::string(kLiveness)};
    const auto make = [&](Loop& loop) {
      auto service = std::make_unique<PickerService>(loop, options_.service);
      loop_ = &loop;
      service_ = service.get();
      service_->when_ready([this] { become_ready(); });
      service_->keeper().follow(
          std::move(file), *endpoints,
          [](std::size_t count) { log(Level::kInfo, "endpoints", {{"count", count}}); }, report_);
      return service;
    };
    server_ = extproc::start_server(server, make, report_, problem);
    if (server_ == nullptr) return false;
    // From its own loop, where it may be ready by now.
    loop_->post([this] { tell_readiness(); });
    return true;
  }

  const std::string& address() const override { return server_->address(); }
  bool ready() const override { return ready_; }
  void metrics(std::function<void(std::string)> callback) override {
    loop_->post([this, callback = std::move(callback)] { callback(service_->metrics()); });
  }
  void look(std::function<void(Pool&, std::vector<Scraper::Server>)> callback) override {
    loop_->post([this, callback = std::move(callback)] {
      PoolKeeper& keeper = service_->keeper();
      callback(keeper.pool(), keeper.servers());
    });
  }
  void update(std::vector<Endpoint> endpoints, TrafficRules rules, std::optional<Profile> profile,
              std::optional<Sources> sources) override {
    loop_->post([this, endpoints = std::move(endpoints), rules = std::move(rules),
                 profile = std::move(profile), sources = std::move(sources)]() mutable {
      if (sources) service_->keeper().set_sources(*sources);
      if (profile) service_->keeper().pool().set_profile(*std::move(profile));
      service_->set_rules(std::move(rules));
      service_->set_endpoints(std::move(endpoints));
    });
  }
  void drain(std::chrono::milliseconds timeout) override { server_->drain(timeout); }

 private:
  // On the loop, as all that follows.
  void become_ready() {
    ready_ = true;
    if (told_) tell_readiness();
  }
  void tell_readiness() {
    told_ = true;
    for (const std::string_view name : {kReadiness, kExtProc})
      server_->set_serving(std::string(name), ready_);
    if (ready_) log(Level::kInfo, "ready", {});
  }

  ServerOptions options_;
  std::function<void(const Problem&)> report_;
  std::atomic<bool> ready_ = false;
  bool told_ = false;
  Loop* loop_ = nullptr;
  PickerService* service_ = nullptr;
  std::unique_ptr<extproc::Server> server_;  // has the loop
};

}  // namespace

std::unique_ptr<PickerServer> PickerServer::start(ServerOptions options,
                                                  std::function<void(const Problem&)> report,
                                                  Problem* problem) {
  auto server = std::make_unique<RunningServer>(std::move(options), std::move(report));
  if (!server->start(problem)) return nullptr;
  return server;
}

}  // namespace sluice::picker
