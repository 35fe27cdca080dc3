// What a commit costs, in the process: CPU, allocations, stages, bytes, at N routes. Each route has its own
// host, Service and EndpointSlice (2 endpoints) and two path rules.
//
//   pipeline_bench [N…]   prints one JSON line a size
//
// "full" is everything from bound objects to serialised resources, in a new pipeline. "route" and "endpoint"
// are the medians over kEdits edits of one object each, between commits that change nothing else.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "allocations.h"
#include "control/pipeline.h"
#include "control/sample_objects.h"

namespace sluice {
namespace {

namespace sample = control::sample;

constexpr int kEdits = 101;

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double rss_mb() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  statm >> pages >> resident;
  return static_cast<double>(resident) * 4096 / 1e6;
}

api::BoundObject route(int i, int edit) {
  std::vector<api::HTTPRouteRule> rules;
  for (const char* path : {"/api", "/"}) {
    api::HTTPRouteRule rule = sample::rule(path, {{fmt::format("service-{}", i)}});
    if (edit > 0) {
      api::HTTPRouteFilter filter;
      filter.request_header_modifier =
          api::HTTPHeaderFilter{.set = {{"x-edit", std::to_string(edit)}}, .add = {}, .remove = {}};
      rule.filters = {filter};
    }
    rules.push_back(std::move(rule));
  }
  return sample::bound(fmt::format("route-{}", i),
                       sample::http_route({fmt::format("host-{}.example.com", i)}, std::move(rules)));
}

api::BoundObject service(int i) { return sample::service(fmt::format("service-{}", i)); }

api::BoundObject slice(int i, int edit) {
  const std::string first = fmt::format("10.1.{}.{}", (i / 250) % 250, i % 250);
  const std::string second = edit > 0 ? fmt::format("10.9.{}.{}", edit / 250, edit % 250)
                                      : fmt::format("10.2.{}.{}", (i / 250) % 250, i % 250);
  return sample::slice(fmt::format("service-{}", i), {first, second});
}

constexpr xds::ResourceType kTypes[] = {xds::ResourceType::kCluster, xds::ResourceType::kEndpoints,
                                        xds::ResourceType::kSecret, xds::ResourceType::kListener,
                                        xds::ResourceType::kRoutes};

std::size_t bytes_pushed(const control::Pipeline& pipeline) {
  std::size_t bytes = 0;
  for (const auto type : kTypes) {
    for (const auto& change : pipeline.resources(type).changes()) {
      if (change.after != nullptr) bytes += change.after->bytes->size();
    }
  }
  return bytes;
}

struct Cost {
  double cpu = 0;
  std::uint64_t allocations = 0;
  std::uint64_t runs = 0;
  std::size_t bytes = 0;
};

template <typename Edit>
Cost cost_of(control::Pipeline& pipeline, Edit edit) {
  Cost cost;
  const std::uint64_t allocated = allocations();
  const double start = cpu_ms();
  edit();
  const flow::CommitStats stats = pipeline.commit();
  cost.cpu = cpu_ms() - start;
  cost.allocations = allocations() - allocated;
  cost.runs = stats.runs;
  cost.bytes = bytes_pushed(pipeline);
  return cost;
}

Cost median(std::vector<Cost> costs) {
  std::ranges::sort(costs, {}, &Cost::cpu);
  return costs[costs.size() / 2];
}

std::string json(const Cost& c) {
  return fmt::format(R"({{"cpu_ms":{:.3f},"allocations":{},"runs":{},"bytes":{}}})", c.cpu, c.allocations,
                     c.runs, c.bytes);
}

void measure(int n) {
  std::vector<api::BoundObject> objects{sample::gateway()};
  for (int i = 0; i < n; ++i) {
    objects.push_back(route(i, 0));
    objects.push_back(service(i));
    objects.push_back(slice(i, 0));
  }
  translate::Settings settings;
  settings.implied_class = "sluice";

  std::vector<Cost> full;
  for (int round = 0; round < 5; ++round) {
    control::Pipeline pipeline(settings);
    full.push_back(cost_of(pipeline, [&] {
      for (const api::BoundObject& object : objects) pipeline.upsert(object);
    }));
  }
  control::Pipeline pipeline(settings);
  for (const api::BoundObject& object : objects) pipeline.upsert(object);
  pipeline.commit();
  std::vector<Cost> routes;
  std::vector<Cost> endpoints;
  for (int edit = 1; edit <= kEdits; ++edit) {
    const int i = edit * 7919 % n;
    const api::BoundObject new_route = route(i, edit);
    routes.push_back(cost_of(pipeline, [&] { pipeline.upsert(new_route); }));
    const api::BoundObject new_slice = slice(i, edit);
    endpoints.push_back(cost_of(pipeline, [&] { pipeline.upsert(new_slice); }));
  }
  fmt::print("{{\"routes\":{},\"full\":{},\"route\":{},\"endpoint\":{},\"rss_mb\":{:.1f}}}\n", n,
             json(median(full)), json(median(routes)), json(median(endpoints)), rss_mb());
  std::fflush(stdout);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  std::vector<int> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(std::atoi(argv[i]));
  if (sizes.empty()) sizes = {10, 100, 1'000, 5'000, 10'000};
  for (const int n : sizes) sluice::measure(n);
}
