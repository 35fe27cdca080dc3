#include "control/cluster.h"

#include <array>
#include <chrono>
#include <future>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace sluice::control {
namespace {

// How long an exit waits for the API server to hear that we do not lead any more, nor have any Envoys.
constexpr std::chrono::seconds kResign{2};

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "sluice";
}

// No other replica has it, not even one that ran here before.
std::string identity() {
  std::random_device random;
  return fmt::format("{}_{:08x}{:08x}", host_name(), random(), random());
}

kube::Election::Options election_of(const ClusterProvider& provider, const std::string& controller_name) {
  kube::Election::Options options = provider.lease;
  if (options.name_space.empty()) options.name_space = provider.access.name_space;
  if (options.name.empty()) options.name = lease_name(controller_name);
  if (options.identity.empty()) options.identity = identity();
  return options;
}

// Objects that run Envoys can be with their Gateways wherever these are looked at, and with us where Gateways
// are merged; or all are with us.
Infrastructure::Options infrastructure_options(const ClusterProvider& provider) {
  const infra::Settings& settings = *provider.infrastructure;
  std::set<std::string> of_gateways(provider.namespaces.begin(), provider.namespaces.end());
  Infrastructure::Options options{
      .controller = settings.controller, .namespaces = {}, .writes = provider.writes};
  if (settings.mode == infra::Mode::kControllerNamespace) {
    const bool all = of_gateways.empty();
    of_gateways.erase(settings.controller_namespace);
    options.namespaces = {settings.controller_namespace};
    if (all || !of_gateways.empty()) {
      options.elsewhere.emplace(Infrastructure::Options::Elsewhere{.namespaces = std::move(of_gateways),
                                                                   .except = settings.controller_namespace,
                                                                   .deletes = provider.ran_with_gateways});
    }
  } else if (!of_gateways.empty()) {
    of_gateways.insert(settings.controller_namespace);
    options.namespaces = std::move(of_gateways);
  }
  return options;
}

// What `start` gets is to be called once.
std::future<void> promised(const std::function<void(std::function<void()>)>& start) {
  const auto promise = std::make_shared<std::promise<void>>();
  std::future<void> done = promise->get_future();
  start([promise] { promise->set_value(); });
  return done;
}

// A process that starts again in this pod goes on with the report of the one before.
ReplicaName replica_of(const ClusterProvider& provider, const std::string& controller_name) {
  ReplicaName replica{.name_space = election_of(provider, controller_name).name_space,
                      .controller_name = controller_name,
                      .name = election_of(provider, controller_name).identity,
                      .pod_uid = ""};
  if (!provider.pod_name.empty() && !provider.pod_uid.empty()) {
    replica.name = provider.pod_name;
    replica.pod_uid = provider.pod_uid;
  }
  return replica;
}

}  // namespace

std::string lease_name(const std::string& controller_name) {
  std::string name = "sluice.";
  for (const char c : controller_name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    name += fits ? c : '-';
  }
  return name;
}

Cluster::Cluster(const ClusterProvider& provider, const std::string& controller_name, Hooks hooks)
    : provider_(provider), hooks_(std::move(hooks)), client_(provider.access) {
  statuses_ =
      std::make_unique<StatusWriter>(client_, StatusWriter::Options{.controller_name = controller_name,
                                                                    .writes = provider.writes,
                                                                    .patience = provider.patience,
                                                                    .now = nullptr});
  reviewer_ = std::make_unique<kube::TokenReviewer>(client_, provider.token_audience);
  if (provider.certificates) {
    certificates_ =
        std::make_unique<CertificateSecrets>(client_, *provider.certificates, hooks_.certificates);
  }
  if (provider.infrastructure) {
    infrastructure_ =
        std::make_unique<Infrastructure>(client_, infrastructure_options(provider), hooks_.infrastructure);
  }
  if (provider.elects) {
    reports_ =
        std::make_unique<ReplicaReports>(client_, replica_of(provider, controller_name), hooks_.on_report);
  }
  if (!provider.elects) {
    client_.post([this] { lead(true); });
    return;
  }
  lease_ = std::make_unique<kube::Lease>(
      client_, election_of(provider, controller_name),
      kube::Lease::Events{.leads = [this](bool leads) { lead(leads); },
                          .holder = nullptr,
                          .problem =
                              [this](const std::string& text) {
                                Problem problem;
                                if (!text.empty()) {
                                  problem.code = "cluster/election";
                                  problem.severity = Severity::kWarning;
                                  problem.message =
                                      fmt::format("which replica leads cannot be agreed on: {}", text);
                                  problem.suggestion = "statuses are not written while none leads";
                                }
                                hooks_.on_election(std::move(problem));
                              }});
}

Cluster::~Cluster() {
  std::vector<std::future<void>> goodbyes;
  if (reports_ != nullptr)
    goodbyes.push_back(promised([this](auto done) { reports_->retire(std::move(done)); }));
  if (lease_ != nullptr) goodbyes.push_back(promised([this](auto done) { lease_->resign(std::move(done)); }));
  const auto end = std::chrono::steady_clock::now() + kResign;
  for (const std::future<void>& goodbye : goodbyes) goodbye.wait_until(end);
  lease_.reset();
  reports_.reset();
  certificates_.reset();
  reviewer_.reset();
  infrastructure_.reset();
  statuses_.reset();
  client_.stop();
}

void Cluster::lead(bool leads) {
  statuses_->set_leads(leads);
  if (certificates_ != nullptr) certificates_->set_leads(leads);
  if (infrastructure_ != nullptr) infrastructure_->set_leads(leads);
  hooks_.on_leads(leads);
}

void Cluster::committed(const Pipeline& pipeline, bool complete) {
  statuses_->commit(pipeline);
  if (infrastructure_ != nullptr) infrastructure_->commit(pipeline, complete);
}

void Cluster::release(const ir::ProxyKey& proxy) {
  if (infrastructure_ != nullptr) infrastructure_->release(proxy);
}

std::unique_ptr<source::Source> Cluster::watch(const Pipeline& pipeline) {
  source::ClusterOptions options{.namespaces = provider_.namespaces,
                                 .namespace_selector = provider_.namespace_selector,
                                 .own_namespace = provider_.access.name_space};
  for (const KindStatuses& kind : pipeline.statuses()) options.with_status.insert(kind.kind);
  return source::watch_cluster(client_, std::move(options),
                               {.on_batch = hooks_.on_batch,
                                .on_waiting = hooks_.on_waiting,
                                .on_status = [this](const ObjectKey& object, const kube::Resource& resource,
                                                    std::optional<source::ServerStatus> status) {
                                  statuses_->seen(object, resource, std::move(status));
                                }});
}

}  // namespace sluice::control
