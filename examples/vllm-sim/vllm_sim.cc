// sluice-vllm-sim: pods that answer as vLLM would, and when vLLM would, without a GPU. Tells their addresses
// in a line of JSON on standard output, and serves until SIGTERM.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "pod.h"
#include "server.h"

int main(int argc, char** argv) {
  using namespace sluice;
  vllmsim::PodOptions options;
  unsigned pods = 1;
  std::uint16_t port = 8000;
  std::string address = "127.0.0.1";
  double load_time = 0.5;
  double step = options.engine.costs.fixed / 1000;
  double prefill = options.engine.costs.prefill_token;
  options.engine.adapter_slots = 4;

  CLI::App app{
      "Simulates vLLM pods behind the OpenAI API: timing, queue, KV cache, adapters and metrics; the text is "
      "made up."};
  app.add_option("--pods", pods, "how many, a port each")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  app.add_option("--address", address, "IPv4 address to listen at")->capture_default_str();
  app.add_option("--port", port, "of the first pod, the others follow; 0: any free ports")
      ->capture_default_str();
  app.add_option("--model", options.model, "the base model")->capture_default_str();
  app.add_option("--adapters", options.adapters, "names of LoRA adapters")->delimiter(',');
  app.add_option("--slots", options.engine.adapter_slots, "adapters that a pod holds at once")
      ->capture_default_str();
  app.add_option("--load-time", load_time, "seconds to load an adapter")->capture_default_str();
  app.add_option("--speed", options.speed, "how many times faster than the clock")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--blocks", options.engine.blocks, "of the KV cache")->capture_default_str();
  app.add_option("--block-size", options.engine.block_size, "tokens")
      ->check(CLI::Range(1U, 4096U))
      ->capture_default_str();
  app.add_option("--max-batched-tokens", options.engine.max_batched_tokens, "tokens of a step")
      ->capture_default_str();
  app.add_option("--max-sequences", options.engine.max_sequences, "requests that run at once")
      ->capture_default_str();
  app.add_option("--step-ms", step, "milliseconds of an empty step")->capture_default_str();
  app.add_option("--prefill-us", prefill, "microseconds a token of a prompt")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.engine.costs.fixed = step * 1000;
  options.engine.costs.prefill_token = prefill;
  options.engine.adapter_load = llmsim::Time(static_cast<std::int64_t>(load_time * 1e6));
  if (options.adapters.empty()) options.engine.adapter_slots = 0;

  std::signal(SIGPIPE, SIG_IGN);
  vllmsim::Server server;
  nlohmann::json addresses = nlohmann::json::array();
  for (unsigned i = 0; i < pods; ++i) {
    std::string problem;
    const std::uint16_t wanted = port == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(port + i);
    const std::uint16_t bound =
        server.add(std::make_unique<vllmsim::Pod>(options), address, wanted, &problem);
    if (bound == 0) {
      std::fprintf(stderr, "sluice-vllm-sim: %s:%u: %s\n", address.c_str(), wanted, problem.c_str());
      return 1;
    }
    addresses.push_back(address + ":" + std::to_string(bound));
  }
  std::printf("%s\n", nlohmann::json{{"pods", addresses}}.dump().c_str());
  std::fflush(stdout);
  server.run();
  return 0;
}
