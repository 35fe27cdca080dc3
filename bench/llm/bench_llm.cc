// bench_llm: plays scenarios under policies and prints a line of JSON for each run; report.py makes the table
// of them.
//
// A scenario is a source of requests and a number of pods. Its knee is the highest rate at which the bound,
// the pooled server, still gives nine of ten jobs what they want (simulate.h); loads are multiples of it. See
// bench/llm/README.md.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "llm/simulate.h"

namespace sluice::llmbench {
namespace {

struct Named {
  std::string name;
  MakePolicy make;
  bool scrapes = false;  // decides by scraped metrics: the others are the same at each interval
  bool online = true;    // could be built
  bool variant = false;  // of ours, played at and beyond the knee only
};

const std::vector<Named>& policies() {
  static const std::vector<Named> all{
      {"random", random_policy},
      {"round-robin", round_robin},
      {"least-request", least_request},
      {"power-of-two", power_of_two},
      {"llm-d", [](const Fleet& fleet) { return llmd(fleet, {}); }, true},
      {"llm-d+lora", [](const Fleet& fleet) { return llmd(fleet, {.lora = 1}); }, true},
      {"llm-d-matched", [](const Fleet& fleet) { return llmd(fleet, matched(fleet.scenario)); }, true},
      {"sglang", sglang},
      {"ours", ours, true},
      {"ours-1s", [](const Fleet& fleet) { return ours_wanting(fleet, Time(1'000'000)); }, true, true, true},
      {"ours-4s", [](const Fleet& fleet) { return ours_wanting(fleet, Time(4'000'000)); }, true, true, true},
      {"clairvoyant", clairvoyant, false, false},
      {"bound", round_robin, false, false},
  };
  return all;
}

const Named& policy(std::string_view name) { return *std::ranges::find(policies(), name, &Named::name); }

struct Scenario {
  const Source* source;
  Pod pods;
  // Stretches of the source that are laid over each other.
  std::size_t copies() const { return pods > 8 ? 2 : 1; }
  std::string name() const { return fmt::format("{}/{}", source->name(), pods); }
};

llmsim::Config pod_config(const Source& source) {
  llmsim::Config config;
  config.block_size = kBlockTokens;
  config.blocks = llmsim::kLlama8bBlocksOnA100 * 16 / kBlockTokens;
  if (source.name() == "adapters") config.adapter_slots = 4;
  return config;
}

struct Point {
  Scenario scenario;
  double rate;
  Time scrape;
  std::uint64_t seed;
  Half half;
};

Outcome play(const Point& point, const Named& named, std::optional<MakePolicy> make = std::nullopt) {
  const std::vector<Job> jobs =
      point.scenario.source->sample(point.half, point.scenario.copies(), point.rate, point.seed);
  Setup setup{.pods = point.scenario.pods,
              .config = pod_config(*point.scenario.source),
              .scrape = point.scrape,
              .seed = point.seed,
              .scenario = point.scenario.source->name()};
  if (named.name == "bound") {
    setup.config = pooled(setup.config, setup.pods);
    setup.pods = 1;
  }
  return simulate(jobs, setup, make.value_or(named.make));
}

// Does all of `tasks` on `threads` threads.
void in_parallel(unsigned threads, std::size_t tasks, const std::function<void(std::size_t)>& task) {
  std::atomic<std::size_t> next{0};
  std::vector<std::jthread> pool;
  for (unsigned i = 0; i < threads; ++i) {
    pool.emplace_back([&] {
      for (std::size_t at = next++; at < tasks; at = next++) task(at);
    });
  }
}

// The highest rate at which `holds`, to about two percent; `holds` is true at low rates and false at high
// ones.
double highest_rate(double guess, const std::function<bool(double)>& holds) {
  double low = guess;
  while (!holds(low) && low > guess / 1e3) low /= 2;
  double high = low * 2;
  while (holds(high) && high < guess * 1e3) {
    low = high;
    high *= 2;
  }
  while (high / low > 1.02) {
    const double middle = (low + high) / 2;
    (holds(middle) ? low : high) = middle;
  }
  return low;
}

double knee(const Scenario& scenario, Half half, const std::vector<std::uint64_t>& seeds) {
  return highest_rate(scenario.pods, [&](double rate) {
    double goodput = 0;
    for (const std::uint64_t seed : seeds) {
      goodput += play({scenario, rate, Time(50'000), seed, half}, policy("bound")).goodput;
    }
    return goodput >= 0.9 * static_cast<double>(seeds.size());
  });
}

// The first-token p99 at which throughputs are compared.
constexpr double kFirstP99 = 5;

double capacity(const Scenario& scenario, const Named& named, double knee_rate, Half half,
                const std::vector<std::uint64_t>& seeds) {
  return highest_rate(knee_rate / 2, [&](double rate) {
    double p99 = 0;
    double refused = 0;
    for (const std::uint64_t seed : seeds) {
      const Outcome outcome = play({scenario, rate, Time(50'000), seed, half}, named);
      p99 += outcome.first_p99 / static_cast<double>(seeds.size());
      refused += static_cast<double>(outcome.refused) /
                 static_cast<double>((outcome.finished + outcome.refused) * seeds.size());
    }
    return p99 <= kFirstP99 && refused <= 0.01;
  });
}

std::string line(const Point& point, double load, const Named& named, const Outcome& o) {
  const auto refused = [&](int priority) {
    const auto of = o.classes.find(priority);
    return of == o.classes.end() ? 0 : of->second.refused;
  };
  return fmt::format(
      R"({{"kind":"run","scenario":"{}","pods":{},"load":{},"rate":{:.4f},"scrape_ms":{},"policy":"{}","seed":{},)"
      R"("jobs":{},"seconds":{:.1f},"goodput":{:.5f},"good_rate":{:.4f},"done_rate":{:.4f},"first_p50":{:.4f},)"
      R"("first_p99":{:.4f},"token_p50":{:.2f},"token_p99":{:.2f},"first_late":{:.4f},"tokens_late":{:.4f},)"
      R"("prefix_hits":{:.4f},"adapter_loads":{:.2f},)"
      R"("preemptions":{:.2f},"fairness":{:.4f},"refused_by_length":[{:.4f},{:.4f},{:.4f}],)"
      R"("refused_by_priority":[{:.4f},{:.4f}],"finished":{},"refused":{},"steps":{},"fingerprint":"{:016x}"}})",
      point.scenario.source->name(), point.scenario.pods, load, point.rate, point.scrape.count() / 1000,
      named.name, point.seed, o.jobs, o.seconds, o.goodput, o.good_rate, o.done_rate, o.first_p50,
      o.first_p99, o.token_p50, o.token_p99, o.first_late, o.tokens_late, o.prefix_hits, o.adapter_loads,
      o.preemptions, o.fairness, o.refused_by_length[0], o.refused_by_length[1], o.refused_by_length[2],
      refused(-1), refused(0), o.finished, o.refused, o.steps, o.fingerprint);
}

// Walks over llm-d's weights, one at a time, to those with the best goodput at and beyond the knee.
LlmdWeights match(const Scenario& scenario, double rate, const std::vector<std::uint64_t>& seeds) {
  const auto goodput = [&](const LlmdWeights& weights) {
    double sum = 0;
    for (const double load : {1.0, 1.25}) {
      for (const std::uint64_t seed : seeds) {
        sum += play({scenario, rate * load, Time(50'000), seed, Half::kTuning}, policy("llm-d"),
                    [&](const Fleet& fleet) { return llmd(fleet, weights); })
                   .goodput;
      }
    }
    return sum / 2 / static_cast<double>(seeds.size());
  };
  LlmdWeights best;
  double best_goodput = goodput(best);
  for (int round = 0; round < 2; ++round) {
    for (double LlmdWeights::* weight : {&LlmdWeights::lora, &LlmdWeights::prefix, &LlmdWeights::running,
                                         &LlmdWeights::queue, &LlmdWeights::kv}) {
      if (weight == &LlmdWeights::lora && scenario.source->name() != "adapters") continue;
      for (const double value : {0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0}) {
        LlmdWeights tried = best;
        if (tried.*weight == value) continue;
        tried.*weight = value;
        const double reached = goodput(tried);
        if (reached <= best_goodput) continue;
        best = tried;
        best_goodput = reached;
      }
    }
  }
  fmt::print("{:<14} queue {} kv {} prefix {} lora {} running {}: goodput {:.4f}, with the defaults {:.4f}\n",
             scenario.source->name(), best.queue, best.kv, best.prefix, best.lora, best.running, best_goodput,
             goodput({}));
  return best;
}

struct Options {
  std::string traces = "../shared/traces";
  std::vector<std::string> policies;
  std::vector<std::string> scenarios;
  std::vector<std::uint64_t> seeds;
  std::vector<double> loads;
  std::vector<int> scrapes;
  bool quick = false;
  bool tuning = false;
  bool match = false;
  bool capacity = true;
  unsigned threads = 2;
};

int run(const Options& options) {
  std::vector<Source> sources;
  sources.push_back(Source::adapters());
  bool missing = false;
  for (const char* name : {"conversation", "synthetic", "azure-conv", "azure-code", "classes"}) {
    sources.push_back(Source::trace(name, options.traces));
    missing = missing || sources.back().empty();
  }
  if (missing) {
    fmt::print(stderr, "bench-llm: without the traces in {} only the mix of adapters is played\n",
               options.traces);
    std::erase_if(sources, [](const Source& source) { return source.empty(); });
  }
  const Half half = options.tuning || options.match ? Half::kTuning : Half::kTable;
  std::vector<std::uint64_t> seeds = options.seeds;
  if (seeds.empty()) {
    const std::uint64_t first = half == Half::kTuning ? 1 : 101;
    for (std::uint64_t i = 0; i < (options.quick ? 2U : 5U); ++i) seeds.push_back(first + i);
  }

  std::vector<Scenario> scenarios;
  for (const Source& source : sources) {
    for (const Pod pods : {8U, 64U}) {
      if (pods == 64 && options.quick) continue;
      const Scenario scenario{&source, pods};
      if (!options.scenarios.empty() &&
          std::ranges::find(options.scenarios, scenario.name()) == options.scenarios.end() &&
          std::ranges::find(options.scenarios, source.name()) == options.scenarios.end()) {
        continue;
      }
      scenarios.push_back(scenario);
    }
  }

  std::vector<double> knees(scenarios.size());
  in_parallel(options.threads, scenarios.size(), [&](std::size_t i) {
    // Two seeds: what a knee is need not be known better than to some percent.
    knees[i] = knee(scenarios[i], half, {seeds.front(), seeds.back()});
  });
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    fmt::print(R"({{"kind":"knee","scenario":"{}","pods":{},"rate":{:.4f}}})"
               "\n",
               scenarios[i].source->name(), scenarios[i].pods, knees[i]);
  }
  std::fflush(stdout);
  if (options.match) {
    in_parallel(options.threads, scenarios.size(),
                [&](std::size_t i) { match(scenarios[i], knees[i], seeds); });
    return 0;
  }

  struct Task {
    Point point;
    double load;
    const Named* named;
    bool capacity = false;
    double knee = 0;
  };
  std::vector<Task> tasks;
  const auto wanted = [&](const Named& named) {
    return options.policies.empty() ||
           std::ranges::find(options.policies, named.name) != options.policies.end();
  };
  const std::vector<double> loads = !options.loads.empty() ? options.loads
                                    : options.quick        ? std::vector{0.75, 1.25}
                                                           : std::vector{0.5, 0.75, 1.0, 1.25, 1.5};
  const std::vector<int> scrapes = !options.scrapes.empty() ? options.scrapes
                                   : options.quick          ? std::vector{50, 1000}
                                                            : std::vector{50, 1000, 60'000};
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    for (const Named& named : policies()) {
      if (!wanted(named)) continue;
      if (scenarios[i].source->name() == "adapters" && named.online && !named.variant && options.capacity) {
        tasks.push_back(
            {{scenarios[i], knees[i], Time(50'000), seeds.front(), half}, 0, &named, true, knees[i]});
      }
      for (const double load : loads) {
        for (const int scrape : scrapes) {
          const bool first = scrape == scrapes.front();
          if ((!named.scrapes || named.variant) && !first) continue;
          if (named.variant && options.loads.empty() && load != 1.0 && load != 1.25) continue;
          // Slow scrapes at the knee and beyond it.
          if (!first && options.loads.empty() && load != 1.0 && load != 1.25) continue;
          for (const std::uint64_t seed : seeds) {
            tasks.push_back({{scenarios[i], knees[i] * load, Time(scrape * 1000), seed, half}, load, &named});
          }
        }
      }
    }
  }
  // Long ones first, so that no thread is left with one at the end; printed in their order all the same.
  std::vector<std::size_t> order(tasks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return std::pair(!tasks[a].capacity, tasks[a].point.scenario.pods < 64) <
           std::pair(!tasks[b].capacity, tasks[b].point.scenario.pods < 64);
  });
  std::vector<std::string> lines(tasks.size());
  std::atomic<std::size_t> done{0};
  in_parallel(options.threads, tasks.size(), [&](std::size_t at) {
    const Task& task = tasks[order[at]];
    if (task.capacity) {
      const double rate =
          capacity(task.point.scenario, *task.named, task.knee, half, {seeds.front(), seeds.back()});
      lines[order[at]] = fmt::format(
          R"({{"kind":"capacity","scenario":"{}","pods":{},"policy":"{}","first_p99":{},"rate":{:.4f}}})",
          task.point.scenario.source->name(), task.point.scenario.pods, task.named->name, kFirstP99, rate);
    } else {
      lines[order[at]] = line(task.point, task.load, *task.named, play(task.point, *task.named));
    }
    const std::size_t count = ++done;
    if (count % 100 == 0) fmt::print(stderr, "bench-llm: {} of {} runs\n", count, tasks.size());
  });
  for (const std::string& text : lines) fmt::print("{}\n", text);
  return 0;
}

}  // namespace
}  // namespace sluice::llmbench

int main(int argc, char** argv) {
  sluice::llmbench::Options options;
  CLI::App app{"Plays traces of LLM requests under policies of picking pods; prints lines of JSON."};
  app.add_option("--traces", options.traces, "the folder with the traces");
  app.add_option("--policy", options.policies, "only these")->delimiter(',');
  app.add_option("--scenario", options.scenarios, "only these: adapters, conversation/8, …")->delimiter(',');
  app.add_option("--seed", options.seeds, "these; else five")->delimiter(',');
  app.add_option("--load", options.loads, "multiples of the knee")->delimiter(',');
  app.add_option("--scrape", options.scrapes, "milliseconds between two scrapes")->delimiter(',');
  app.add_option("--threads", options.threads, "how many runs at once");
  app.add_flag("--quick", options.quick, "8 pods, two loads, two seeds");
  app.add_flag("--tuning", options.tuning, "the first halves of the traces, and the seeds for tuning");
  app.add_flag("--match", options.match, "look for llm-d's best weights for each scenario");
  app.add_flag("!--no-capacity", options.capacity, "do not look for throughputs at one first-token p99");
  CLI11_PARSE(app, argc, argv);
  return sluice::llmbench::run(options);
}
