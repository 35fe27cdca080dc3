// What rendering costs: clusters, endpoints and virtual hosts of N routes, and one assembly of all.
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "xds/render.h"

namespace sluice::xds {
namespace {

constexpr int kClusters = 5'000;
const GroupKind kHttpRoute("gateway.networking.k8s.io", "HTTPRoute");

std::vector<ir::Cluster> clusters() {
  std::vector<ir::Cluster> made;
  for (int i = 0; i < kClusters; ++i) {
    made.push_back({.name = fmt::format("service/default/backend-{}/8080", i),
                    .owner = {GroupKind("", "Service"), {"default", fmt::format("backend-{}", i)}}});
  }
  return made;
}

struct Assignment {
  std::string cluster;
  std::vector<ir::Locality> localities;
};

std::string render(const Assignment& of) { return render_endpoints(of.cluster, of.localities, false); }

std::vector<Assignment> endpoints() {
  std::vector<Assignment> made;
  for (int i = 0; i < kClusters; ++i) {
    made.push_back({.cluster = fmt::format("service/default/backend-{}/8080", i),
                    .localities = {{.endpoints = {{.address = fmt::format("10.0.{}.{}", i / 250, i % 250),
                                                   .port = 8080}}}}});
  }
  return made;
}

// Two routes a host: of one rule with two matches.
std::vector<ir::VirtualHost> virtual_hosts() {
  std::vector<ir::VirtualHost> made;
  for (int i = 0; i < kClusters; ++i) {
    const auto action = std::make_shared<const ir::RouteAction>(ir::RouteAction{
        .action = ir::Forward{.clusters = {{.cluster = fmt::format("service/default/backend-{}/8080", i)}}}});
    const ObjectKey owner{kHttpRoute, {"default", fmt::format("route-{}", i)}};
    ir::VirtualHost host{.host = fmt::format("host-{}.example.com", i)};
    host.routes.push_back({.match = {.path = {.value = "/api"}}, .action = action, .owner = owner});
    host.routes.push_back({.match = {}, .action = action, .owner = owner});
    host.routes.back().match.headers = {{.name = "x-version", .value = "2"}};
    made.push_back(std::move(host));
  }
  return made;
}

template <typename Row, typename Render>
void render_all(benchmark::State& state, const std::vector<Row>& rows, Render render) {
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = 0;
    for (const Row& row : rows) bytes += render(row).size();
  }
  state.counters["bytes_each"] = static_cast<double>(bytes) / static_cast<double>(rows.size());
  state.counters["rows"] = static_cast<double>(rows.size());
}

void BM_Clusters(benchmark::State& state) {
  render_all(state, clusters(), [](const ir::Cluster& cluster) { return render_cluster(cluster); });
}

void BM_Endpoints(benchmark::State& state) { render_all(state, endpoints(), render); }

void BM_VirtualHosts(benchmark::State& state) {
  render_all(state, virtual_hosts(),
             [](const ir::VirtualHost& host) { return render_virtual_host("default/gw/http", host); });
}

void BM_AssembleRoutes(benchmark::State& state) {
  std::vector<std::string> hosts;
  for (const ir::VirtualHost& host : virtual_hosts())
    hosts.push_back(render_virtual_host("default/gw/http", host));
  const std::vector<std::string_view> views(hosts.begin(), hosts.end());
  for (auto _ : state) benchmark::DoNotOptimize(assemble_routes("default/gw/http", views));
}

void BM_ContentHash(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(content_hash(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_ThousandEndpoints(benchmark::State& state) {
  Assignment endpoints{.cluster = "service/default/backend/8080", .localities = {{}}};
  for (int i = 0; i < 1'000; ++i) {
    endpoints.localities[0].endpoints.push_back(
        {.address = fmt::format("10.0.{}.{}", i / 250, i % 250), .port = 8080});
  }
  for (auto _ : state) benchmark::DoNotOptimize(render(endpoints));
}

BENCHMARK(BM_Clusters)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Endpoints)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_VirtualHosts)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_AssembleRoutes)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ThousandEndpoints)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_ContentHash)->Arg(300)->Arg(1 << 20);

}  // namespace
}  // namespace sluice::xds

BENCHMARK_MAIN();
