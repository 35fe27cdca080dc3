#include "control/run.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <variant>

#include <fmt/chrono.h>
#include <malloc.h>
#include <nlohmann/json.hpp>

#include "admin/server.h"
#include "ads/server.h"
#include "ads/words.h"
#include "base/log.h"
#include "control/certificate_folder.h"
#include "control/expiry.h"
#include "control/host_addresses.h"
#include "control/mailbox.h"
#include "control/module_server.h"
#include "control/module_store.h"
#include "control/modules.h"
#include "control/pickers.h"
#include "control/pipeline.h"
#include "control/problem_log.h"
#include "control/proxies.h"
#include "control/proxy_accounts.h"
#include "control/remarks.h"
#include "control/retries.h"
#include "control/signals.h"
#include "control/status_file.h"
#include "control/verdicts.h"
#include "observe/observer.h"
#include "proxy/proxy.h"
#include "source/files.h"
#include "translate/proxy_plan.h"
#include "translate/unserved.h"
#include "wasm/http.h"
#include "xds/bootstrap.h"

namespace sluice::control {
namespace {

using Clock = std::chrono::steady_clock;
using translate::XdsKey;
using xds::ResourceType;

// Statuses are for people and scripts to look at: at most so often they are written.
constexpr std::chrono::milliseconds kStatusInterval{500};
// In a pod, where nobody looks into files: the objects have them.
constexpr std::chrono::milliseconds kStatusIntervalInPods{5'000};
// Problems of a cluster's objects that are gone sooner are nobody's business: they come one after the other.
constexpr std::chrono::milliseconds kProblemsLast{1'000};
// A thousand of a cluster's objects come within seconds, each by itself, and a commit costs what a route
// table costs, here and in Envoys. So after one there is none for a while, of so many times its CPU; which is
// nothing after an endpoint's.
constexpr int kRest = 50;
constexpr std::chrono::milliseconds kLongestRest{100};
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
// Nobody listens on the port any more that an Envoy is to have.
struct PortFreed {
  std::uint16_t port;
};
// What keeps a cluster's source from telling anything.
struct Waiting {
  std::vector<Problem> problems;
};
// Whether this replica leads.
struct Leads {
  bool leads;
};
// Why it cannot be agreed on who leads; without a code: it can again.
struct Election {
  Problem problem;
};
// What ADS shows over TLS from now on.
struct NewCredentials {
  pki::Credentials credentials;
};
// What is wrong with certificates for that, all of it.
struct CertificateProblems {
  std::vector<Problem> problems;
};
// What the cluster has of what runs Envoys there, as far as that has changed.
struct Installed {
  Inventory::Installations installations;
};
// By which its nodes are reached.
struct Nodes {
  translate::NodeAddresses addresses;
};
// What is wrong with what runs Envoys, all of it.
struct InstallationProblems {
  std::vector<Problem> problems;
};
// What the Envoys of another replica said; nothing: it is gone.
struct Heard {
  std::string replica;
  std::optional<ReplicaReport> report;
};
// Somebody wants to see the last commit.
struct Look {
  observe::Observer::Take take;
};
using Message =
    std::variant<source::Batch, ads::Event, proxy::Event, translate::HostAddresses, ModulesChanged, PortFreed,
                 Waiting, Leads, Election, NewCredentials, CertificateProblems, Heard, Installed, Nodes,
                 InstallationProblems, Look, Stop, Stopped>;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};

std::uint64_t thread_cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

// For Envoys on other machines; on this one they have the file.
OwnModule served_module(const RunOptions& options) {
  return options.settings.on_host && options.modules_address.empty() ? OwnModule()
                                                                     : own_module(options.picker_module);
}

translate::Settings settings_of(const RunOptions& options, const OwnModule& served) {
  translate::Settings settings = options.settings;
  // Envoys look for what is there, from whatever folder they run in.
  settings.picker_folder = (std::filesystem::absolute(options.run_dir) / "pickers").lexically_normal();
  settings.picker_module = options.picker_module;
  if (!settings.on_host) settings.picker_module_sha256 = served.sha256;
  settings.module_server = options.modules_url;
  if (settings.module_server.empty() && !options.modules_address.empty()) {
    settings.module_server = "http://" + options.modules_address;
  }
  return settings;
}

class Control {
 public:
  explicit Control(const RunOptions& options)
      : options_(options),
        served_module_(served_module(options)),
        pipeline_(settings_of(options, served_module_), options.envoy_args) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control() {
    ads_.reset();      // before the cluster goes, which looks at tokens for it
    pickers_.close();  // before the admin server goes, which they give pages to
  }

  int run();

 private:
  bool start();
  ads::Options ads_options();
  // Whether Envoys are processes of this host.
  bool runs_envoys() const { return !options_.cluster || !options_.cluster->infrastructure; }
  std::expected<void, Problem> start_admin();
  std::expected<void, Problem> start_metrics();
  std::expected<void, Problem> start_modules();
  void start_source();
  void begin();
  void handle(source::Batch batch);
  void handle(Waiting waiting);
  void handle(Leads leads);
  void handle(Election election);
  void handle(NewCredentials now);
  void install(std::optional<std::string> ca_pem);
  void follow_accounts();
  void handle(CertificateProblems now) {
    replace_problems(certificate_problems_, std::move(now.problems));
    report_problems();
  }
  void handle(Heard heard);
  void acknowledged_elsewhere();
  void tell_others();
  void watch_certificates();
  ads::Tokens tokens();
  void handle(Installed installed);
  void handle(Nodes nodes);
  void handle(InstallationProblems now) {
    replace_problems(installation_problems_, std::move(now.problems));
    report_problems();
  }
  void replace_problems(std::vector<Problem>& known, std::vector<Problem> now);
  void handle(ads::Event event);
  void handle(proxy::Event event);
  void handle(translate::HostAddresses host);
  void set_problem(Proxies::Proxy& proxy, std::optional<Problem> problem);
  void handle(const Look& look);
  void handle(Stop stop);
  void handle(Stopped) { stopped_ = true; }
  void handle(PortFreed freed) { retries_.freed(freed.port, Clock::now()); }
  void handle(ModulesChanged) { dirty_ = modules_.look() || dirty_; }
  void note_refusal(const ads::Rejected& rejected);
  ads::Rejected with_reason(ads::Rejected rejected) const;
  void note_retries();
  std::optional<std::uint64_t> version_of(const Retries::Resource& resource) const;
  void commit();
  void hand_over();
  std::vector<ir::ProxyKey> serve();
  void report_problems();
  void tell_problems();
  void write_statuses();
  std::optional<Clock::time_point> wake_at() const;

  std::string xds_socket() const { return options_.run_dir + "/xds.sock"; }
  // Of the store, and of what is served from it.
  std::string modules_folder() const { return options_.run_dir + "/wasm"; }

  const RunOptions& options_;
  proxy::Options proxy_options_;
  const OwnModule served_module_;
  Pipeline pipeline_;
  Pickers pickers_;
  Retries retries_{std::random_device()()};
  Mailbox<Message> mailbox_;
  std::unique_ptr<ads::Server> ads_;
  std::unique_ptr<proxy::Runner> runner_;
  std::unique_ptr<HostWatch> host_watch_;
  ProxyAccounts proxy_accounts_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<CertificateFolder> certificate_folder_;
  std::unique_ptr<source::Source> source_;
  Modules modules_{pipeline_, [this] {
                     return start_module_store(
                         {.cache{.folder = modules_folder()},
                          .look_again = std::chrono::seconds(options_.look_again_seconds)},
                         [this] { mailbox_.post(ModulesChanged{}); });
                   }};
  observe::Observer observer_{{
      .snapshot = [this](observe::Observer::Take take) { mailbox_.post(Look{std::move(take)}); },
      .locate = [this](Problem& problem) { source_->locate(problem); },
      .ask_envoy = [this](const ir::ProxyKey& proxy,
                          auto done) { runner_->ask(proxy, "/clusters?format=json", std::move(done)); },
      .more_metrics =
          [this](const std::vector<ir::ProxyKey>& proxies, observe::Observer::Ways::More done) {
            pickers_.metrics(
                proxies,
                [this](const ir::ProxyKey& proxy, auto socket, auto answered) {
                  runner_->ask_part(proxy, std::move(socket), "/metrics", std::move(answered));
                },
                std::move(done));
          },
  }};
  std::unique_ptr<admin::Server> module_server_;
  std::unique_ptr<admin::Server> metrics_;  // its thread uses the rest, as that of the next: they end first
  std::unique_ptr<admin::Server> admin_;

  std::uint64_t commit_ = 0;
  bool begun_ = false;  // all that there is was read once: until then nothing is served, nor taken away
  std::vector<proxy::Event> early_;  // until then
  bool dirty_ = false;
  Clock::time_point rests_until_;  // before that there is no commit
  std::uint64_t runs_since_trim_ = 0;
  std::vector<std::string> changed_;  // objects, for the log
  Proxies proxies_{runs_envoys() ? Proxies::Heirs::kOfPorts : Proxies::Heirs::kOfGateways};
  std::vector<Problem> source_problems_;
  Problem election_problem_;
  std::vector<Problem> certificate_problems_;
  Problem credentials_problem_;  // with those that ADS was given last
  std::vector<Problem> installation_problems_;
  // Proxies that have acknowledged something: of our Envoys, and of other replicas'.
  std::set<ir::ProxyKey> serving_here_;
  std::set<ir::ProxyKey> serving_elsewhere_;
  bool news_ = true;                     // for other replicas; the first are that we are there
  bool partial_ = false;                 // as the last batch said
  std::set<std::uint16_t> taken_ports_;  // which the runner knows of
  ProblemLog problem_log_{options_.cluster ? kProblemsLast : std::chrono::milliseconds()};
  ExpiryWatch expiry_{pipeline_, problem_log_};
  Remarks remarks_{pipeline_, problem_log_};
  std::optional<Verdicts> verdicts_;                            // from the start on, when the folder is ours
  std::shared_ptr<const std::vector<Problem>> known_problems_;  // null: to be made for who looks next
  std::optional<Clock::time_point> statuses_due_;
  std::optional<StatusFile> status_file_;  // from the start on
  bool stopping_ = false;
  bool stopped_ = false;
};

ads::Options Control::ads_options() {
  ads::Options ads;
  ads.socket_path = xds_socket();
  ads.tcp_address = options_.xds_address;
  ads.tokens = tokens();
  return ads;
}

bool Control::start() {
  Problem problem;
  bool all = false;
  proxy::Options& proxies = proxy_options_;
  proxies.envoy_path = options_.envoy_path;
  proxies.extra_args = options_.envoy_args;
  proxies.launcher = options_.envoy_launcher;
  proxies.run_dir = options_.run_dir;
  proxies.xds_socket = xds_socket();
  proxies.render = xds::render_bootstrap;
  // The runner first: it takes the lock that makes this folder ours.
  runner_ =
      proxy::start_runner(proxies, [this](proxy::Event event) { mailbox_.post(std::move(event)); }, &problem);
  if (runner_ != nullptr) {
    ads_ = ads::start_server(
        ads_options(),
        [this](ads::Event event) {
          if (const auto* sent = std::get_if<ads::Sent>(&event)) return observer_.sent(*sent);
          mailbox_.post(std::move(event));
        },
        &problem);
  }
  if (ads_ != nullptr) {
    auto started = start_admin();
    if (started) started = start_metrics();
    if (started) started = start_modules();
    if (!started) problem = std::move(started).error();
    all = started.has_value();
  }
  if (!all) {
    log(Level::kError, "cannot start",
        {{"code", problem.code}, {"problem", problem.message}, {"suggestion", problem.suggestion}});
    return false;
  }
  verdicts_.emplace(options_.run_dir, pipeline_, problem_log_,
                    Verdicts::Hooks{.is_whole =
                                        [this](const ObjectKey& object) {
                                          return object.kind != api::kind_of<api::EnvoyExtensionPolicy>() ||
                                                 modules_.are_there(object.name);
                                        },
                                    .held_back = [this](const ObjectKey& o) { observer_.held_back(o); }});
  status_file_.emplace(options_.run_dir + "/status.yaml", options_.settings.controller_name);
  translate::HostAddresses host;
  host_watch_ =
      watch_host_addresses(&host, [this](translate::HostAddresses now) { mailbox_.post(std::move(now)); });
  if (host_watch_ == nullptr) log(Level::kWarning, "the addresses of the host are not followed", {});
  pipeline_.set_host(std::move(host));
  start_source();
  if (!options_.xds_address.empty()) watch_certificates();
  return true;
}

ads::Tokens Control::tokens() {
  if (!options_.cluster) return {};
  return {
      .review =
          [this](std::string token, ads::Tokens::Done done) {
            cluster_->review(std::move(token), [done = std::move(done)](kube::Review review) {
              if (!review) {
                return done(std::unexpected(
                    ads::TokenFault{review.error().is_refused, std::move(review.error().message)}));
              }
              done(ads::Account{std::move(review->name_space), std::move(review->account),
                                std::move(review->pod)});
            });
          },
      .authorize = [this](const ads::Account& account,
                          const ir::ProxyKey& proxy) { return proxy_accounts_.authorize(account, proxy); }};
}

// Those in a cluster are told by it.
void Control::watch_certificates() {
  if (options_.xds_certificates.empty()) return;
  certificate_folder_ = std::make_unique<CertificateFolder>(
      options_.xds_certificates, [this](std::expected<pki::Credentials, std::string> now) {
        CertificateProblems problems;
        if (!now) {
          Problem& problem = problems.problems.emplace_back();
          problem.code = "value/xds-certificate";
          problem.message = std::move(now).error();
          problem.suggestion = "`sluice certgen --out FOLDER` makes all that is needed";
        }
        mailbox_.post(std::move(problems));
        if (now) mailbox_.post(NewCredentials{*std::move(now)});
      });
}

// What files say is known at once; what a cluster has may take until its API server is there.
void Control::start_source() {
  if (options_.cluster) {
    log(Level::kInfo, "cluster",
        {{"server", options_.cluster->access.url()}, {"envoys", runs_envoys() ? "host" : "cluster"}});
    if (!runs_envoys()) {
      observer_.wait_for_nobody();
      install(std::nullopt);
    }
    cluster_ = std::make_unique<Cluster>(
        *options_.cluster, options_.settings.controller_name,
        Cluster::Hooks{
            .on_batch = [this](source::Batch batch) { mailbox_.post(std::move(batch)); },
            .on_waiting =
                [this](std::vector<Problem> problems) { mailbox_.post(Waiting{std::move(problems)}); },
            .on_leads = [this](bool leads) { mailbox_.post(Leads{leads}); },
            .on_election = [this](Problem problem) { mailbox_.post(Election{std::move(problem)}); },
            .certificates = {.credentials =
                                 [this](pki::Credentials now) {
                                   mailbox_.post(NewCredentials{std::move(now)});
                                 },
                             .renewed =
                                 [](const std::vector<std::string>& why) {
                                   log(Level::kInfo, "certificates renewed", {{"why", why}});
                                 },
                             .problems =
                                 [this](std::vector<Problem> now) {
                                   mailbox_.post(CertificateProblems{std::move(now)});
                                 }},
            .infrastructure = {.on_installations =
                                   [this](Inventory::Installations news) {
                                     mailbox_.post(Installed{std::move(news)});
                                   },
                               .on_nodes =
                                   [this](translate::NodeAddresses addresses) {
                                     mailbox_.post(Nodes{std::move(addresses)});
                                   },
                               .on_problems =
                                   [this](std::vector<Problem> problems) {
                                     mailbox_.post(InstallationProblems{std::move(problems)});
                                   }},
            .on_report =
                [this](const std::string& replica, std::optional<ReplicaReport> report) {
                  mailbox_.post(Heard{replica, std::move(report)});
                }});
    source_ = cluster_->watch(pipeline_);
    return;
  }
  source::Batch first;
  source_ = source::watch_files(options_.paths, options_.run_dir + "/files.journal", &first,
                                [this](source::Batch batch) { mailbox_.post(std::move(batch)); });
  const bool nothing = first.upserted.empty();
  handle(std::move(first));
  if (nothing) log(Level::kWarning, "no resources yet", {{"paths", options_.paths}});
}

// After the first batch.
void Control::begin() {
  begun_ = true;
  verdicts_->restore();
  commit();
  if (!partial_) verdicts_->keep_only_present();
  for (proxy::Event& event : std::exchange(early_, {})) handle(std::move(event));
}

std::expected<void, Problem> Control::start_modules() {
  const std::string& address = options_.modules_address;
  if (address.empty()) return {};
  const bool anywhere = address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
  if (options_.modules_url.empty() && (anywhere || address.ends_with(":0"))) {
    Problem nameless;
    nameless.code = "value/modules-address";
    nameless.message = "no Envoy can reach `" + address + "` by that name";
    nameless.suggestion = "say with --modules-url by which URL they do, as http://sluice.example:18002";
    return std::unexpected(std::move(nameless));
  }
  if (options_.settings.on_host) {
    log(Level::kWarning, "nobody fetches modules from here: Envoys of this machine are told files",
        {{"address", address}, {"suggestion", "set `runningOnHost: false` in the options"}});
  }
  const std::string url = settings_of(options_, served_module_).module_server;
  std::string name = wasm::host_of(url);
  name.resize(std::min(name.find(':'), name.size()));
  auto server = start_module_server(address, {std::move(name)}, modules_folder(), served_module_);
  if (!server) return std::unexpected(std::move(server).error());
  module_server_ = *std::move(server);
  log(Level::kInfo, "modules", {{"address", module_server_->tcp_address()}, {"url", url}});
  return {};
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
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  if (!address.empty()) std::ofstream(file) << address << "\n";
  log(Level::kInfo, "admin", {{"socket", options_.run_dir + "/admin.sock"}, {"address", address}});
  return {};
}

std::expected<void, Problem> Control::start_metrics() {
  if (options_.metrics_address.empty()) return {};
  auto server = admin::start_server({.socket_path = {},
                                     .tcp_address = options_.metrics_address,
                                     .host_names = options_.admin_hosts,
                                     .handlers = observer_.health_handlers()});
  if (!server) return std::unexpected(std::move(server).error());
  metrics_ = *std::move(server);
  log(Level::kInfo, "metrics", {{"address", metrics_->tcp_address()}});
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
    dirty_ = modules_.retry(Clock::now()) || dirty_;
    dirty_ = verdicts_->take_dirty() || dirty_;
    if (dirty_ && begun_ && Clock::now() >= rests_until_) commit();
    tell_others();
    if (expiry_.look_if_due(std::chrono::system_clock::now())) report_problems();
    if (const auto at = problem_log_.wake_at(); at && Clock::now() >= *at) tell_problems();
    hand_over();
    if (statuses_due_ && Clock::now() >= *statuses_due_) write_statuses();
    unsaved = verdicts_->save_good_versions();
  }
  while (verdicts_->save_good_versions()) {
  }
  if (begun_) write_statuses();
  return 0;
}

// The first signal has the Envoys drain, which are served meanwhile as ever; the second ends them. Where they
// are to be left, they go on for the next of us to adopt.
void Control::handle(Stop stop) {
  log(Level::kInfo, "stopping", {{"signal", stop.signal}, {"at_once", stopping_}});
  if (std::exchange(stopping_, true)) return runner_->hurry();
  observer_.stopping();
  if (options_.leave_envoys && stop.signal == SIGTERM) return mailbox_.post(Stopped{});
  runner_->stop([this] { mailbox_.post(Stopped{}); });
}

void Control::handle(source::Batch batch) {
  std::size_t upserted = 0;
  bool remarked = false;
  for (const api::BoundObject& object : batch.upserted) {
    const auto its = batch.remarks.find(object.key);
    remarked = remarks_.set(object.key,
                            its == batch.remarks.end() ? std::vector<Problem>() : std::move(its->second)) ||
               remarked;
    // In a cluster much changes of which nothing is read: statuses, ours among them.
    if (!pipeline_.upsert(object)) continue;
    ++upserted;
    changed_.push_back(object.key.to_string());
  }
  for (const ObjectKey& object : batch.deleted) {
    pipeline_.erase(object);
    remarks_.set(object, {});
    verdicts_->deleted(object);
    changed_.push_back(object.to_string());
  }
  const bool other = upserted + batch.deleted.size() > 0;
  if (other || !begun_) observer_.read(upserted, batch.deleted.size(), batch.noticed);
  const bool same = begun_ && !other && batch.problems == source_problems_ && batch.partial == partial_;
  if (same && !remarked) return;
  if (batch.problems != source_problems_) {
    pipeline_.set_unusable(batch.problems);
    replace_problems(source_problems_, std::move(batch.problems));
  }
  partial_ = batch.partial;
  dirty_ = true;
  if (!begun_) begin();
}

// Of problems that come as a whole each time.
void Control::replace_problems(std::vector<Problem>& known, std::vector<Problem> now) {
  problem_log_.remove_all(known);
  problem_log_.add_all(now);
  known = std::move(now);
}

void Control::handle(Waiting waiting) {
  replace_problems(source_problems_, std::move(waiting.problems));
  report_problems();
}

void Control::handle(Leads leads) {
  log(Level::kInfo, leads.leads ? "this replica leads" : "this replica does not lead", {});
}

void Control::handle(Election election) {
  if (!election_problem_.code.empty()) problem_log_.remove(election_problem_);
  election_problem_ = std::move(election.problem);
  if (!election_problem_.code.empty()) problem_log_.add(election_problem_);
  report_problems();
}

// Envoys that show tokens need to know by which authority we are, and are not made before that is known.
void Control::install(std::optional<std::string> ca_pem) {
  infra::Settings settings = *options_.cluster->infrastructure;
  if (settings.mode == infra::Mode::kGatewayNamespace) {
    if (!ca_pem) return;
    settings.ca_pem = *std::move(ca_pem);
  }
  pipeline_.set_infrastructure(std::move(settings));
  dirty_ = true;
}

// Whose tokens may ask for what a proxy gets.
void Control::follow_accounts() {
  for (const auto& change : pipeline_.objects_of_proxies().changes()) {
    if (change.after == nullptr) {
      proxy_accounts_.erase(change.key);
      continue;
    }
    for (const infra::Object& object : change.after->objects) {
      if (object.key.kind.kind() == "ServiceAccount") proxy_accounts_.set(change.key, object.key.name);
    }
  }
}

void Control::handle(NewCredentials now) {
  if (!credentials_problem_.code.empty()) problem_log_.remove(credentials_problem_);
  credentials_problem_ = {};
  if (const auto set = ads_->set_credentials(now.credentials); set) {
    const pki::Facts shown = pki::read_pair(now.credentials.own).value();
    log(Level::kInfo, "certificate",
        {{"names", shown.names},
         {"until", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", shown.until)},
         {"port", ads_->tcp_port()}});
    if (!runs_envoys()) install(std::move(now.credentials.authorities));
  } else {
    credentials_problem_ = set.error();
    problem_log_.add(credentials_problem_);
  }
  report_problems();
}

void Control::handle(Installed installed) {
  for (auto& [key, installation] : installed.installations) {
    proxies_.set_ready(key, installation && installation->available > 0);
    pipeline_.set_installation(key, std::move(installation));
  }
  dirty_ = true;
}

void Control::handle(Nodes nodes) {
  pipeline_.set_node_addresses(std::move(nodes.addresses));
  dirty_ = true;
}

void Control::handle(Heard heard) {
  if (heard.report) serving_elsewhere_.merge(std::set(heard.report->acknowledged));
  retries_.heard(heard.replica, heard.report ? heard.report->unserved : std::vector<UnservedResource>());
  verdicts_->heard(heard.replica, std::move(heard.report));
  acknowledged_elsewhere();
  note_retries();
}

// Proxies that serve are programmed, whoever tells them what.
void Control::acknowledged_elsewhere() {
  for (const ir::ProxyKey& key : serving_elsewhere_) {
    const Proxies::Proxy* const proxy = proxies_.find(key);
    if (proxy == nullptr || proxy->acknowledged > 0) continue;
    proxies_.acknowledge(key, 1);
    pipeline_.set_proxy_state(key, {proxy->ready, true, ""});
    dirty_ = true;
  }
}

void Control::tell_others() {
  if (cluster_ == nullptr || !begun_) return;
  const bool others = verdicts_->take_news();
  const bool unserved = retries_.take_news();
  if (!std::exchange(news_, false) && !others && !unserved) return;
  ReplicaReport report = verdicts_->report();
  report.acknowledged = serving_here_;
  report.unserved = retries_.report();
  cluster_->tell(std::move(report));
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
                   verdicts_->disconnected(e);
                 },
                 [this](const ads::Acknowledged& e) {
                   log(Level::kInfo, "acknowledged",
                       {{"proxy", e.proxy}, {"node", e.node}, {"commit", e.commit}});
                   const Proxies::Proxy* proxy = proxies_.find(e.proxy);
                   if (proxy == nullptr) return;
                   const bool first = proxies_.acknowledge(e.proxy, e.commit);
                   news_ = serving_here_.insert(e.proxy).second || news_;
                   verdicts_->acknowledged(proxy->aggregates, e.commit);
                   retries_.acknowledged(e, [this](const auto& resource) { return version_of(resource); });
                   if (first) {
                     pipeline_.set_proxy_state(e.proxy, {proxy->ready, true, ""});
                     dirty_ = true;
                   }
                 },
                 [this](const ads::Rejected& e) { note_refusal(with_reason(e)); },
                 [this](const ads::Recovered& e) {
                   log(Level::kInfo, "recovered",
                       {{"proxy", e.proxy},
                        {"node", e.node},
                        {"type", xds::type_url(e.type)},
                        {"resource", e.name}});
                   retries_.recovered(e);
                   verdicts_->recovered(e);
                 },
                 [](const ads::Stuck& e) {
                   log(Level::kWarning, "clusters do not get warm",
                       {{"proxy", e.proxy}, {"node", e.node}, {"clusters", e.clusters}});
                 },
                 [](const ads::Sent&) {},  // was counted where it came from
             },
             event);
  verdicts_->conclude();
  note_retries();
}

// Where a proxy's words are cut before the reason, its log has it: it writes that before it answers.
ads::Rejected Control::with_reason(ads::Rejected rejected) const {
  const std::size_t cut = rejected.message.find(ads::kReasonCutOff);
  if (cut == std::string::npos) return rejected;
  const auto reason = ads::last_reason(proxy::last_said(proxy_options_, rejected.proxy));
  if (reason) rejected.message.replace(cut, ads::kReasonCutOff.size(), *reason);
  return rejected;
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
        !verdicts_->rejected(listener ? rejected.proxy : rejected.name, rejected.commit, rejected.message)) {
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
  verdicts_->rejected(rejected);
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
  std::set<std::uint16_t> taken = retries_.taken_ports();
  if (taken == taken_ports_) return;
  taken_ports_ = std::move(taken);
  runner_->await_free(taken_ports_, [this](std::uint16_t port) { mailbox_.post(PortFreed{port}); });
}

void Control::handle(proxy::Event event) {
  // Of an Envoy that was left to us nobody knows yet whose it is.
  if (!begun_) return early_.push_back(std::move(event));
  observer_.happened(event);
  log(Level::kInfo, "proxy",
      {{"proxy", event.proxy},
       {"state", observe::state_name(event.state)},
       {"pid", event.pid},
       {"message", event.message}});
  const bool ready = event.state == proxy::State::kReady;
  proxies_.set_ready(event.proxy, ready);
  Proxies::Proxy* const proxy = proxies_.find(event.proxy);
  if (proxy == nullptr) return;
  const translate::ProxyPlan* plan = pipeline_.proxies().get(event.proxy);
  if (event.problem && !event.problem->path.empty() && plan != nullptr) {
    event.problem->object = translate::configured_by(*plan);
  }
  // Of a bootstrap that cannot be made translation has the problem, too, and in the commit that brings it.
  std::optional<Problem> problem = event.problem;
  if (problem && problem->path == xds::kBootstrapPath) problem.reset();
  set_problem(*proxy, std::move(problem));
  pipeline_.set_proxy_state(
      event.proxy, {ready, proxy->acknowledged > 0, event.problem ? event.problem->message : event.message});
  dirty_ = true;
}

void Control::handle(translate::HostAddresses host) {
  log(Level::kInfo, "host", {{"addresses", host.all}});
  pipeline_.set_host(std::move(host));
  dirty_ = true;
}

void Control::set_problem(Proxies::Proxy& proxy, std::optional<Problem> problem) {
  if (proxy.problem) problem_log_.remove(*proxy.problem);
  if (problem) problem_log_.add(*problem);
  proxy.problem = std::move(problem);
}

void Control::handle(const Look& look) {
  auto snapshot = std::make_shared<observe::Snapshot>();
  snapshot->commit = commit_;
  snapshot->controller_name = options_.settings.controller_name;
  snapshot->statuses = status_rows(pipeline_);
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
  modules_.follow();
  pickers_.follow(pipeline_);
  verdicts_->committed(commit_);
  retries_.committed([this](const auto& resource) { return version_of(resource); });
  note_retries();
  verdicts_->save_refusals();  // before any proxy is sent what depends on it
  const std::vector<ir::ProxyKey> served = serve();
  for (const XdsKey& secret : verdicts_->secrets_to_retry()) {
    ads_->retry(secret.proxy, ResourceType::kSecret, secret.name);
  }
  if (!partial_) proxies_.leave_orphans(runner_->adopted(), commit_, Clock::now());
  observer_.served(commit_, served, Clock::now());
  const std::uint64_t cpu_us = thread_cpu_us() - before;
  observer_.committed(commit_, stats, std::chrono::microseconds(cpu_us));
  if (options_.cluster) {
    rests_until_ =
        Clock::now() + std::min<Clock::duration>(kLongestRest, kRest * std::chrono::microseconds(cpu_us));
  }
  observer_.objects(pipeline_.count_objects());
  observer_.held_back(verdicts_->count_held_back());
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
  if (cluster_ != nullptr) cluster_->committed(pipeline_, !partial_);
  follow_accounts();
  expiry_.committed(std::chrono::system_clock::now());
  remarks_.committed();
  report_problems();
  pipeline_.forget_changes();
  if (!statuses_due_)
    statuses_due_ = Clock::now() + (runs_envoys() ? kStatusInterval : kStatusIntervalInPods);
}

// What the last commit changed for each proxy.
std::map<ir::ProxyKey, ads::Update> changed_resources(const Pipeline& pipeline) {
  std::map<ir::ProxyKey, ads::Update> updates;
  for (const ResourceType type : {ResourceType::kCluster, ResourceType::kEndpoints, ResourceType::kSecret,
                                  ResourceType::kListener, ResourceType::kRoutes, ResourceType::kExtension}) {
    for (const auto& change : pipeline.resources(type).changes()) {
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
  return updates;
}

// Hands ADS and the runner what the commit changed. The proxies for which it changed something: they will
// acknowledge.
std::vector<ir::ProxyKey> Control::serve() {
  std::map<ir::ProxyKey, ads::Update> updates = changed_resources(pipeline_);
  Proxies::Changes changes = proxies_.follow(pipeline_.proxies());
  for (auto& [key, proxy] : changes.removed) {
    log(Level::kInfo, "proxy removed", {{"proxy", key}});
    observer_.removed(key);
    serving_elsewhere_.erase(key);
    news_ = serving_here_.erase(key) > 0 || news_;
    ads_->remove(key);
    set_problem(proxy, std::nullopt);
    updates.erase(key);
  }
  for (const ir::ProxyKey& key : changes.to_run) {
    updates[key];
    if (runs_envoys()) runner_->ensure(proxies_.find(key)->process);
  }
  for (const ir::ProxyKey& key : changes.added) {
    const Proxies::Proxy& proxy = *proxies_.find(key);
    pipeline_.set_proxy_state(key, {proxy.ready, false, ""});
    dirty_ = true;
    log(Level::kInfo, "proxy added", {{"proxy", key}, {"ports", proxy.process.ports}});
    observer_.added(key, proxy.process.ports);
  }
  acknowledged_elsewhere();
  std::vector<ir::ProxyKey> served;
  for (auto& [proxy, update] : updates) {
    served.push_back(proxy);
    update.commit = commit_;
    ads_->update(proxy, std::move(update));
  }
  proxies_.leave(std::move(changes.removed), commit_, served, Clock::now());
  return served;
}

void Control::report_problems() {
  observer_.certificates(expiry_.nearest());
  const Pipeline::ProblemChanges changes = pipeline_.problem_changes();
  problem_log_.remove_all(changes.removed);
  problem_log_.add_all(changes.added);
  tell_problems();
}

void Control::tell_problems() {
  if (problem_log_.is_touched()) known_problems_ = nullptr;
  const ProblemLog::News news =
      problem_log_.report([this](Problem& problem) { source_->locate(problem); }, Clock::now());
  if (news.empty()) return;
  observer_.problems(news.added, news.removed);
}

// Ends the Envoys of proxies that are no more and wait for nobody.
void Control::hand_over() {
  for (const ir::ProxyKey& proxy : proxies_.take_ended(Clock::now())) {
    runner_->remove(proxy);
    if (cluster_ != nullptr) cluster_->release(proxy);
  }
}

// When there is something to do though nobody has said anything.
std::optional<Clock::time_point> Control::wake_at() const {
  std::optional<Clock::time_point> wake = statuses_due_;
  if (dirty_ && begun_) wake = wake ? std::min(*wake, rests_until_) : rests_until_;
  for (const auto& at :
       {retries_.wake_at(), proxies_.wake_at(), modules_.retry_at(), problem_log_.wake_at()}) {
    if (at) wake = wake ? std::min(*wake, *at) : *at;
  }
  if (const auto wait = expiry_.wait(std::chrono::system_clock::now())) {
    const Clock::time_point at = Clock::now() + *wait;
    wake = wake ? std::min(*wake, at) : at;
  }
  return wake;
}

// Has <run_dir>/status.yaml written, whole.
void Control::write_statuses() {
  statuses_due_.reset();
  std::function<void()> then;
  if (runs_since_trim_ > kRunsWorthATrim) {
    then = [] { malloc_trim(0); };  // what reading and sending so much has taken
    runs_since_trim_ = 0;
  }
  status_file_->write(status_rows(pipeline_), std::move(then));
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
