// A metrics page as vLLM 0.11 writes it, of about 51 KB: gauges, counters and the buckets of histograms, for
// one engine and two causes of an end. The names are vLLM's (docs.vllm.ai/en/latest/usage/metrics).
#pragma once

#include <string>

#include <fmt/format.h>

namespace sluice::bench {

inline std::string vllm_page(unsigned waiting, unsigned running, double usage) {
  constexpr std::string_view kLabels = "engine=\"0\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"";
  std::string page;
  const auto head = [&page](std::string_view name, std::string_view type) {
    page += fmt::format("# HELP {0} {1} of the engine, as it counts them.\n# TYPE {0} {1}\n", name, type);
  };
  for (const std::string_view name :
       {"python_gc_objects_collected_total", "process_virtual_memory_bytes", "process_cpu_seconds_total"}) {
    head(name, "gauge");
    page += fmt::format("{} 1.2345e+09\n", name);
  }
  const auto gauge = [&](std::string_view name, double value) {
    head(name, "gauge");
    page += fmt::format("{}{{{}}} {:.3f}\n", name, kLabels, value);
  };
  gauge("vllm:num_requests_running", running);
  gauge("vllm:num_requests_waiting", waiting);
  gauge("vllm:engine_sleep_state", 0);
  gauge("vllm:kv_cache_usage_perc", usage);
  head("vllm:cache_config_info", "gauge");
  page +=
      "vllm:cache_config_info{block_size=\"16\",cache_dtype=\"auto\",calculate_kv_scales=\"False\","
      "cpu_offload_gb=\"0\",enable_prefix_caching=\"True\",engine=\"0\",gpu_memory_utilization=\"0.9\","
      "num_cpu_blocks=\"None\",num_gpu_blocks=\"27000\",swap_space_bytes=\"4294967296\"} 1.0\n";
  head("vllm:lora_requests_info", "gauge");
  page +=
      "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"sql,chat\",waiting_lora_adapters=\"\"} "
      "1.7640000e+09\n";
  for (const std::string_view name :
       {"vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total", "vllm:num_preemptions_total",
        "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:request_success_total"}) {
    head(name, "counter");
    for (const std::string_view reason : {"stop", "length"})
      page += fmt::format("{}{{{},finished_reason=\"{}\"}} 123456.0\n", name, kLabels, reason);
  }
  for (const std::string_view name :
       {"vllm:iteration_tokens_total", "vllm:time_to_first_token_seconds",
        "vllm:time_per_output_token_seconds", "vllm:inter_token_latency_seconds",
        "vllm:e2e_request_latency_seconds", "vllm:request_queue_time_seconds",
        "vllm:request_inference_time_seconds", "vllm:request_prefill_time_seconds",
        "vllm:request_decode_time_seconds", "vllm:request_prompt_tokens", "vllm:request_generation_tokens",
        "vllm:request_params_n", "vllm:request_params_max_tokens",
        "vllm:request_max_num_generation_tokens"}) {
    head(name, "histogram");
    double bound = 0.001;
    for (unsigned i = 0; i < 30; ++i, bound *= 1.9)
      page += fmt::format("{}_bucket{{{},le=\"{:.4g}\"}} {}.0\n", name, kLabels, bound, i * 1000);
    page += fmt::format("{}_bucket{{{},le=\"+Inf\"}} 31000.0\n{}_sum{{{}}} 4711.25\n{}_count{{{}}} 31000.0\n",
                        name, kLabels, name, kLabels, name, kLabels);
  }
  return page;
}

}  // namespace sluice::bench
