// What the graph itself costs. The stages do next to nothing, so nearly all that is measured is look-ups, the
// recording of reads, and the change lists; the shape is that of the translation: ten tables, eight reads a
// route.
//
//   BM_Build/N          a new graph, N routes set and committed
//   BM_Recommit/N       one row changes that every route reads: all N run again with the reads that they had
//   BM_EditRoute/N      one route changes
//   BM_EditEndpoints/N  a row changes whose projection does not
//   BM_EditInGroup/N    one route changes, and a group stage looks at the first rows of a group of all N
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"

#include "base/object_key.h"
#include "flow/graph.h"

namespace sluice::flow {
namespace {

struct Service {
  int port;
  int endpoints;
  bool operator==(const Service&) const = default;
};
struct Route {
  NamespacedName gateway;
  std::vector<NamespacedName> services;
  std::string host;
  int revision;
  bool operator==(const Route&) const = default;
};
using Names = std::vector<NamespacedName>;

NamespacedName numbered(const char* name, int i) { return {"production", name + std::to_string(i)}; }

struct Translation {
  Graph graph;
  Input<NamespacedName, Service>& services = graph.input<NamespacedName, Service>("services");
  Input<NamespacedName, Route>& routes = graph.input<NamespacedName, Route>("routes");
  Input<NamespacedName, int>& gateways = graph.input<NamespacedName, int>("gateways");
  Input<NamespacedName, int>& policies = graph.input<NamespacedName, int>("policies");
  const Table<NamespacedName, int>& ports =
      graph.map("ports", services, [](const NamespacedName&, const Service& s) { return s.port; });
  const Table<NamespacedName, int>& listeners =
      graph.map("listeners", gateways, [](const NamespacedName&, int g) { return g / 1'000'000; });
  // Eight reads a route.
  const Table<NamespacedName, int>& rules =
      graph.map("rules", routes, [this](const NamespacedName& key, const Route& r, Reads& reads) {
        int sum = r.revision;
        if (const int* gateway = reads.get(gateways, r.gateway)) sum += *gateway;
        if (const int* listener = reads.get(listeners, r.gateway)) sum += *listener;
        if (const int* policy = reads.get(policies, key)) sum += *policy;
        if (const int* policy = reads.get(policies, r.gateway)) sum += *policy;
        for (const NamespacedName& service : r.services) {
          if (const int* port = reads.get(ports, service)) sum += *port;
        }
        return sum;
      });
  const Table<NamespacedName, std::string>& hosts =
      graph.map("hosts", routes, [](const NamespacedName&, const Route& r) { return r.host; });
  const Index<std::string, NamespacedName, std::string>& by_host =
      graph.index("by host", hosts, [](const NamespacedName&, const std::string& host) { return host; });
  const Index<NamespacedName, NamespacedName, Route>& by_gateway =
      graph.index("by gateway", routes, [](const NamespacedName&, const Route& r) { return r.gateway; });
  const Table<std::string, int>& vhosts =
      graph.group("vhosts", by_host, [this](const std::string& host, Reads& reads) {
        int sum = 0;
        for (const auto& [key, row] : reads.group(by_host, host)) sum += *reads.get(rules, key);
        return sum;
      });
  const Table<NamespacedName, int>& clusters =
      graph.map_many("clusters", routes, [this](const NamespacedName&, const Route& r, Reads& reads) {
        std::vector<std::pair<NamespacedName, int>> made;
        const NamespacedName& service = r.services.front();
        if (const int* port = reads.get(ports, service)) made.emplace_back(service, *port);
        return made;
      });
  const Table<NamespacedName, bool>& statuses =
      graph.map("statuses", rules, [](const NamespacedName&, int v) { return v % 2 == 0; });
  const Table<NamespacedName, int>& attached =
      graph.group("attached", by_gateway, [this](const NamespacedName& gateway, Reads& reads) {
        int sum = 0;
        int n = 0;
        for (const auto& [key, row] : reads.group(by_gateway, gateway)) {
          sum += row.revision;
          if (++n == 8) break;
        }
        return sum;
      });

  static Route route(int i, int n, int revision) {
    Route r{numbered("gateway-", 0), {}, "host-" + std::to_string(i) + ".example.com", revision};
    for (int s = 0; s < 4; ++s) r.services.push_back(numbered("some-service-", (i * 7 + s) % n));
    return r;
  }
};

// The rows are made before, the graph is what is measured.
struct Rows {
  explicit Rows(int n) {
    for (int i = 0; i < n; ++i) {
      names.push_back(numbered("a-route-with-a-name-", i));
      routes.push_back(std::make_shared<const Route>(Translation::route(i, n, i)));
      service_names.push_back(numbered("some-service-", i));
      services.push_back(std::make_shared<const Service>(Service{80 + i % 7, i}));
    }
  }
  void set(Translation& t) const {
    for (std::size_t i = 0; i < names.size(); ++i) {
      t.routes.set(names[i], routes[i]);
      t.services.set(service_names[i], services[i]);
    }
    t.gateways.set(numbered("gateway-", 0), 1);
  }
  Names names;
  std::vector<std::shared_ptr<const Route>> routes;
  Names service_names;
  std::vector<std::shared_ptr<const Service>> services;
};

void BM_Build(benchmark::State& state) {
  const Rows rows(static_cast<int>(state.range(0)));
  std::size_t reads = 0;
  std::uint64_t runs = 0;
  for (auto unused : state) {
    auto t = std::make_unique<Translation>();
    rows.set(*t);
    runs = t->graph.commit().runs;
    reads = t->graph.read_count();
    state.PauseTiming();
    t.reset();
    state.ResumeTiming();
  }
  state.counters["runs"] = static_cast<double>(runs);
  state.counters["reads"] = static_cast<double>(reads);
}
BENCHMARK(BM_Build)->Arg(5000)->Arg(10000)->Unit(benchmark::kMillisecond);

// Commits after an edit that depends on the number of the commit.
template <class Edit>
void run(benchmark::State& state, Edit edit) {
  const int n = static_cast<int>(state.range(0));
  Translation t;
  Rows(n).set(t);
  t.graph.commit();
  std::uint64_t runs = 0;
  int revision = 0;
  for (auto unused : state) {
    edit(t, n, ++revision);
    runs = t.graph.commit().runs;
  }
  state.counters["runs"] = static_cast<double>(runs);
}

void BM_Recommit(benchmark::State& state) {
  run(state,
      [](Translation& t, int, int revision) { t.gateways.set(numbered("gateway-", 0), revision % 2); });
}
BENCHMARK(BM_Recommit)->Arg(5000)->Unit(benchmark::kMillisecond);

void BM_EditRoute(benchmark::State& state) {
  run(state, [](Translation& t, int n, int revision) {
    t.routes.set(numbered("a-route-with-a-name-", n / 2), Translation::route(n / 2, n, -revision));
  });
}
BENCHMARK(BM_EditRoute)->Arg(100)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

void BM_EditEndpoints(benchmark::State& state) {
  run(state, [](Translation& t, int n, int revision) {
    t.services.set(numbered("some-service-", n / 2), Service{80, revision});
  });
}
BENCHMARK(BM_EditEndpoints)->Arg(100)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

void BM_EditInGroup(benchmark::State& state) {
  run(state, [](Translation& t, int n, int revision) {
    const NamespacedName name = numbered("a-route-with-a-name-", n);
    if (revision % 2 == 0) {
      t.routes.erase(name);
    } else {
      t.routes.set(name, Translation::route(n, n, revision));
    }
  });
}
BENCHMARK(BM_EditInGroup)->Arg(100)->Arg(10000)->Arg(100000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::flow

BENCHMARK_MAIN();
