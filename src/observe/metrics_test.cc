#include "observe/metrics.h"

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::observe {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ObjectKey route(const std::string& name) {
  return {.kind = {"gateway.networking.k8s.io", "HTTPRoute"}, .name = {"default", name}};
}

// Something of everything.
Now now() {
  const Time time(1h);
  return {.time = time,
          .ready = true,
          .busy = 1500ms,
          .objects = {{route("").kind, 3}},
          .rows = {{"routes", 4}},
          .problems = {{{Severity::kError, "reference/not-found"}, 2}},
          .held_back = 1,
          .nearest_expiry = 1'800'000'000,
          .proxies = {{.key = "default/eg",
                       .state = proxy::State::kReady,
                       .pid = 7,
                       .starts = 2,
                       .failures = 1,
                       .commit = 9,
                       .serves = true,
                       .nodes = {{.name = "default/eg/0",
                                  .acknowledged = 7,
                                  .commits_behind = 2,
                                  .behind_since = time - 2500ms}}}}};
}

void count_everything(Metrics& metrics) {
  metrics.read(5, 1);
  metrics.committed({.stages = {{.name = "routes", .runs = 3, .changed = 2, .rows = 4}}, .runs = 3}, 700us);
  metrics.arrived(11ms);
  metrics.sent({"default/eg", "default/eg/0", xds::ResourceType::kRoutes, 2, 1'000});
  metrics.rejected({.proxy = "default/eg", .type = xds::ResourceType::kListener});
  metrics.held_back(route("web"));
  metrics.held_back(route("web"));
}

TEST(Metrics, Text) {
  Metrics metrics;
  count_everything(metrics);
  const std::string text = metrics.text(now());
  for (const char* line : {
           "# TYPE sluice_commits_total counter\nsluice_commits_total 1\n",
           "sluice_source_batches_total 1\n",
           "sluice_source_objects_changed_total 6\n",
           "sluice_commit_cpu_seconds_bucket{le=\"0.0005\"} 0\n",
           "sluice_commit_cpu_seconds_bucket{le=\"0.001\"} 1\n",
           "sluice_stage_runs_total{stage=\"routes\"} 3\n",
           "sluice_stage_rows_changed_total{stage=\"routes\"} 2\n",
           "sluice_change_to_acknowledgement_seconds_bucket{le=\"0.01\"} 0\n",
           "sluice_change_to_acknowledgement_seconds_bucket{le=\"0.015\"} 1\n",
           "sluice_change_to_acknowledgement_seconds_count 1\n",
           "sluice_xds_responses_total{type=\"RouteConfiguration\"} 1\n",
           "sluice_xds_responses_total{type=\"Cluster\"} 0\n",
           "sluice_xds_resources_total{type=\"RouteConfiguration\"} 2\n",
           "sluice_xds_bytes_total{type=\"RouteConfiguration\"} 1000\n",
           "sluice_xds_rejections_total{type=\"Listener\"} 1\n",
           "sluice_object_rejections_total{kind=\"HTTPRoute\",name=\"web\",namespace=\"default\"} 2\n",
           "sluice_ready 1\n",
           "sluice_control_busy_seconds 1.5\n",
           "sluice_objects{kind=\"HTTPRoute\"} 3\n",
           "sluice_table_rows{table=\"routes\"} 4\n",
           "sluice_problems{code=\"reference/not-found\",severity=\"error\"} 2\n",
           "sluice_objects_held_back 1\n",
           "sluice_certificate_nearest_expiry_timestamp_seconds 1800000000\n",
           "sluice_proxy_state{proxy=\"default/eg\",state=\"ready\"} 1\n",
           "sluice_proxy_state{proxy=\"default/eg\",state=\"backing off\"} 0\n",
           "sluice_proxy_starts_total{proxy=\"default/eg\"} 2\n",
           "sluice_proxy_failures_total{proxy=\"default/eg\"} 1\n",
           "sluice_nodes_connected{proxy=\"default/eg\"} 1\n",
           "sluice_node_acknowledged_commit{node=\"default/eg/0\",proxy=\"default/eg\"} 7\n",
           "sluice_node_commits_behind{node=\"default/eg/0\",proxy=\"default/eg\"} 2\n",
           "sluice_node_seconds_behind{node=\"default/eg/0\",proxy=\"default/eg\"} 2.5\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(Metrics, OfTheProcess) {
  const std::string text = Metrics().text({});
  const auto value = [&text](const std::string& name) {
    std::smatch found;
    return std::regex_search(text, found, std::regex("\n" + name + " ([0-9.e+]+)\n")) ? std::stod(found[1])
                                                                                      : -1;
  };
  EXPECT_GT(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value("process_open_fds"), 2);
  const auto now = static_cast<double>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  EXPECT_NEAR(value("process_start_time_seconds"), now, 600);
}

// What is exposed, what is defined, and what the documents say are the same.
TEST(Metrics, AllAreThereAndDocumented) {
  Metrics metrics;
  count_everything(metrics);
  std::set<std::string> exposed;
  std::istringstream lines(metrics.text(now()));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) exposed.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  std::set<std::string> defined;
  for (const std::string_view name : metric_names()) defined.emplace(name);
  EXPECT_EQ(exposed, defined);

  std::ifstream file("docs/observability.md");
  std::set<std::string> documented;
  const std::regex row(R"(^\| `((sluice|process)_[a-z_]+)` \|)");
  for (std::string line; std::getline(file, line);) {
    std::smatch found;
    if (std::regex_search(line, found, row)) documented.insert(found[1]);
  }
  EXPECT_EQ(documented, defined);
}

TEST(Metrics, ObjectsThatAreRefusedAreBounded) {
  Metrics metrics;
  for (int i = 0; i < 1'000; ++i) metrics.held_back(route(fmt::format("r{}", i)));
  metrics.held_back(route("r0"));
  const std::string text = metrics.text({});
  EXPECT_THAT(text, AllOf(HasSubstr("name=\"r0\",namespace=\"default\"} 2\n"), HasSubstr("name=\"r199\""),
                          Not(HasSubstr("name=\"r200\"")),
                          HasSubstr("{kind=\"(others)\",name=\"\",namespace=\"\"} 800\n")));
}

TEST(Metrics, OfSeveralThreads) {
  Metrics metrics;
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) count_everything(metrics);
  });
  for (int i = 0; i < 50; ++i) metrics.text(now());
  other.join();
  EXPECT_THAT(metrics.text(now()), HasSubstr("sluice_commits_total 200\n"));
}

}  // namespace
}  // namespace sluice::observe
