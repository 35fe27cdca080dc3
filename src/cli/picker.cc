#include "cli/picker.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "admin/server.h"
#include "base/file.h"
#include "base/log.h"
#include "base/program_pages.h"
#include "base/quote.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/pool_files.h"
#include "cli/report.h"
#include "control/picker_plan.h"
#include "control/signals.h"
#include "kube/client.h"
#include "picker/config/config.h"
#include "picker/exchange/endpoints.h"
#include "picker/service/server.h"
#include "picker/sources.h"
#include "source/cluster/cluster.h"
#include "source/files.h"

namespace sluice::cli {
namespace {

// Longer than most answers of models, which end with the program otherwise.
constexpr std::chrono::seconds kDrain{30};

std::string text_of(const Problem& problem) {
  std::string text;
  if (!problem.where.file.empty()) text = problem.where.file + ":";
  if (problem.where.line != 0) text += fmt::format("{}:", problem.where.line);
  if (!text.empty()) text += " ";
  text += problem.message;
  if (!problem.suggestion.empty()) text += "; " + problem.suggestion;
  return text;
}

int fail(Console& console, const std::string& message) {
  console.err << paint("error:", kRed, console.err_color) << " " << message << "\n";
  return kProblems;
}

// False, with *problem, where an option is no good.
bool read_options(const PickerOptions& options, picker::ServerOptions& server, Problem* problem) {
  server.server.address = options.listen;
  if (!options.certificate.empty())
    server.server.tls = {
        .certificate_chain = options.certificate, .private_key = options.key, .client_ca = options.client_ca};
  server.endpoints_file = options.endpoints_file;
  for (const std::string& text : options.endpoints) {
    auto endpoints = picker::parse_endpoints(text);
    if (!endpoints) {
      *problem = endpoints.error();
      return false;
    }
    for (picker::Endpoint& endpoint : *endpoints) server.endpoints.push_back(std::move(endpoint));
  }
  picker::ServiceOptions& service = server.service;
  if (!options.metrics_at.empty()) {
    auto source = picker::parse_source(options.metrics_at, options.metrics_ca);
    if (!source) {
      *problem = source.error();
      return false;
    }
    service.scrape.sources = picker::sources_with(*std::move(source));
  }
  service.scrape.interval = std::chrono::milliseconds(options.metrics_interval_ms);
  service.scrape.idle_interval = std::chrono::milliseconds(options.metrics_idle_interval_ms);
  service.pool.max_body_bytes = std::size_t{options.max_body_mib} << 20U;
  service.pool.pass_unknown = !options.refuse_unknown;
  if (options.buffered) service.body_mode = extproc::BodyMode::kBuffered;
  if (!options.metrics.empty()) service.series.clear();
  for (const std::string& text : options.metrics) {
    auto series = picker::parse_series(text);
    if (!series) {
      *problem = series.error();
      return false;
    }
    service.series.push_back(*std::move(series));
  }
  for (const std::string& text : options.objectives) {
    const std::size_t equals = text.rfind('=');
    int priority = 0;
    const char* const begin = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(begin, end, priority);
    if (equals == std::string::npos || equals == 0 || error != std::errc() || at != end) {
      *problem = {.code = "value/objective",
                  .message = fmt::format("{} is no objective", quote(text)),
                  .suggestion = "write a name and a priority, as `batch=-1`"};
      return false;
    }
    service.pool.rules.priorities[text.substr(0, equals)] = priority;
  }
  return true;
}

// False, and said so, where the file is no good. Warnings are said too.
bool read_config(const std::string& file, picker::ServiceOptions& service, Console& console) {
  if (file.empty()) return true;
  const std::optional<std::string> text = read_file(file);
  if (!text) {
    fail(console, fmt::format("{} cannot be read", quote(file)));
    return false;
  }
  std::vector<Problem> problems;
  std::optional<picker::Config> read = picker::read_config(*text, file, &problems);
  const auto line_of = [&text](const std::string&, unsigned line) {
    std::string_view rest = *text;
    for (; line > 1; --line)
      rest.remove_prefix(std::min(rest.size(), rest.find('\n')) + (rest.contains('\n') ? 1 : 0));
    return std::string(rest.substr(0, rest.find('\n')));
  };
  console.err << print_problems(problems, line_of, console.err_color);
  if (!read) return false;
  service.scrape.sources = picker::sources_of(*read, service.scrape.sources);
  service.pool.profile = std::move(read->profile);
  return true;
}

admin::Options admin_options(const std::string& address, picker::PickerServer& server) {
  const auto at_once = [](admin::Answer answer) {
    return [answer = std::move(answer)](const admin::Request&, const admin::Respond& respond) {
      respond(answer);
    };
  };
  return {.socket_path = {},
          .tcp_address = address,
          .host_names = {},
          .handlers = {{"/healthz", at_once([] { return admin::Response{.body = "ok\n"}; })},
                       {"/readyz", at_once([&server] {
                          return server.ready() ? admin::Response{.body = "ready\n"}
                                                : admin::Response{.status = 503, .body = "not ready\n"};
                        })},
                       {"/metrics", [&server](const admin::Request&, const admin::Respond& respond) {
                          server.metrics([respond](std::string page) {
                            respond([page = std::move(page)] {
                              return admin::Response{.content_type = "text/plain; version=0.0.4",
                                                     .body = page};
                            });
                          });
                        }}}};
}

// An InferencePool in files or a cluster, followed for a server.
class FollowedPool {
 public:
  explicit FollowedPool(const PickerOptions& options)
      : follows_config_(options.config_file.empty()),
        follows_sources_(options.metrics_at.empty()),
        files_(options.pool) {
    if (options.cluster) {
      watch(*options.cluster, options.pool);
      return;
    }
    const std::lock_guard lock(mutex_);  // what comes at first is first
    source_ =
        source::watch_files(options.paths, "", &first_, [this](const source::Batch& batch) { take(batch); });
    files_.apply(first_);
  }
  FollowedPool(const FollowedPool&) = delete;
  FollowedPool& operator=(const FollowedPool&) = delete;
  ~FollowedPool() {
    source_.reset();
    if (client_ != nullptr) client_->stop();
  }

  // What is there at first has been read, and in a cluster the pool is among it. Waits that long for it.
  bool is_there_within(std::chrono::milliseconds time) {
    if (client_ == nullptr) return true;
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return was_read_ && files_.plan().has_value(); });
  }

  // What there is at first. False, and said so, where nobody knows which pool is meant.
  bool read(picker::ServerOptions& server, Console& console) {
    const std::lock_guard lock(mutex_);
    const auto planned = files_.plan();
    console.err << print_problems(
        merge_problems(*source_, first_.problems, planned ? planned->problems : std::vector<Problem>()),
        [this](const std::string& file, unsigned line) { return source::source_line(*source_, file, line); },
        console.err_color);
    if (!planned) {
      fail(console, text_of(planned.error()));
      return false;
    }
    server.endpoints = control::endpoints_of(planned->plan);
    server.service.pool.rules = control::rules_of(planned->plan);
    if (follows_config_) {
      config_ = planned->plan.config.value_or("");
      const picker::Config decides = control::config_of(config_);
      server.service.pool.profile = decides.profile;
      if (follows_sources_) server.service.scrape.sources = control::sources_of(planned->plan, decides);
    }
    return true;
  }

  // From now on it is told of changes, also of those since read(). It outlives the pool.
  void follow_for(picker::PickerServer& server) {
    const std::lock_guard lock(mutex_);
    server_ = &server;
    tell();
  }

 private:
  static void log_problem(const Problem& problem) {
    log(problem.severity == Severity::kError ? Level::kError : Level::kWarning, text_of(problem),
        {{"code", problem.code}, {"object", problem.object.to_string()}});
  }
  // Of the pool's namespace, and of it no more than concerns pools.
  void watch(const kube::Access& access, const std::string& pool) {
    client_ = std::make_unique<kube::Client>(access);
    log(Level::kInfo, "waiting for the pool", {{"pool", pool}});
    source_ = source::watch_cluster(
        *client_, {.kinds = PoolFiles::kinds(), .namespaces = {pool.substr(0, pool.find('/'))}},
        {.on_batch = [this](const source::Batch& batch) { take(batch); },
         .on_waiting =
             [](const std::vector<Problem>& problems) {
               for (const Problem& problem : problems) log_problem(problem);
             },
         .on_status = nullptr});
  }
  void take(const source::Batch& batch) {
    const std::lock_guard lock(mutex_);
    files_.apply(batch);
    was_read_ = true;
    changed_.notify_all();
    for (const Problem& problem : batch.problems) log_problem(problem);
    if (server_ != nullptr) tell();
  }
  void tell() {
    auto planned = files_.plan();
    if (!planned) return log_problem(planned.error());  // what was there goes on
    for (Problem& problem : planned->problems) {
      source_->locate(problem);
      log_problem(problem);
    }
    const translate::PickerPlan& plan = planned->plan;
    std::vector<picker::Endpoint> endpoints = control::endpoints_of(plan);
    log(Level::kInfo, "endpoints", {{"count", endpoints.size()}});
    // One that is no good leaves the last one in force.
    std::optional<picker::Profile> profile;
    std::optional<picker::Sources> sources;
    if (follows_config_) {
      const bool changed = plan.config && *plan.config != config_;
      if (changed) config_ = *plan.config;
      picker::Config decides = control::config_of(config_);
      if (follows_sources_) sources = control::sources_of(plan, decides);
      if (changed) profile = std::move(decides.profile);
    }
    server_->update(std::move(endpoints), control::rules_of(plan), std::move(profile), std::move(sources));
  }

  const bool follows_config_;   // the pool says by what it decides, not the command line
  const bool follows_sources_;  // and where servers are asked
  std::mutex mutex_;            // of what follows, but for source_
  std::string config_;
  source::Batch first_;
  PoolFiles files_;
  picker::PickerServer* server_ = nullptr;
  std::condition_variable changed_;  // by take()
  bool was_read_ = false;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<source::Source> source_;  // ends first: its thread uses the rest
};

}  // namespace

int serve_picker(const PickerOptions& options, Console& console) {
  picker::ServerOptions server_options;
  Problem problem;
  if (!read_options(options, server_options, &problem)) return fail(console, text_of(problem));

  if (!read_config(options.config_file, server_options.service, console)) return kProblems;

  // Before there are threads, which inherit what it blocks.
  std::promise<int> signalled;
  const std::future<int> ended = signalled.get_future();
  std::atomic_flag once;
  const control::Signals signals([&signalled, &once](int signal) {
    if (!once.test_and_set()) signalled.set_value(signal);
  });
  const auto report = [](const Problem& p) { log(Level::kError, text_of(p), {{"code", p.code}}); };
  std::unique_ptr<picker::PickerServer> server;
  std::optional<FollowedPool> pool;  // ends before the server
  if (!options.paths.empty() || options.cluster) {
    pool.emplace(options);
    constexpr std::chrono::milliseconds kLook{100};
    while (!pool->is_there_within(kLook)) {
      if (ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready) return kOk;
    }
    if (!pool->read(server_options, console)) return kProblems;
  }
  server = picker::PickerServer::start(std::move(server_options), report, &problem);
  if (server == nullptr) return fail(console, text_of(problem));
  if (pool) pool->follow_for(*server);
  std::unique_ptr<admin::Server> admin;
  if (!options.admin_address.empty()) {
    auto started = admin::start_server(admin_options(options.admin_address, *server));
    if (!started) return fail(console, text_of(started.error()));
    admin = *std::move(started);
  }
  log(Level::kInfo, "listening",
      {{"address", server->address()}, {"admin", admin == nullptr ? "" : admin->tcp_address()}});
  // Most of this program is not for picking.
  drop_program_pages();
  ended.wait();
  log(Level::kInfo, "ending", {});
  pool.reset();
  server->drain(kDrain);
  // A page that is on its way comes from the server's loop.
  admin.reset();
  return kOk;
}

}  // namespace sluice::cli
