// What a decision of the picker costs: no bodies, no protocol.
//
//   BM_Decide/PODS/KB        the default profile, a conversation that goes on: most of the prompt is known to
//   one
//                            pod, its beginning to all
//   BM_DecideCold/PODS/KB    a prompt that nobody knows
//   BM_DecideScores/PODS/KB  llm-d's default scorers and weights
//   BM_DecideAdapters/PODS   48 adapters on four slots a pod
//   BM_Hash/KB               the chain of a prompt
//   BM_Observe/PODS          one scrape's result
//
// Each decision is settled at once (first token, end), which is measured too.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"

#include "picker/picker.h"

namespace sluice::picker {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 31)) * 0x7fb5d329728ea185;
  x = (x ^ (x >> 27)) * 0x81dadef4bc2dd44d;
  return x ^ (x >> 33);
}

std::vector<Endpoint> endpoints(int n) {
  std::vector<Endpoint> made;
  for (int i = 0; i < n; ++i) made.push_back({.address = "10.244." + std::to_string(i) + ".7:8000"});
  return made;
}

Load load() {
  Load made;
  made.max_adapters = 4;
  made.block_size = 16;
  made.blocks = 28000;  // 448 000 tokens
  return made;
}

// The first eighth is the same for all, the rest is the conversation's.
Request request(std::uint64_t conversation, std::size_t kilobytes) {
  Request made;
  made.model = made.target_model = "meta-llama/Llama-3.1-8B-Instruct";
  const std::size_t blocks = kilobytes * 1024 / kBlockBytes;
  made.prompt_tokens = static_cast<std::uint32_t>(kilobytes * 1024 / kBytesPerToken);
  std::uint64_t hash = 1;
  for (std::size_t i = 0; i < blocks; ++i) {
    hash = mix(hash + (i < blocks / 8 ? 1 : conversation * 77));
    made.prompt.push_back(hash);
  }
  return made;
}

// A picker whose caches are full, and requests of 64 conversations.
struct Pool {
  Pool(Profile profile, int pods, std::size_t kilobytes) : picker(std::move(profile)) {
    picker.set_endpoints(endpoints(pods));
    for (const Endpoint& endpoint : endpoints(pods)) picker.observe(endpoint.address, load());
    for (std::uint64_t i = 0; i < 64; ++i) requests.push_back(request(i + 1, kilobytes));
    for (int i = 0; i < 64 * 8; ++i) decide(requests[static_cast<std::size_t>(i) % 64]);
  }
  void decide(Request request) {
    now += Duration(20'000);
    const Decision decision = picker.decide(std::move(request), now);
    if (const auto* picked = std::get_if<Picked>(&decision)) {
      benchmark::DoNotOptimize(picked->addresses.front());
      picker.first_token(picked->ticket, now + Duration(10'000));
      picker.finished(picked->ticket, {.completion_tokens = 100}, now + Duration(15'000));
    }
  }
  Picker picker;
  std::vector<Request> requests;
  Time now{std::chrono::seconds(1)};
};

void run(benchmark::State& state, const Profile& profile) {
  Pool pool(profile, static_cast<int>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  std::size_t i = 0;
  for (auto unused : state) pool.decide(pool.requests[++i % pool.requests.size()]);
}

void BM_Decide(benchmark::State& state) { run(state, default_profile()); }
BENCHMARK(BM_Decide)->ArgsProduct({{8, 64}, {2, 32, 220}})->Unit(benchmark::kMicrosecond);

void BM_DecideScores(benchmark::State& state) {
  Profile profile = default_profile();
  profile.serve.choice = Choice::kMaxScore;
  profile.serve.scorers = {{Score::kQueue, 2}, {Score::kKvUsage, 2}, {Score::kPrefixCache, 3}};
  run(state, profile);
}
BENCHMARK(BM_DecideScores)->ArgsProduct({{8, 64}, {2, 32, 220}})->Unit(benchmark::kMicrosecond);

void BM_DecideCold(benchmark::State& state) {
  Pool pool(default_profile(), static_cast<int>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  std::uint64_t salt = 1;
  for (auto unused : state) {
    Request asked = pool.requests[0];
    ++salt;
    for (BlockHash& hash : asked.prompt) hash ^= salt * 0x9e3779b97f4a7c15;
    pool.decide(std::move(asked));
  }
}
BENCHMARK(BM_DecideCold)->ArgsProduct({{8, 64}, {2, 32, 220}})->Unit(benchmark::kMicrosecond);

void BM_DecideAdapters(benchmark::State& state) {
  Pool pool(default_profile(), static_cast<int>(state.range(0)), 2);
  for (std::size_t i = 0; i < pool.requests.size(); ++i) {
    pool.requests[i].adapter = "adapter-" + std::to_string(i % 48);
  }
  std::size_t i = 0;
  for (auto unused : state) pool.decide(pool.requests[++i % pool.requests.size()]);
}
BENCHMARK(BM_DecideAdapters)->Arg(8)->Arg(64)->Unit(benchmark::kMicrosecond);

void BM_Hash(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)) * 1024, 'x');
  for (auto unused : state) {
    PromptChain chain;
    chain.add(text);
    benchmark::DoNotOptimize(chain.blocks().data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(BM_Hash)->Arg(2)->Arg(32)->Arg(220)->Unit(benchmark::kMicrosecond);

void BM_Observe(benchmark::State& state) {
  Pool pool(default_profile(), static_cast<int>(state.range(0)), 2);
  const std::vector<Endpoint> pods = endpoints(static_cast<int>(state.range(0)));
  std::size_t i = 0;
  for (auto unused : state) pool.picker.observe(pods[++i % pods.size()].address, load());
}
BENCHMARK(BM_Observe)->Arg(64);

}  // namespace
}  // namespace sluice::picker

BENCHMARK_MAIN();
