#include "llmsim/metrics_page.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sluice::llmsim {
namespace {

constexpr auto kFirstToken =
    std::to_array<double>({0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25,  0.5, 0.75,
                           1,     2.5,   5,    7.5,  10,   20,   40,   80,  160.0, 640, 2560});
constexpr auto kPerToken = std::to_array<double>(
    {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80});
constexpr auto kWhole = std::to_array<double>(
    {0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680});
constexpr auto kTokens = std::to_array<double>(
    {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000});
constexpr auto kIteration =
    std::to_array<double>({1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384});
constexpr auto kHandler = std::to_array<double>({0.1, 0.5, 1});
constexpr auto kHandlerFine = std::to_array<double>(
    {0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60});
// As many as a pod with some adapters that come and go shows after a while.
constexpr std::size_t kLists = 16;
constexpr std::string_view kAdapterLoads = "sluice_vllm_sim_adapter_loads_total";

// As Python prints a float.
std::string number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

class Writer {
 public:
  explicit Writer(std::string model) : labels_(fmt::format("engine=\"0\",model_name=\"{}\"", model)) {}

  void head(std::string_view name, std::string_view help, std::string_view type) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void sample(std::string_view name, std::string_view labels, double value) {
    text_.append(name);
    if (!labels.empty()) fmt::format_to(std::back_inserter(text_), "{{{}}}", labels);
    text_.push_back(' ');
    text_.append(number(value));
    text_.push_back('\n');
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    head(name, help, "gauge");
    sample(name, labels_, value);
  }
  void counter(std::string_view name, std::string_view help, double value) {
    const std::string total = std::string(name) + "_total";
    head(total, help, "counter");
    sample(total, labels_, value);
    created(name, help, labels_);
  }
  void created(std::string_view name, std::string_view help, std::string_view labels) {
    const std::string full = std::string(name) + "_created";
    head(full, help, "gauge");
    sample(full, labels, 1.7e9);
  }
  void histogram(std::string_view name, std::string_view help, const Histogram& histogram) {
    head(name, help, "histogram");
    buckets(name, labels_, histogram);
    created(name, help, labels_);
  }
  void buckets(std::string_view name, std::string_view labels, const Histogram& histogram) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
      count += histogram.counts()[i];
      const bool last = i == histogram.bounds().size();
      // The client sorts labels: "engine" is before "le", "handler" too.
      const std::string le = last ? "+Inf" : number(histogram.bounds()[i]);
      const std::size_t comma = labels.find(',');
      const std::string with =
          comma == std::string_view::npos
              ? fmt::format("{},le=\"{}\"", labels, le)
              : fmt::format("{},le=\"{}\"{}", labels.substr(0, comma), le, labels.substr(comma));
      sample(std::string(name) + "_bucket", with, static_cast<double>(count));
    }
    sample(std::string(name) + "_count", labels, static_cast<double>(count));
    sample(std::string(name) + "_sum", labels, histogram.sum());
  }
  const std::string& labels() const { return labels_; }
  std::string take() { return std::move(text_); }

 private:
  std::string labels_;
  std::string text_;
};

}  // namespace

void Histogram::observe(double value, std::uint64_t times) {
  const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(at)] += times;
  sum_ += value * static_cast<double>(times);
}

MetricsPage::MetricsPage(std::string model, std::vector<std::string> adapters)
    : model_(std::move(model)),
      adapters_(std::move(adapters)),
      first_token_(kFirstToken),
      per_token_(kPerToken),
      whole_(kWhole),
      decode_(kWhole),
      prompt_tokens_(kTokens),
      generated_tokens_(kTokens),
      max_tokens_(kTokens) {}

void MetricsPage::ended(const Ended& ended) {
  first_token_.observe(ended.first_token);
  whole_.observe(ended.whole);
  decode_.observe(ended.whole - ended.first_token);
  if (ended.generated_tokens > 1) {
    const std::uint32_t gaps = ended.generated_tokens - 1;
    per_token_.observe((ended.whole - ended.first_token) / gaps, gaps);
  }
  prompt_tokens_.observe(ended.prompt_tokens);
  generated_tokens_.observe(ended.generated_tokens);
  max_tokens_.observe(ended.max_tokens);
  ++(ended.stopped ? stopped_ : limited_);
}

void MetricsPage::answered(const std::string& handler, int status, double seconds) {
  auto found = std::ranges::find_if(
      handlers_, [&](const Handler& one) { return one.name == handler && one.status == status / 100; });
  if (found == handlers_.end()) {
    handlers_.push_back({.name = handler, .status = status / 100, .seconds = Histogram(kHandler)});
    found = handlers_.end() - 1;
  }
  ++found->count;
  found->seconds.observe(seconds);
}

std::string MetricsPage::page(const Engine& engine, double unix_seconds) {
  const Gauges gauges = engine.gauges();
  const Counters& counters = engine.counters();
  const Config& config = engine.config();
  Writer out(model_);

  for (const char* what : {"collected", "uncollectable"}) {
    const std::string name = fmt::format("python_gc_objects_{}_total", what);
    out.head(name, fmt::format("Objects {} during gc", what), "counter");
    for (int generation = 0; generation < 3; ++generation) {
      out.sample(name, fmt::format("generation=\"{}\"", generation), 0);
    }
  }
  out.head("python_info", "Python platform information", "gauge");
  out.sample("python_info",
             R"(implementation="CPython",major="3",minor="12",patchlevel="11",version="3.12.11")", 1);
  for (const char* name :
       {"process_virtual_memory_bytes", "process_resident_memory_bytes", "process_start_time_seconds",
        "process_cpu_seconds_total", "process_open_fds", "process_max_fds"}) {
    out.head(name, "Of the process.", "gauge");
    out.sample(name, "", 1);
  }

  out.gauge("vllm:num_requests_running", "Number of requests in model execution batches.", gauges.running);
  out.gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", gauges.waiting);
  out.gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", gauges.kv_usage);
  out.gauge("vllm:gpu_cache_usage_perc", "GPU KV-cache usage. 1 means 100 percent usage. DEPRECATED.",
            gauges.kv_usage);
  out.counter("vllm:prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.",
              static_cast<double>(counters.prompt_tokens));
  out.counter("vllm:prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.",
              static_cast<double>(counters.cached_tokens));
  out.counter("vllm:num_preemptions", "Cumulative number of preemption from the engine.",
              static_cast<double>(counters.preemptions));
  out.counter("vllm:prompt_tokens", "Number of prefill tokens processed.",
              static_cast<double>(counters.prompt_tokens));
  out.counter("vllm:generation_tokens", "Number of generation tokens processed.",
              static_cast<double>(counters.generated_tokens));

  out.head("vllm:request_success_total", "Count of successfully processed requests.", "counter");
  for (const auto& [reason, count] : std::initializer_list<std::pair<const char*, std::uint64_t>>{
           {"stop", stopped_}, {"length", limited_}, {"abort", 0}}) {
    out.sample("vllm:request_success_total",
               fmt::format("engine=\"0\",finished_reason=\"{}\",model_name=\"{}\"", reason, model_),
               static_cast<double>(count));
  }
  Histogram iteration(kIteration);
  if (counters.steps > 0) {
    iteration.observe(static_cast<double>(counters.prompt_tokens + counters.generated_tokens) /
                          static_cast<double>(counters.steps),
                      counters.steps);
  }
  out.histogram("vllm:iteration_tokens_total", "Histogram of number of tokens per engine_step.", iteration);
  out.histogram("vllm:request_prompt_tokens", "Number of prefill tokens processed.", prompt_tokens_);
  out.histogram("vllm:request_generation_tokens", "Number of generation tokens processed.",
                generated_tokens_);
  out.histogram("vllm:request_max_num_generation_tokens",
                "Histogram of maximum number of requested generation tokens.", generated_tokens_);
  out.histogram("vllm:request_params_max_tokens", "Histogram of the max_tokens request parameter.",
                max_tokens_);
  Histogram one(kTokens);
  one.observe(1, stopped_ + limited_);
  out.histogram("vllm:request_params_n", "Histogram of the n request parameter.", one);
  out.histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.",
                first_token_);
  out.histogram("vllm:time_per_output_token_seconds",
                "Histogram of time per output token in seconds. DEPRECATED.", per_token_);
  out.histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.",
                per_token_);
  out.histogram("vllm:request_time_per_output_token_seconds",
                "Histogram of time per output token of requests.", per_token_);
  out.histogram("vllm:e2e_request_latency_seconds", "Histogram of end to end request latency in seconds.",
                whole_);
  out.histogram("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.",
                first_token_);
  out.histogram("vllm:request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request.", whole_);
  out.histogram("vllm:request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.",
                first_token_);
  out.histogram("vllm:request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.",
                decode_);

  out.head("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", "gauge");
  out.sample(
      "vllm:cache_config_info",
      fmt::format(R"(block_size="{}",cache_dtype="auto",calculate_kv_scales="False",cpu_offload_gb="0",)"
                  R"(enable_prefix_caching="True",engine="0",gpu_memory_utilization="0.9",)"
                  R"(is_attention_free="False",num_cpu_blocks="None",num_gpu_blocks="{}",)"
                  R"(num_gpu_blocks_override="None",prefix_caching_hash_algo="builtin",)"
                  R"(sliding_window="None",swap_space="4",swap_space_bytes="4294967296")",
                  config.block_size, config.blocks),
      1);

  if (config.adapter_slots > 0) {
    const auto names = [&](const std::vector<Adapter>& adapters) {
      std::string list;
      for (const Adapter adapter : adapters) {
        if (!list.empty()) list.push_back(',');
        list += adapters_[adapter];
      }
      return list;
    };
    const std::string running = names(gauges.running_adapters);
    const std::string waiting = names(gauges.waiting_adapters);
    const auto found = std::ranges::find_if(
        lists_, [&](const Lists& lists) { return lists.running == running && lists.waiting == waiting; });
    if (found == lists_.end()) {
      if (lists_.size() == kLists) lists_.pop_front();
      lists_.push_back({running, waiting, unix_seconds});
    } else {
      found->at = unix_seconds;
    }
    out.head("vllm:lora_requests_info", "Running stats on lora requests.", "gauge");
    for (const Lists& lists : lists_) {
      out.sample("vllm:lora_requests_info",
                 fmt::format(R"(max_lora="{}",running_lora_adapters="{}",waiting_lora_adapters="{}")",
                             config.adapter_slots, lists.running, lists.waiting),
                 lists.at);
    }
    out.head(kAdapterLoads, "Adapters loaded into a slot. Of the simulator, not of vLLM.", "counter");
    out.sample(kAdapterLoads, out.labels(), static_cast<double>(counters.adapter_loads));
  }

  out.head("http_requests_total", "Total number of requests by method, status and handler.", "counter");
  for (const Handler& handler : handlers_) {
    out.sample("http_requests_total",
               fmt::format(R"(handler="{}",method="POST",status="{}xx")", handler.name, handler.status),
               static_cast<double>(handler.count));
  }
  out.head("http_request_duration_highr_seconds", "Latency with many buckets but no API specific labels.",
           "histogram");
  Histogram fine(kHandlerFine);
  for (const Handler& handler : handlers_) {
    if (handler.count > 0)
      fine.observe(handler.seconds.sum() / static_cast<double>(handler.count), handler.count);
  }
  out.buckets("http_request_duration_highr_seconds", R"(instance="self")", fine);
  out.head("http_request_duration_seconds", "Latency with only few buckets by handler.", "histogram");
  for (const Handler& handler : handlers_) {
    out.buckets("http_request_duration_seconds", fmt::format(R"(handler="{}",method="POST")", handler.name),
                handler.seconds);
  }
  return out.take();
}

}  // namespace sluice::llmsim
