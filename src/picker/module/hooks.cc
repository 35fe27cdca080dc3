// What Envoy calls: the names of its ABI, and no more than that. libsluice_picker.so is an HTTP filter
// `picker` and a bootstrap extension of the same name, either of which may be there without the other.
//
// The bootstrap extension has pools from Envoy's start on, so that Envoy takes no request before their
// servers have been asked once; serves the metrics below its admin interface; and ends the pools' thread
// before Envoy's workers end.
//
// No exception leaves a hook. There is hardly one but for memory that is not there: then the request passes
// without a pick.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "module_abi/envoy_module.h"
#include "module_abi/unused_hooks.h"
#include "picker/module/envoy_log.h"
#include "picker/module/http_filter.h"
#include "picker/module/pools.h"
#include "picker/module/settings.h"

namespace sluice::picker {
namespace {

constexpr std::string_view kName = "picker";
constexpr std::string_view kMetricsPath = "/sluice_picker/metrics";

template <typename Result, typename Work>
Result guarded(Result otherwise, Work work) noexcept {
  try {
    return work();
  } catch (const std::exception& problem) {
    // Short enough for the string to need no memory.
    constexpr std::string_view kText = "sluice picker: an exception: a request passes without a pick";
    envoy_dynamic_module_callback_log(envoy::LogLevel::kCritical, envoy::bytes_of(kText));
    envoy_dynamic_module_callback_log(envoy::LogLevel::kCritical, envoy::bytes_of(problem.what()));
  }
  return otherwise;
}
template <typename Work>
void guarded(Work work) noexcept {
  guarded(false, [&] {
    work();
    return true;
  });
}

struct FilterConfig {
  std::shared_ptr<RunningPool> pool;
  bool read_responses;
};

bool is_ours(std::string_view name) {
  if (name == kName) return true;
  say(envoy::LogLevel::kError,
      "there is nothing by the name of `" + std::string(name) + "`; did you mean `picker`?");
  return false;
}

// Tells Envoy once, from whatever thread, that all pools are ready.
class Readiness {
 public:
  Readiness(envoy::BootstrapConfig envoy, std::size_t pools)
      : scheduler_(envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_new(envoy)),
        not_ready_(pools) {}
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness() = default;

  void one_is_ready() {
    const std::lock_guard lock(mutex_);
    if (--not_ready_ == 0 && scheduler_ != nullptr)
      envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_commit(scheduler_, 0);
  }
  // Envoy does not want to know any more.
  void close() {
    const std::lock_guard lock(mutex_);
    envoy_dynamic_module_callback_bootstrap_extension_config_scheduler_delete(
        std::exchange(scheduler_, nullptr));
  }

 private:
  std::mutex mutex_;
  envoy::BootstrapScheduler scheduler_;
  std::size_t not_ready_;
};

// The bootstrap extension, from its configuration on.
class Extension {
 public:
  static Extension* make(envoy::BootstrapConfig envoy, std::string_view json) {
    std::vector<Problem> problems;
    auto settings = read_bootstrap_settings(json, &problems);
    std::vector<std::shared_ptr<RunningPool>> pools;
    for (std::size_t i = 0; settings && i < settings->size(); ++i) {
      auto pool = Pools::instance().get((*settings)[i], &problems);
      if (pool == nullptr) settings.reset();
      pools.push_back(std::move(pool));
    }
    say("the bootstrap extension's configuration", problems);
    if (!settings) return nullptr;
    return new Extension(envoy, std::move(pools));
  }
  Extension(const Extension&) = delete;
  Extension& operator=(const Extension&) = delete;
  ~Extension() { readiness_->close(); }

  void on_scheduled() {
    envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(envoy_);
  }
  void on_server_initialized() {
    envoy_dynamic_module_callback_bootstrap_extension_register_admin_handler(
        envoy_, envoy::bytes_of(kMetricsPath), envoy::bytes_of("what the LLM picker has counted"), true,
        false);
  }
  void on_admin_request() {
    const std::string page = Pools::instance().metrics();
    envoy_dynamic_module_callback_bootstrap_extension_admin_set_response(envoy_, envoy::bytes_of(page));
  }

 private:
  Extension(envoy::BootstrapConfig envoy, std::vector<std::shared_ptr<RunningPool>> pools)
      : envoy_(envoy),
        pools_(std::move(pools)),
        readiness_(std::make_shared<Readiness>(envoy, pools_.size())) {
    if (pools_.empty()) on_scheduled();
    for (const auto& pool : pools_) pool->when_ready([readiness = readiness_] { readiness->one_is_ready(); });
  }

  const envoy::BootstrapConfig envoy_;
  const std::vector<std::shared_ptr<RunningPool>> pools_;
  const std::shared_ptr<Readiness> readiness_;
};

}  // namespace
}  // namespace sluice::picker

using sluice::picker::Extension;
using sluice::picker::FilterConfig;
using sluice::picker::guarded;
using sluice::picker::HttpFilter;
using sluice::picker::RunningPool;

ENVOY_MODULE_EXPORT const char* envoy_dynamic_module_on_program_init() { return envoy::kAbiVersion; }

// ---- the HTTP filter -------------------------------------------------------------------------------------

// Null: Envoy takes no configuration with this filter.
ENVOY_MODULE_EXPORT const FilterConfig* envoy_dynamic_module_on_http_filter_config_new(envoy::FilterConfig,
                                                                                       envoy::Bytes name,
                                                                                       envoy::Bytes config) {
  using namespace sluice::picker;  // NOLINT
  return guarded(static_cast<const FilterConfig*>(nullptr), [&]() -> const FilterConfig* {
    if (!is_ours(text_of(name))) return nullptr;
    std::vector<sluice::Problem> problems;
    const auto settings = read_filter_settings(text_of(config), &problems);
    std::shared_ptr<RunningPool> pool;
    if (settings) pool = Pools::instance().get(settings->pool, &problems);
    say("the filter's configuration", problems);
    return pool == nullptr ? nullptr : new FilterConfig{std::move(pool), settings->read_responses};
  });
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_config_destroy(const FilterConfig* config) {
  guarded([&] { delete config; });
}

// Null: Envoy closes the stream.
ENVOY_MODULE_EXPORT HttpFilter* envoy_dynamic_module_on_http_filter_new(const FilterConfig* config,
                                                                        envoy::Filter envoy) {
  return guarded(static_cast<HttpFilter*>(nullptr), [&] {
    RunningPool& pool = *config->pool;
    return new HttpFilter(pool.pool(), config->read_responses && pool.reads_responses(), envoy);
  });
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_destroy(HttpFilter* filter) {
  guarded([&] { delete filter; });
}

ENVOY_MODULE_EXPORT envoy::HeadersStatus envoy_dynamic_module_on_http_filter_request_headers(
    envoy::Filter, HttpFilter* filter, bool end_of_stream) {
  return guarded(envoy::HeadersStatus::kContinue, [&] { return filter->on_request_headers(end_of_stream); });
}

ENVOY_MODULE_EXPORT envoy::BodyStatus envoy_dynamic_module_on_http_filter_request_body(envoy::Filter,
                                                                                       HttpFilter* filter,
                                                                                       bool end_of_stream) {
  return guarded(envoy::BodyStatus::kContinue, [&] { return filter->on_request_body(end_of_stream); });
}

ENVOY_MODULE_EXPORT envoy::TrailersStatus envoy_dynamic_module_on_http_filter_request_trailers(
    envoy::Filter, HttpFilter* filter) {
  return guarded(envoy::TrailersStatus::kContinue, [&] { return filter->on_request_trailers(); });
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_http_filter_scheduled(envoy::Filter, HttpFilter* filter,
                                                                       std::uint64_t /*event*/) {
  guarded([&] { filter->on_scheduled(); });
}

ENVOY_MODULE_EXPORT envoy::HeadersStatus envoy_dynamic_module_on_http_filter_response_headers(
    envoy::Filter, HttpFilter* filter, bool end_of_stream) {
  guarded([&] { filter->on_response_headers(end_of_stream); });
  return envoy::HeadersStatus::kContinue;
}

ENVOY_MODULE_EXPORT envoy::BodyStatus envoy_dynamic_module_on_http_filter_response_body(envoy::Filter,
                                                                                        HttpFilter* filter,
                                                                                        bool end_of_stream) {
  guarded([&] { filter->on_response_body(end_of_stream); });
  return envoy::BodyStatus::kContinue;
}

ENVOY_MODULE_EXPORT envoy::TrailersStatus envoy_dynamic_module_on_http_filter_response_trailers(
    envoy::Filter, HttpFilter* filter) {
  guarded([&] { filter->on_response_trailers(); });
  return envoy::TrailersStatus::kContinue;
}

// ---- the bootstrap extension -----------------------------------------------------------------------------
//
// Its configuration and the extension are one thing here.

ENVOY_MODULE_EXPORT Extension* envoy_dynamic_module_on_bootstrap_extension_config_new(
    envoy::BootstrapConfig envoy, envoy::Bytes name, envoy::Bytes config) {
  using namespace sluice::picker;  // NOLINT
  return guarded(static_cast<Extension*>(nullptr), [&]() -> Extension* {
    return is_ours(text_of(name)) ? Extension::make(envoy, text_of(config)) : nullptr;
  });
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_bootstrap_extension_config_destroy(Extension* extension) {
  guarded([&] { delete extension; });
}

ENVOY_MODULE_EXPORT Extension* envoy_dynamic_module_on_bootstrap_extension_new(Extension* extension,
                                                                               envoy::Bootstrap) {
  return extension;
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_bootstrap_extension_destroy(Extension*) {}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_bootstrap_extension_server_initialized(
    envoy::Bootstrap, Extension* extension) {
  guarded([&] { extension->on_server_initialized(); });
}

ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_bootstrap_extension_config_scheduled(
    envoy::BootstrapConfig, Extension* extension, std::uint64_t /*event*/) {
  guarded([&] { extension->on_scheduled(); });
}

// What is scheduled must not come while Envoy takes its workers down.
ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_bootstrap_extension_shutdown(envoy::Bootstrap, Extension*,
                                                                              void (*done)(void*),
                                                                              void* context) {
  guarded([] { sluice::picker::Pools::instance().stop(); });
  done(context);
}

// The status of the answer.
ENVOY_MODULE_EXPORT std::uint32_t envoy_dynamic_module_on_bootstrap_extension_admin_request(
    envoy::BootstrapConfig, Extension* extension, envoy::Bytes /*method*/, envoy::Bytes /*path*/,
    envoy::Bytes /*body*/) {
  return guarded(std::uint32_t{500}, [&] {
    extension->on_admin_request();
    return std::uint32_t{200};
  });
}

// ---- what the module has nothing to do with, but Envoy asks for ------------------------------------------

ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_worker_thread_initialized)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_drain_started)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_http_callout_done)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_timer_fired)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_file_changed)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_cluster_add_or_update)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_cluster_removal)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_listener_add_or_update)
ENVOY_MODULE_UNUSED_HOOK(bootstrap_extension_listener_removal)
