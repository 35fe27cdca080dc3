#include "control/run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <variant>

#include <fmt/format.h>
#include <malloc.h>

#include "admin/server.h"
#include "ads/server.h"
#include "base/log.h"
#include "control/clues.h"
#include "control/good_versions.h"
#include "control/handover.h"
#include "control/host_addresses.h"
#include "control/isolation.h"
#include "control/mailbox.h"
#include "control/module_store.h"
#include "control/modules.h"
#include "control/pipeline.h"
#include "control/problem_log.h"
#include "control/refusal_memory.h"
#include "control/retries.h"
#include "control/signals.h"
#include "observe/observer.h"
#include "proxy/proxy.h"
#include "source/files.h"
#include "status/document.h"
#include "translate/proxy_plan.h"
#include "translate/unserved.h"
#include "xds/bootstrap.h"

namespace sluice::control {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using translate::XdsKey;
using xds::ResourceType;

// Statuses are for people and scripts to look at: at most so often they are written.
constexpr std::chrono::milliseconds kStatusInterval{500};
// After this many runs of stages so much memory has come and gone that giving it back is worth some
// milliseconds.
constexpr std::uint64_t kRunsWorthATrim = 5'000;
// Objects that a log line names; more are counted.
constexpr std::size_t kNamed = 20;

struct Stop {
  int signal;
};
// All Envoys have ended.
struct Stopped {};

struct ModulesChanged {};
// Somebody wants to see the last commit.
struct Look {
  observe::Observer::Take take;
};
using Message = std::variant<source::Batch, ads::Event, proxy::Event, translate::HostAddresses,
                             ModulesChanged, Look, Stop, Stopped>;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::uint64_t thread_cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

class Control {
 public:
  explicit Control(const RunOptions& options)
      : options_(options), pipeline_(options.settings), refusals_(options.run_dir + "/refusals.json") {}

  int run();

 private:
  // What a proxy has been told, and how far it is.
  struct Proxy {
    ir::Proxy process;
    bool ready = false;
    std::uint64_t acknowledged = 0;
    std::optional<Problem> problem;    // as its last event had it
    std::set<std::string> aggregates;  // its route tables, itself for its listeners, and what is patched
  };

  bool start();
  std::expected<void, Problem> start_admin();
  void handle(source::Batch batch);
  void handle(ads::Event event);
  void handle(proxy::Event event);
  void handle(translate::HostAddresses host);
  void set_problem(Proxy& proxy, std::optional<Problem> problem);
  void handle(const Look& look);
  void handle(Stop stop);
  void handle(Stopped) { stopped_ = true; }
  void handle(ModulesChanged) { dirty_ = modules_.look() || dirty_; }
  void note_refusal(const ads::Rejected& rejected);
  void note_retries();
  std::optional<std::uint64_t> version_of(const Retries::Resource& resource) const;
  void carry_out(const std::vector<Isolation::Order>& orders);
  void refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal);
  void drop_refusal(const ObjectKey& object);
  std::vector<ObjectKey> named(const std::vector<ObjectKey>& suspects, const std::string& message) const;
  void commit();
  void hand_over();
  void note_changes();
  std::vector<ir::ProxyKey> serve();
  void end_orphans();
  void report_problems();
  void write_statuses();
  std::optional<Clock::time_point> wake_at() const;

  const RunOptions& options_;
  Pipeline pipeline_;
  Isolation isolation_{{.known_good =
                            [this](const ObjectKey& object) {
                              const auto present = pipeline_.object(object);
                              return present && good_->holds(object, *present);
                            },
                        .named = [this](const std::vector<ObjectKey>& suspects,
                                        const std::string& message) { return named(suspects, message); }}};
  RefusalMemory refusals_;
  Retries retries_{std::random_device()()};
  Mailbox<Message> mailbox_;
  std::unique_ptr<ads::Server> ads_;
  std::unique_ptr<proxy::Runner> runner_;
  std::unique_ptr<HostWatch> host_watch_;
  std::unique_ptr<source::Source> source_;
  Modules modules_{pipeline_, [this] {
                     return start_module_store(
                         {.cache{.folder = options_.run_dir + "/wasm"},
                          .look_again = std::chrono::seconds(options_.look_again_seconds)},
                         [this] { mailbox_.post(ModulesChanged{}); });
                   }};
  observe::Observer observer_{{
      .snapshot = [this](observe::Observer::Take take) { mailbox_.post(Look{std::move(take)}); },
      .locate = [this](Problem& problem) { source_->locate(problem); },
      .ask_envoy = [this](const ir::ProxyKey& proxy,
                          auto done) { runner_->ask(proxy, "/clusters?format=json", std::move(done)); },
  }};
  std::unique_ptr<admin::Server> admin_;  // its thread uses the rest: it is the first to end

  std::uint64_t commit_ = 0;
  bool dirty_ = false;
  std::uint64_t runs_since_trim_ = 0;
  std::vector<std::string> changed_;  // objects, for the log
  // Held back or let go since the last commit, with the version that was committed then.
  std::map<ObjectKey, std::optional<api::Object>> ordered_;
  std::map<ir::ProxyKey, Proxy> proxies_;
  Handover handover_;
  std::map<ir::ProxyKey, Proxy> leaving_;  // those that are not wanted, and wait in handover_
  std::optional<GoodVersions> good_;       // from the start on, when the folder is ours
  // Clusters, endpoints and secrets that a proxy refused, by version: it keeps what it had, and nothing else
  // suffers.
  struct RefusedResource {
    ResourceType type;
    XdsKey key;
    std::uint64_t version;
    Problem problem;
  };
  std::vector<RefusedResource> refused_;
  std::vector<Problem> source_problems_;
  bool partial_ = false;  // as the last batch said
  ProblemLog problem_log_;
  std::shared_ptr<const std::vector<Problem>> known_problems_;  // null: to be made for who looks next
  std::optional<Clock::time_point> statuses_due_;
  bool stopping_ = false;
  bool stopped_ = false;
};

bool Control::start() {
  Problem problem;
  const std::string xds_socket = options_.run_dir + "/xds.sock";
  proxy::Options proxies;
  proxies.envoy_path = options_.envoy_path;
  proxies.extra_args = options_.envoy_args;
  proxies.run_dir = options_.run_dir;
  proxies.xds_socket = xds_socket;
  proxies.render = xds::render_bootstrap;
  // The runner first: it takes the lock that makes this folder ours.
  runner_ =
      proxy::start_runner(proxies, [this](proxy::Event event) { mailbox_.post(std::move(event)); }, &problem);
  if (runner_ != nullptr) {
    ads::Options ads;
    ads.socket_path = xds_socket;
    ads_ = ads::start_server(
        ads,
        [this](ads::Event event) {
          if (const auto* sent = std::get_if<ads::Sent>(&event)) return observer_.sent(*sent);
          mailbox_.post(std::move(event));
        },
        &problem);
  }
  if (ads_ != nullptr) {
    if (auto started = start_admin(); !started) problem = std::move(started).error();
  }
  if (admin_ == nullptr) {
    log(Level::kError, "cannot start",
        {{"code", problem.code}, {"problem", problem.message}, {"suggestion", problem.suggestion}});
    return false;
  }
  good_.emplace(options_.run_dir + "/good.journal");
  translate::HostAddresses host;
  host_watch_ =
      watch_host_addresses(&host, [this](translate::HostAddresses now) { mailbox_.post(std::move(now)); });
  if (host_watch_ == nullptr) log(Level::kWarning, "the addresses of the host are not followed", {});
  pipeline_.set_host(std::move(host));
  source::Batch first;
  source_ = source::watch_files(options_.paths, options_.run_dir + "/files.journal", &first,
                                [this](source::Batch batch) { mailbox_.post(std::move(batch)); });
  const bool nothing = first.upserted.empty();
  handle(std::move(first));
  for (const auto& [object, refusal] : refusals_.refusals()) {
    pipeline_.refuse(object, refusal);
    if (refusal->last_good && !good_->find(object)) good_->set(object, *refusal->last_good);
  }
  if (nothing) log(Level::kWarning, "no resources yet", {{"paths", options_.paths}});
  dirty_ = true;
  commit();
  if (!partial_)
    good_->keep_only([this](const ObjectKey& object) { return pipeline_.object(object).has_value(); });
  return true;
}

std::expected<void, Problem> Control::start_admin() {
  auto server = admin::start_server({.socket_path = options_.run_dir + "/admin.sock",
                                     .tcp_address = options_.admin_address,
                                     .host_names = options_.admin_hosts,
                                     .handlers = observer_.handlers()});
  if (!server) return std::unexpected(std::move(server).error());
  admin_ = *std::move(server);
  const std::string address = admin_->tcp_address();
  const std::string file = options_.run_dir + "/admin.address";
  std::filesystem::remove(file);
  if (!address.empty()) std::ofstream(file) << address << "\n";
  log(Level::kInfo, "admin", {{"socket", options_.run_dir + "/admin.sock"}, {"address", address}});
  return {};
}

int Control::run() {
  const Signals signals([this](int signal) { mailbox_.post(Stop{signal}); });
  if (!start()) return 1;
  bool unsaved = false;
  while (!stopped_) {
    observer_.idle();
    std::vector<Message> messages = mailbox_.take(unsaved ? Clock::now() : wake_at());
    observer_.busy(Clock::now());
    for (Message& message : messages) {
      std::visit([this](auto& what) { handle(std::move(what)); }, message);
    }
    for (const Retries::Resource& resource : retries_.take_due(Clock::now())) {
      ads_->retry(resource.key.proxy, resource.type, resource.key.name);
    }
    if (dirty_) commit();
    hand_over();
    if (statuses_due_ && Clock::now() >= *statuses_due_) write_statuses();
    unsaved = good_->save();
  }
  while (good_->save()) {
  }
  write_statuses();
  return 0;
}

// The first signal has the Envoys drain, which are served meanwhile as ever; the second ends them.
void Control::handle(Stop stop) {
  log(Level::kInfo, "stopping", {{"signal", stop.signal}, {"at_once", stopping_}});
  if (std::exchange(stopping_, true)) return runner_->hurry();
  observer_.stopping();
  runner_->stop([this] { mailbox_.post(Stopped{}); });
}

void Control::handle(source::Batch batch) {
  observer_.read(batch.upserted.size(), batch.deleted.size(), batch.noticed);
  for (const api::BoundObject& object : batch.upserted) {
    pipeline_.upsert(object);
    changed_.push_back(object.key.to_string());
  }
  for (const ObjectKey& object : batch.deleted) {
    pipeline_.erase(object);
    isolation_.forget(object);
    good_->erase(object);
    drop_refusal(object);
    changed_.push_back(object.to_string());
  }
  problem_log_.remove_all(source_problems_);
  problem_log_.add_all(batch.problems);
  source_problems_ = std::move(batch.problems);
  partial_ = batch.partial;
  dirty_ = true;
}

void Control::handle(ads::Event event) {
  observer_.happened(event, Clock::now());
  std::visit(Overloaded{
                 [](const ads::Connected& e) {
                   log(Level::kInfo, "connected", {{"proxy", e.proxy}, {"node", e.node}});
                 },
                 [this](const ads::Disconnected& e) {
                   log(Level::kInfo, "disconnected", {{"proxy", e.proxy}, {"node", e.node}});
                   retries_.disconnected(e);
                 },
                 [this](const ads::Acknowledged& e) {
                   log(Level::kInfo, "acknowledged",
                       {{"proxy", e.proxy}, {"node", e.node}, {"commit", e.commit}});
                   const auto proxy = proxies_.find(e.proxy);
                   if (proxy == proxies_.end()) return;
                   const bool first = proxy->second.acknowledged == 0;
                   proxy->second.acknowledged = std::max(proxy->second.acknowledged, e.commit);
                   if (proxy->second.ready) handover_.serves(e.proxy, e.commit);
                   isolation_.acknowledged(proxy->second.aggregates, e.commit);
                   retries_.acknowledged(e, [this](const auto& resource) { return version_of(resource); });
                   if (first) {
                     pipeline_.set_proxy_state(e.proxy, {proxy->second.ready, true, ""});
                     dirty_ = true;
                   }
                 },
                 [this](const ads::Rejected& e) { note_refusal(e); },
                 [this](const ads::Recovered& e) {
                   log(Level::kInfo, "recovered",
                       {{"proxy", e.proxy},
                        {"node", e.node},
                        {"type", xds::type_url(e.type)},
                        {"resource", e.name}});
                   retries_.recovered(e);
                 },
                 [](const ads::Stuck& e) {
                   log(Level::kWarning, "clusters do not get warm",
                       {{"proxy", e.proxy}, {"node", e.node}, {"clusters", e.clusters}});
                 },
                 [](const ads::Sent&) {},  // was counted where it came from
             },
             event);
  for (const ObjectKey& good : isolation_.take_good()) {
    // While a module is on its way, it is the version before that proxies have accepted.
    const bool is_whole =
        good.kind != api::kind_of<api::EnvoyExtensionPolicy>() || modules_.are_there(good.name);
    if (const auto object = pipeline_.object(good); object && is_whole) good_->set(good, *object);
    drop_refusal(good);
  }
  carry_out(isolation_.take());
  note_retries();
}

// A refused route table or listener is isolation's business, unless that can be no object's doing, and so is
// what is patched; of other resources the object is known at once.
void Control::note_refusal(const ads::Rejected& rejected) {
  const XdsKey key{rejected.proxy, rejected.name};
  const auto say = [&rejected](Level level) {
    log(level, "rejected",
        {{"proxy", rejected.proxy},
         {"node", rejected.node},
         {"type", xds::type_url(rejected.type)},
         {"resource", rejected.name},
         {"commit", rejected.commit},
         {"message", rejected.message}});
  };
  if (rejected.type == ResourceType::kRoutes || rejected.type == ResourceType::kListener) {
    const bool listener = rejected.type == ResourceType::kListener;
    std::optional<translate::Unserved> why;
    if (listener) why = translate::read_bind_failure(rejected.message);
    if (!why &&
        !isolation_.rejected(listener ? rejected.proxy : rejected.name, rejected.commit, rejected.message)) {
      why = translate::Unserved{.address = "", .words = rejected.message};
    }
    if (why) why->another = rejected.holds_another;
    say(why && retries_.knows(rejected, *why) ? Level::kInfo : Level::kError);
    if (why && version_of({rejected.type, key}) == rejected.version) {
      retries_.refused(rejected, *std::move(why), Clock::now());
    }
    return;
  }
  say(Level::kError);
  // What a patch did to it is the policy's doing.
  const std::optional<std::string> aggregate = pipeline_.aggregate_of(rejected.type, key);
  if (aggregate && isolation_.rejected(*aggregate, rejected.commit, rejected.message)) return;
  const ObjectKey* owner = pipeline_.owner_of_cluster(key);
  refused_.push_back({rejected.type,
                      key,
                      rejected.version,
                      {.code = "value/rejected",
                       .severity = Severity::kError,
                       .where = {},
                       .object = owner == nullptr ? ObjectKey{} : *owner,
                       .path = "",
                       .message = fmt::format("the proxy rejected {}: {}", rejected.name, rejected.message),
                       .suggestion = ""}});
  problem_log_.add(refused_.back().problem);
  dirty_ = true;
}

std::optional<std::uint64_t> Control::version_of(const Retries::Resource& resource) const {
  const Rendered* present = pipeline_.resources(resource.type).get(resource.key);
  return present == nullptr ? std::nullopt : std::optional(present->version);
}

// Has the pipeline know what proxies do not serve for reasons of their own.
void Control::note_retries() {
  for (auto& [resource, why] : retries_.take_changes()) {
    pipeline_.set_unserved(resource.key, std::move(why));
    dirty_ = true;
  }
}

void Control::refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  refusals_.set(object, refusal);
  pipeline_.refuse(object, std::move(refusal));
  dirty_ = true;
}

// For the object is gone, or a later version of it is good: going back to what was refused then is another
// try, and the last good version is not that of then.
void Control::drop_refusal(const ObjectKey& object) {
  if (refusals_.refusals().contains(object)) refuse(object, nullptr);
}

void Control::carry_out(const std::vector<Isolation::Order>& orders) {
  std::array<std::vector<std::string>, 3> said;
  for (const Isolation::Order& order : orders) {
    const std::optional<api::Object> present = pipeline_.object(order.object);
    ordered_[order.object] = present;
    std::shared_ptr<const Refusal> refusal;
    if (order.hold && present) {
      refusal = std::make_shared<const Refusal>(Refusal{.refused = *present,
                                                        .last_good = good_->find(order.object),
                                                        .message = order.message,
                                                        .guilty = order.guilty,
                                                        .code = pipeline_.code_of(order.object)});
    }
    refuse(order.object, std::move(refusal));
    if (order.hold && order.guilty) observer_.held_back(order.object);
    said[!order.hold ? 0 : order.guilty ? 2 : 1].push_back(order.object.to_string());
  }
  constexpr std::pair<Level, std::string_view> kWords[] = {
      {Level::kInfo, "let go"}, {Level::kInfo, "held back"}, {Level::kError, "refused"}};
  for (std::size_t i = 0; i < said.size(); ++i) {
    const std::size_t all = said[i].size();
    if (all == 0) continue;
    if (all > kNamed) said[i].resize(kNamed);
    log(kWords[i].first, kWords[i].second, {{"objects", all}, {"changed", said[i]}});
  }
}

// Where a message names an object's plugin, or says something of the objects' texts, that is nearly always
// who is at fault.
std::vector<ObjectKey> Control::named(const std::vector<ObjectKey>& suspects,
                                      const std::string& message) const {
  std::vector<ObjectKey> found;
  for (const ObjectKey& suspect : suspects) {
    const auto is_named = [&message](const std::string& plugin) { return message.contains(plugin); };
    if (std::ranges::any_of(pipeline_.plugins_of(suspect), is_named)) found.push_back(suspect);
  }
  if (!found.empty()) return found;
  std::vector<std::string> texts;
  texts.reserve(suspects.size());
  for (const ObjectKey& suspect : suspects) {
    const auto object = pipeline_.object(suspect);
    texts.push_back(object ? api::write_object(*object) : "");
  }
  for (const std::size_t i : pointed_at(texts, message)) found.push_back(suspects[i]);
  return found;
}

void Control::handle(proxy::Event event) {
  observer_.happened(event);
  log(Level::kInfo, "proxy",
      {{"proxy", event.proxy},
       {"state", observe::state_name(event.state)},
       {"pid", event.pid},
       {"message", event.message}});
  const bool ready = event.state == proxy::State::kReady;
  if (const auto leaving = leaving_.find(event.proxy); leaving != leaving_.end())
    leaving->second.ready = ready;
  const auto proxy = proxies_.find(event.proxy);
  if (proxy == proxies_.end()) return;
  const translate::ProxyPlan* plan = pipeline_.proxies().get(event.proxy);
  if (event.problem && !event.problem->path.empty() && plan != nullptr) {
    event.problem->object = translate::configured_by(*plan);
  }
  set_problem(proxy->second, event.problem);
  proxy->second.ready = ready;
  if (ready) handover_.serves(event.proxy, proxy->second.acknowledged);
  pipeline_.set_proxy_state(event.proxy, {proxy->second.ready, proxy->second.acknowledged > 0,
                                          event.problem ? event.problem->message : event.message});
  dirty_ = true;
}

void Control::handle(translate::HostAddresses host) {
  log(Level::kInfo, "host", {{"addresses", host.all}});
  pipeline_.set_host(std::move(host));
  dirty_ = true;
}

void Control::set_problem(Proxy& proxy, std::optional<Problem> problem) {
  if (proxy.problem) problem_log_.remove(*proxy.problem);
  if (problem) problem_log_.add(*problem);
  proxy.problem = std::move(problem);
}

void Control::handle(const Look& look) {
  auto snapshot = std::make_shared<observe::Snapshot>();
  snapshot->commit = commit_;
  snapshot->controller_name = options_.settings.controller_name;
  for (const KindStatuses& kind : pipeline_.statuses()) {
    auto& rows = snapshot->statuses.emplace_back(kind.kind).rows;
    kind.table.for_each_shared([&](const auto& name, const auto& row) { rows.emplace_back(name, row); });
  }
  pipeline_.routes().for_each_shared(
      [&](const ObjectKey& route, const auto& row) { snapshot->routes.emplace_back(route, row); });
  for (const ir::ProxyKey& proxy : pipeline_.proxies().sorted_keys()) {
    snapshot->proxies.push_back(pipeline_.proxies().get_shared(proxy));
  }
  if (known_problems_ == nullptr) {
    known_problems_ = std::make_shared<const std::vector<Problem>>(problem_log_.all());
  }
  snapshot->problems = known_problems_;
  look.take(std::move(snapshot));
}

void Control::commit() {
  dirty_ = false;
  const std::uint64_t before = thread_cpu_us();
  const flow::CommitStats stats = pipeline_.commit();
  ++commit_;
  runs_since_trim_ += stats.runs;
  isolation_.trial_committed(commit_);
  modules_.follow();
  note_changes();
  retries_.committed([this](const auto& resource) { return version_of(resource); });
  note_retries();
  refusals_.save();  // before any proxy is sent what depends on it
  const std::vector<ir::ProxyKey> served = serve();
  if (!partial_) end_orphans();
  observer_.served(commit_, served, Clock::now());
  const std::uint64_t cpu_us = thread_cpu_us() - before;
  observer_.committed(commit_, stats, std::chrono::microseconds(cpu_us));
  observer_.objects(pipeline_.count_objects());
  // Refusals of versions that are no more are kept: going back to one is no news.
  observer_.held_back(
      static_cast<std::size_t>(std::ranges::count_if(refusals_.refusals(), [this](const auto& refusal) {
        const std::optional<api::Object> present = pipeline_.object(refusal.first);
        return refusal.second->guilty && present && refusals_.holds(refusal.first, *present);
      })));
  if (!changed_.empty()) {
    const std::size_t all = changed_.size();
    if (all > kNamed) changed_.resize(kNamed);
    log(Level::kInfo, "commit",
        {{"commit", commit_},
         {"changed", changed_},
         {"objects", all},
         {"proxies", served},
         {"runs", stats.runs},
         {"cpu_us", cpu_us}});
    changed_.clear();
  }
  report_problems();
  pipeline_.forget_changes();
  if (!statuses_due_) statuses_due_ = Clock::now() + kStatusInterval;
}

// Tells isolation which objects bring what is new: not those of which isolation's order is all that is new,
// nor those of which the version is refused already.
void Control::note_changes() {
  for (const Pipeline::Contributor& contributor : pipeline_.changed_contributors()) {
    const std::optional<api::Object> present = pipeline_.object(contributor.object);
    const auto order = ordered_.find(contributor.object);
    if (order != ordered_.end() && order->second == present) continue;
    if (contributor.refused) continue;
    isolation_.changed(commit_, contributor.object, contributor.aggregates);
  }
  ordered_.clear();
}

// Hands ADS and the runner what the commit changed. The proxies for which it changed something: they will
// acknowledge.
std::vector<ir::ProxyKey> Control::serve() {
  std::map<ir::ProxyKey, ads::Update> updates;
  for (const ResourceType type : {ResourceType::kCluster, ResourceType::kEndpoints, ResourceType::kSecret,
                                  ResourceType::kListener, ResourceType::kRoutes}) {
    for (const auto& change : pipeline_.resources(type).changes()) {
      ads::Update& update = updates[change.key.proxy];
      if (change.after == nullptr) {
        update.removed.emplace_back(type, change.key.name);
        continue;
      }
      ads::Resource resource{.type = type,
                             .name = change.key.name,
                             .version = change.after->version,
                             .bytes = change.after->bytes,
                             .clusters = {},
                             .route_tables = {}};
      if (change.after->names != nullptr) {
        resource.clusters = change.after->names->clusters;
        resource.route_tables = change.after->names->route_tables;
      }
      update.changed.push_back(std::move(resource));
    }
  }
  std::vector<ir::ProxyKey> removed;
  for (const auto& change : pipeline_.proxies().changes()) {
    if (change.after == nullptr) {
      log(Level::kInfo, "proxy removed", {{"proxy", change.key}});
      observer_.removed(change.key);
      ads_->remove(change.key);
      handover_.gone(change.key);
      set_problem(proxies_[change.key], std::nullopt);
      removed.push_back(change.key);
      updates.erase(change.key);
      continue;
    }
    const bool fresh = !proxies_.contains(change.key);
    Proxy& proxy = proxies_[change.key];
    if (handover_.stay(change.key)) {
      const auto back = leaving_.extract(change.key);
      proxy.process = back.mapped().process;
      proxy.ready = back.mapped().ready;
    }
    proxy.aggregates = {change.key, Pipeline::patched_aggregate(change.key)};
    for (const translate::RouteTablePlan& table : change.after->route_tables)
      proxy.aggregates.insert(table.name);
    const ir::Proxy& process = change.after->proxy;
    if (fresh || !(proxy.process == process)) {
      proxy.process = process;
      updates[change.key];
      runner_->ensure(process);
    }
    if (fresh) {
      pipeline_.set_proxy_state(change.key, {proxy.ready, false, ""});
      dirty_ = true;
      log(Level::kInfo, "proxy added", {{"proxy", change.key}, {"ports", process.ports}});
      observer_.added(change.key, process.ports);
    }
  }
  std::vector<ir::ProxyKey> served;
  for (auto& [proxy, update] : updates) {
    served.push_back(proxy);
    update.commit = commit_;
    ads_->update(proxy, std::move(update));
  }
  for (const ir::ProxyKey& proxy : removed) {
    auto left = proxies_.extract(proxy);
    std::set<ir::ProxyKey> heirs;
    for (const ir::ProxyKey& other : served) {
      const auto takes = [&](std::uint16_t port) {
        return std::ranges::find(proxies_.at(other).process.ports, port) !=
               proxies_.at(other).process.ports.end();
      };
      if (std::ranges::any_of(left.mapped().process.ports, takes)) heirs.insert(other);
    }
    handover_.leave(proxy, commit_, std::move(heirs), Clock::now());
    leaving_.insert(std::move(left));
  }
  return served;
}

// Ends the Envoys that the last sluice has left and that nothing wants. Which ports they have is not known:
// they wait for all that serve now.
void Control::end_orphans() {
  for (const ir::ProxyKey& orphan : runner_->adopted()) {
    if (proxies_.contains(orphan) || leaving_.contains(orphan)) continue;
    std::set<ir::ProxyKey> heirs;
    for (const auto& [key, proxy] : proxies_) {
      if (!proxy.ready || proxy.acknowledged == 0) heirs.insert(key);
    }
    handover_.leave(orphan, commit_, std::move(heirs), Clock::now());
    leaving_.emplace(orphan, Proxy{});
  }
}

void Control::report_problems() {
  const Pipeline::ProblemChanges changes = pipeline_.problem_changes();
  problem_log_.remove_all(changes.removed);
  problem_log_.add_all(changes.added);
  std::erase_if(refused_, [this](const RefusedResource& r) {
    const Rendered* present = pipeline_.resources(r.type).get(r.key);
    if (present != nullptr && present->version == r.version) return false;
    problem_log_.remove(r.problem);
    return true;
  });
  const ProblemLog::News news = problem_log_.report([this](Problem& problem) { source_->locate(problem); });
  if (news.empty()) return;
  known_problems_ = nullptr;
  observer_.problems(news.added, news.removed);
}

// Ends the Envoys of proxies that are no more and wait for nobody.
void Control::hand_over() {
  for (const ir::ProxyKey& proxy : handover_.take(Clock::now())) {
    leaving_.erase(proxy);
    runner_->remove(proxy);
  }
}

// When there is something to do though nobody has said anything.
std::optional<Clock::time_point> Control::wake_at() const {
  std::optional<Clock::time_point> wake = statuses_due_;
  for (const auto& at : {retries_.wake_at(), handover_.wake_at()}) {
    if (at) wake = wake ? std::min(*wake, *at) : *at;
  }
  return wake;
}

// Writes <run_dir>/status.yaml, whole.
void Control::write_statuses() {
  statuses_due_.reset();
  const std::string file = options_.run_dir + "/status.yaml";
  {
    std::ofstream out(file + ".new", std::ios::trunc);
    for (const KindStatuses& kind : pipeline_.statuses()) {
      for (const NamespacedName& name : kind.table.sorted_keys()) {
        const ObjectKey object{kind.kind, name};
        // A list of one after the other is one list.
        out << status::to_yaml(nlohmann::json::array(
            {status::document(object, *kind.table.get(name), options_.settings.controller_name)}));
      }
    }
  }
  std::error_code error;
  std::filesystem::rename(file + ".new", file, error);
  if (error) log(Level::kWarning, "cannot write statuses", {{"file", file}, {"error", error.message()}});
  if (runs_since_trim_ > kRunsWorthATrim) {
    malloc_trim(0);  // what reading and sending so much has taken
    runs_since_trim_ = 0;
  }
}

}  // namespace

int run(const RunOptions& options) {
  // One thread does nearly all of the work, so one arena is enough; and what is large, as a route table is
  // with every change, comes from the kernel and goes back there at once.
  constexpr int kLarge = 256 * 1024;
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, kLarge);
  Control control(options);
  return control.run();
}

}  // namespace sluice::control
