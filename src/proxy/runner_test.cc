// The runner with a stand-in for Envoy.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "proxy/process.h"
#include "proxy/record.h"
#include "proxy/supervisor.h"
#include "proxy/testing.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kKey[] = "default/web";

class FakeRunnerTest : public RunnerTest {
 protected:
  FakeRunnerTest() {
    options_.envoy_path = write_fake_envoy(folder_);
    options_.xds_socket = folder_.file("xds");
    // The bootstrap of ir::Proxy is ours, with what the stand-in needs; "problem" in it is one.
    options_.render = [this](const ir::Proxy& proxy,
                             const xds::BootstrapPlaces& places) -> std::expected<std::string, Problem> {
      nlohmann::json bootstrap = nlohmann::json::parse(proxy.bootstrap);
      if (bootstrap.contains("problem")) {
        return std::unexpected(Problem{.code = "value/bootstrap", .message = bootstrap["problem"]});
      }
      bootstrap["admin"] = places.admin_socket;
      bootstrap["node"] = {{"id", places.node_id}, {"cluster", proxy.key}};
      bootstrap["log"] = folder_.path();
      return bootstrap.dump();
    };
  }

  static ir::Proxy proxy(const std::string& bootstrap = "{}") {
    return {.key = kKey,
            .drain_timeout = milliseconds(2'000),
            .min_drain = milliseconds(0),
            .bootstrap = bootstrap};
  }

  std::vector<nlohmann::json> starts() const { return read_lines(folder_.file("starts")); }
  std::vector<nlohmann::json> calls() const { return read_lines(folder_.file("calls")); }
  std::string argument(std::size_t start, const std::string& name) const {
    const auto arguments = starts().at(start)["arguments"].get<std::vector<std::string>>();
    const auto found = std::ranges::find(arguments, name);
    return found == arguments.end() ? "" : *(found + 1);
  }
  void set_connections(int count) const {
    std::ofstream(folder_.file("connections.new")) << count;
    std::filesystem::rename(folder_.file("connections.new"), folder_.file("connections"));
  }
  std::string state_file() const { return run_dir() + "/" + short_name(kKey) + ".state"; }
  ProxyRecord record() const {
    return decode_record(read_file(state_file()).value_or("")).value_or(ProxyRecord{});
  }

  // Ensures it and waits until it is ready.
  int start_ready(const ir::Proxy& which) {
    const int from = events_.size();
    runner_->ensure(which);
    return events_.at(events_.wait(State::kReady, from)).pid;
  }
  int wait_for_message(const std::string& part, int from = 0) const {
    return events_.wait([&](const Event& event) { return event.message.find(part) != event.message.npos; },
                        from);
  }
};

TEST_F(FakeRunnerTest, StartsAndReportsReady) {
  start();
  ir::Proxy p = proxy();
  p.concurrency = 3;
  p.log_levels = {{"default", "debug"}};
  const int pid = start_ready(p);
  ASSERT_EQ(starts().size(), 1u);
  EXPECT_EQ(starts()[0]["pid"], pid);
  EXPECT_NE(starts()[0]["session"], ::getsid(0)) << "Ctrl-C at our terminal is not for Envoy";
  EXPECT_THAT(starts()[0]["descriptors"].get<std::vector<int>>(), testing::Each(testing::Le(3)))
      << "3 is its own, of the folder it lists";
  EXPECT_EQ(argument(0, "--concurrency"), "3");
  EXPECT_EQ(argument(0, "--log-level"), "debug");
  EXPECT_EQ(argument(0, "--restart-epoch"), "0");
  EXPECT_EQ(events_.at(0).state, State::kStarting);
  EXPECT_EQ(events_.at(0).pid, pid);
  EXPECT_THAT(events_.at(1).message, HasSubstr("ready after "));
  EXPECT_THAT(read_file(run_dir() + "/default_web." + short_name(kKey) + ".out.log"), "to the output\n");

  struct stat status;
  ASSERT_EQ(::stat(run_dir().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_TRUE(runner_->adopted().empty());
}

TEST_F(FakeRunnerTest, NothingHappensWhenNothingChanged) {
  start();
  const int pid = start_ready(proxy());
  const int events = events_.size();
  runner_->ensure(proxy());
  ir::Proxy p = proxy();
  p.ports = {80};  // for messages only
  runner_->ensure(p);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(events_.size(), events);
  EXPECT_EQ(starts().size(), 1u);
  EXPECT_TRUE(alive(pid));
}

TEST_F(FakeRunnerTest, IsStartedAgainAtOnceAndThenWithBackOff) {
  start();
  int from = 0;
  int pid = start_ready(proxy());
  ::kill(pid, SIGKILL);
  from = events_.wait(State::kExited, from);
  EXPECT_THAT(events_.at(from).message, HasSubstr("killed by signal 9 (Killed)"));
  EXPECT_EQ(events_.at(from).pid, pid);
  EXPECT_EQ(events_.at(events_.wait([](const auto&) { return true; }, from + 1)).state, State::kStarting);
  from = events_.wait(State::kReady, from);
  ::kill(events_.at(from).pid, SIGKILL);
  from = events_.wait(State::kBackingOff, from);
  EXPECT_EQ(events_.at(from).message, "next start in 50 ms");
  from = events_.wait(State::kReady, from);
  ::kill(events_.at(from).pid, SIGKILL);
  from = events_.wait(State::kBackingOff, from);
  EXPECT_EQ(events_.at(from).message, "next start in 100 ms");
}

TEST_F(FakeRunnerTest, FailingAtTheStartSaysWhy) {
  options_.restart_delay_max = milliseconds(60);
  start();
  runner_->ensure(proxy(R"({"die": "cannot bind 0.0.0.0:80"})"));
  const int first = events_.wait(State::kExited);
  EXPECT_EQ(events_.at(first).message, "exited with status 1\na first line\ncannot bind 0.0.0.0:80");
  ASSERT_TRUE(events_.at(first).problem);
  EXPECT_EQ(events_.at(first).problem->code, "value/bootstrap");
  const int second = events_.wait(State::kExited, first + 1);
  EXPECT_EQ(events_.at(second).message, events_.at(first).message) << "only its own lines";
  int last = events_.wait(State::kBackingOff, second);
  last = events_.wait(State::kBackingOff, last + 1);
  EXPECT_EQ(events_.at(last).message, "next start in 60 ms");
  EXPECT_EQ(events_.at(last).problem, events_.at(first).problem) << "it stays while it is tried again";
  // What is wanted now does not wait for what failed before.
  EXPECT_TRUE(alive(start_ready(proxy())));
  EXPECT_FALSE(events_.at(events_.wait(State::kReady)).problem);
}

TEST_F(FakeRunnerTest, ABinaryThatIsNotThereIsTriedAgain) {
  options_.envoy_path = "/no/such/envoy";
  start();
  runner_->ensure(proxy());
  const int backing_off = events_.wait(State::kBackingOff);
  ASSERT_GE(backing_off, 0);
  ASSERT_TRUE(events_.at(backing_off).problem);
  EXPECT_EQ(events_.at(backing_off).problem->code, "value/envoy");
  EXPECT_EQ(events_.at(backing_off).problem->message,
            "no Envoy can be started: /no/such/envoy: No such file or directory");
  EXPECT_EQ(events_.at(backing_off).problem->suggestion, "--envoy says which file is run");
  runner_->remove(kKey);
  EXPECT_GE(wait_for_message("ended"), 0);
}

TEST_F(FakeRunnerTest, ABootstrapThatCannotBeRenderedChangesNothing) {
  start();
  const int pid = start_ready(proxy());
  runner_->ensure(proxy(R"({"problem": "no such field"})"));
  const Event event = events_.at(wait_for_message("no such field"));
  EXPECT_EQ(event.state, State::kReady);
  EXPECT_EQ(event.pid, pid);
  ASSERT_TRUE(event.problem);
  EXPECT_TRUE(alive(pid));
  EXPECT_EQ(starts().size(), 1u);
}

TEST_F(FakeRunnerTest, AChangeIsAHotRestart) {
  start();
  const int old = start_ready(proxy());
  const int from = events_.size();
  runner_->ensure(proxy(R"({"x": 1})"));
  const Event event = events_.at(wait_for_message("took over", from));
  EXPECT_EQ(event.state, State::kReady);
  EXPECT_NE(event.pid, old);
  EXPECT_EQ(argument(1, "--restart-epoch"), "1");
  EXPECT_EQ(argument(1, "--base-id"), argument(0, "--base-id"));
  EXPECT_NE(argument(1, "--config-path"), argument(0, "--config-path"));
  EXPECT_TRUE(alive(old)) << "its end is between the two Envoys";
  for (const Event& each : events_.all()) EXPECT_NE(each.state, State::kExited);

  ::kill(old, SIGTERM);
  EXPECT_EQ(events_.at(wait_for_message("has drained", from)).pid, event.pid);
  // The epochs go on from there.
  const int next = events_.size();
  runner_->ensure(proxy(R"({"x": 2})"));
  EXPECT_GE(wait_for_message("took over", next), 0);
  EXPECT_EQ(argument(2, "--restart-epoch"), "2");
}

TEST_F(FakeRunnerTest, ChangedArgumentsAreAHotRestartToo) {
  start();
  start_ready(proxy());
  ir::Proxy p = proxy();
  p.extra_args = {"--more"};
  runner_->ensure(p);
  EXPECT_GE(wait_for_message("took over"), 0);
}

TEST_F(FakeRunnerTest, OfManyChangesTheNewestCounts) {
  start();
  start_ready(proxy());
  for (int i = 1; i <= 20; ++i) runner_->ensure(proxy("{\"x\": " + std::to_string(i) + "}"));
  const auto newest = [&] {
    const std::vector<ProcessRecord> processes = record().processes;
    const std::optional<std::string> text =
        processes.empty() ? std::nullopt : read_file(run_dir() + "/" + processes[0].files + ".json");
    return text && processes[0].ready && text->find("\"x\":20") != text->npos;
  };
  EXPECT_TRUE(wait_until(newest));
  EXPECT_LE(starts().size(), 3u);
}

TEST_F(FakeRunnerTest, AnEpochThatFailsLeavesTheOldOneServing) {
  start();
  const int old = start_ready(proxy());
  runner_->ensure(proxy(R"({"die": "unknown filter"})"));
  const int failed = wait_for_message("hot restart failed, epoch 0 goes on: exited with status 1");
  EXPECT_EQ(events_.at(failed).state, State::kReady);
  EXPECT_EQ(events_.at(failed).pid, old);
  ASSERT_TRUE(events_.at(failed).problem);
  EXPECT_THAT(events_.at(failed).problem->message, HasSubstr("unknown filter"));
  // It is not tried again and again.
  runner_->ensure(proxy(R"({"die": "unknown filter"})"));
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(starts().size(), 2u);
  // The old one dies: it comes back as it was.
  ::kill(old, SIGKILL);
  const int back = events_.wait(State::kReady, events_.wait(State::kExited, failed));
  EXPECT_EQ(argument(2, "--restart-epoch"), "0");
  EXPECT_THAT(read_file(argument(2, "--config-path")).value_or("die"), testing::Not(HasSubstr("die")));
  // A good one works again.
  runner_->ensure(proxy(R"({"x": 1})"));
  EXPECT_GE(wait_for_message("epoch 1 took over", back), 0);
}

TEST_F(FakeRunnerTest, WhatIsWrongStaysUntilItRunsAsItIsWanted) {
  start();
  int pid = start_ready(proxy());
  int from = 0;
  for (const char* wrong : {R"({"die": "unknown filter"})", R"({"problem": "no such field"})"}) {
    runner_->ensure(proxy(wrong));
    from = events_.wait([](const Event& event) { return event.problem.has_value(); }, from);
    // The last one that worked comes back, which is not what is wanted.
    ::kill(pid, SIGKILL);
    from = events_.wait(State::kReady, events_.wait(State::kExited, from));
    EXPECT_TRUE(events_.at(from).problem) << wrong;
    pid = events_.at(from).pid;
    runner_->ensure(proxy());
    from = wait_for_message("runs as wanted", from);
    EXPECT_FALSE(events_.at(from).problem);
  }
  EXPECT_EQ(events_.at(wait_for_message("unknown filter")).problem->path, "spec");
}

TEST_F(FakeRunnerTest, AProblemIsPlacedAtWhatEnvoyMostLikelyRefuses) {
  options_.restart_delay_max = milliseconds(60);
  start();
  ir::Proxy p = proxy(R"({"die": "unknown"})");
  const auto is_said_of = [&](const char* path) {
    return events_.wait([&](const Event& e) { return e.problem && e.problem->path == path; }) >= 0;
  };
  runner_->ensure(p);
  EXPECT_TRUE(is_said_of("spec"));
  p.extra_args = {"--nonsense"};
  runner_->ensure(p);
  EXPECT_TRUE(is_said_of("spec.extraArgs"));
  p.bootstrap_change = ir::Proxy::BootstrapChange::kMerge;
  p.extra_args = {"--other"};
  runner_->ensure(p);
  EXPECT_TRUE(is_said_of("spec.bootstrap"));
}

// As Envoy says it.
constexpr char kUsage[] =
    R"({"die": "PARSE ERROR: Argument: --nonsense\n\nBrief USAGE: \n   envoy  [-c <string>]\n\n)"
    R"(For complete USAGE and HELP type: \n   envoy --help\n\n)"
    R"(--nonsense -- Couldn't find match for argument"})";

TEST_F(FakeRunnerTest, OfAnArgumentThatEnvoyDoesNotKnowTheReasonIsQuoted) {
  options_.restart_delay_max = milliseconds(60);
  options_.extra_args = {"--nonsense"};
  start();
  runner_->ensure(proxy(kUsage));
  const int at = events_.wait([](const Event& e) { return e.problem.has_value(); });
  ASSERT_GE(at, 0);
  const Problem problem = *events_.at(at).problem;
  EXPECT_EQ(problem.path, "") << "no object says so";
  EXPECT_EQ(problem.message,
            "Envoy does not start with these arguments: exited with status 1\n"
            "--nonsense -- Couldn't find match for argument");
  EXPECT_EQ(problem.suggestion, "correct what `--envoy-arg` says");
}

TEST_F(FakeRunnerTest, OfAnArgumentOfTheProxysOwnTheProblemIsItsOwn) {
  options_.restart_delay_max = milliseconds(60);
  start();
  ir::Proxy p = proxy(kUsage);
  p.extra_args = {"--nonsense"};
  p.bootstrap_change = ir::Proxy::BootstrapChange::kMerge;
  runner_->ensure(p);
  const int at = events_.wait([](const Event& e) { return e.problem.has_value(); });
  ASSERT_GE(at, 0);
  EXPECT_EQ(events_.at(at).problem->path, "spec.extraArgs");
}

TEST_F(FakeRunnerTest, AnEpochThatIsNotReadyInTimeIsGivenUp) {
  options_.hot_restart_timeout = milliseconds(500);
  start();
  const int old = start_ready(proxy());
  runner_->ensure(proxy(R"({"never_ready": true})"));
  EXPECT_EQ(events_.at(wait_for_message("epoch 0 goes on: not ready in time")).pid, old);
  EXPECT_TRUE(wait_until([&] { return processes_of(run_dir()).size() == 1; }));
}

TEST_F(FakeRunnerTest, WhenTheOldOneDiesInAHotRestartTheNewestIsStartedAfresh) {
  start();
  const int old = start_ready(proxy());
  runner_->ensure(proxy(R"({"never_ready": true})"));
  EXPECT_TRUE(wait_until([&] { return starts().size() == 2; }));
  ::kill(old, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return starts().size() == 3; }));
  EXPECT_EQ(argument(2, "--restart-epoch"), "0");
  // Nothing serves, so a change does not wait for it to become ready.
  runner_->ensure(proxy(R"({"x": 1})"));
  EXPECT_GE(events_.wait(State::kReady, events_.wait(State::kExited)), 0);
  EXPECT_EQ(argument(3, "--restart-epoch"), "0");
}

TEST_F(FakeRunnerTest, WhoGetsReadyAsTheOldOneDiesDoesNotTakeOver) {
  start();
  const int old = start_ready(proxy());
  // Without its keeper it is not known at once how it ended, and meanwhile the successor answers.
  runner_->ensure(proxy(fmt::format(R"({{"kills": [{}, {}]}})", keeper_of(old), old)));
  const int exited = events_.wait(State::kExited);
  EXPECT_THAT(events_.at(exited).message, testing::StartsWith("gone"));
  EXPECT_EQ(events_.at(exited).pid, old);
  EXPECT_NE(events_.at(events_.wait(State::kReady, exited)).pid, old);
  EXPECT_EQ(argument(1, "--restart-epoch"), "1");
  EXPECT_EQ(argument(2, "--restart-epoch"), "0") << "started afresh";
}

TEST_F(FakeRunnerTest, HowOneEndedIsWaitedForWhileTheOthersGoOn) {
  constexpr int kProxies = 8;
  start();
  std::vector<int> pids;
  for (int i = 0; i < kProxies; ++i) {
    ir::Proxy p = proxy();
    p.key = fmt::format("default/web{}", i);
    pids.push_back(start_ready(p));
  }
  const int from = events_.size();
  for (const int pid : pids) ::kill(keeper_of(pid), SIGKILL);
  const auto began = std::chrono::steady_clock::now();
  for (const int pid : pids) ::kill(pid, SIGKILL);
  int at = from;
  for (int i = 0; i < kProxies; ++i, ++at) {
    at = events_.wait(State::kExited, at);
    ASSERT_GE(at, 0);
    EXPECT_EQ(events_.at(at).message, "gone");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, kKeeperDelay * kProxies / 2);
}

TEST_F(FakeRunnerTest, TheOldEpochGetsItsTimeBeforeAThirdStarts) {
  start();
  ir::Proxy p = proxy();
  p.min_drain = milliseconds(600);
  start_ready(p);
  p.bootstrap = R"({"x": 1})";
  runner_->ensure(p);
  ASSERT_GE(wait_for_message("epoch 1 took over"), 0);
  const auto began = std::chrono::steady_clock::now();
  p.bootstrap = R"({"x": 2})";
  runner_->ensure(p);
  ASSERT_GE(wait_for_message("epoch 2 took over"), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(500));
}

TEST_F(FakeRunnerTest, RemoveDrains) {
  start();
  ir::Proxy p = proxy();
  p.drain_timeout = kPatience;
  set_connections(2);
  const int pid = start_ready(p);
  runner_->remove(kKey);
  EXPECT_GE(events_.wait(State::kDraining), 0);
  EXPECT_TRUE(wait_until([&] { return calls().size() >= 4; }));
  EXPECT_EQ(calls()[0]["target"], "/drain_listeners?graceful");
  EXPECT_EQ(calls()[0]["method"], "POST");
  EXPECT_EQ(calls()[1]["target"], "/healthcheck/fail");
  EXPECT_TRUE(alive(pid)) << "it has connections";
  set_connections(0);
  EXPECT_GE(wait_for_message("ended"), 0);
  EXPECT_FALSE(alive(pid));
  // Only logs and the lock are left.
  for (const auto& entry : std::filesystem::directory_iterator(run_dir())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "lock" || name.ends_with(".log")) << name;
  }
  EXPECT_TRUE(alive(start_ready(p))) << "and it can come back";
}

TEST_F(FakeRunnerTest, DrainingTakesAtLeastAndAtMostItsTimes) {
  start();
  ir::Proxy p = proxy();
  p.min_drain = milliseconds(500);
  start_ready(p);
  auto began = std::chrono::steady_clock::now();
  runner_->remove(kKey);
  const int ended = wait_for_message("ended");
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(500));

  set_connections(1);
  p.drain_timeout = milliseconds(800);
  runner_->ensure(p);
  EXPECT_GE(events_.wait(State::kReady, ended), 0);
  began = std::chrono::steady_clock::now();
  stop();
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(800));
  EXPECT_THAT(processes_of(run_dir()), IsEmpty());
}

TEST_F(FakeRunnerTest, EnsuredWhileItDrainsItIsReplaced) {
  start();
  ir::Proxy p = proxy();
  p.drain_timeout = kPatience;
  set_connections(1);
  const int old = start_ready(p);
  runner_->remove(kKey);
  EXPECT_TRUE(wait_until([&] { return calls().size() >= 2; }));
  runner_->ensure(p);
  const Event event = events_.at(wait_for_message("epoch 1 took over"));
  EXPECT_NE(event.pid, old);
  set_connections(0);
}

TEST_F(FakeRunnerTest, StopEndsAllAndNothingStartsAfterwards) {
  start();
  ir::Proxy other = proxy();
  other.key = "default/other";
  start_ready(proxy());
  start_ready(other);
  ir::Proxy failing = proxy(R"({"die": "x"})");
  failing.key = "default/failing";
  runner_->ensure(failing);
  events_.wait(State::kBackingOff);
  stop();
  EXPECT_THAT(processes_of(run_dir()), IsEmpty());
  const std::size_t count = starts().size();
  runner_->ensure(proxy());
  stop();
  EXPECT_EQ(starts().size(), count);
}

TEST_F(FakeRunnerTest, HurriedItDrainsNoLonger) {
  start();
  ir::Proxy p = proxy();
  p.drain_timeout = kPatience;
  set_connections(1);
  start_ready(p);
  std::promise<void> stopped;
  std::future<void> gone = stopped.get_future();
  runner_->stop([&] { stopped.set_value(); });
  ASSERT_GE(events_.wait(State::kDraining), 0);
  EXPECT_EQ(gone.wait_for(milliseconds(300)), std::future_status::timeout) << "it has a connection";
  runner_->hurry();
  EXPECT_EQ(gone.wait_for(kPatience / 2), std::future_status::ready);
  EXPECT_THAT(processes_of(run_dir()), IsEmpty());
}

TEST_F(FakeRunnerTest, TheNextRunnerAdopts) {
  start();
  const int pid = start_ready(proxy());
  abandon();
  EXPECT_TRUE(alive(pid));
  const int from = events_.size();
  start();
  EXPECT_THAT(runner_->adopted(), ElementsAre(kKey));
  const Event event = events_.at(events_.wait(State::kReady, from));
  EXPECT_EQ(event.message, "adopted");
  EXPECT_EQ(event.pid, pid);
  runner_->ensure(proxy());
  EXPECT_THAT(runner_->adopted(), IsEmpty());
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(starts().size(), 1u);
  // It is looked after as any other.
  ::kill(pid, SIGKILL);
  EXPECT_GE(events_.wait(State::kReady, events_.wait(State::kExited, from)), 0);
  EXPECT_EQ(starts().size(), 2u);
}

TEST_F(FakeRunnerTest, AnAdoptedOneThatDiffersIsHotRestarted) {
  start();
  start_ready(proxy());
  abandon();
  start();
  runner_->ensure(proxy(R"({"x": 1})"));
  EXPECT_GE(wait_for_message("epoch 1 took over"), 0);
  EXPECT_EQ(argument(1, "--base-id"), argument(0, "--base-id"));
}

TEST_F(FakeRunnerTest, AHotRestartUnderWayIsAdopted) {
  start();
  const int old = start_ready(proxy());
  runner_->ensure(proxy(R"({"never_ready": true})"));
  EXPECT_TRUE(wait_until([&] { return starts().size() == 2; }));
  abandon();
  options_.hot_restart_timeout = milliseconds(300);
  start();
  EXPECT_EQ(events_.at(wait_for_message("goes on: not ready in time")).pid, old);
}

TEST_F(FakeRunnerTest, AnAdoptedOneThatNobodyWantsIsNotRestarted) {
  start();
  const int pid = start_ready(proxy());
  abandon();
  start();
  ::kill(pid, SIGKILL);
  EXPECT_GE(wait_for_message("ended"), 0);
  EXPECT_TRUE(wait_until([&] { return runner_->adopted().empty(); }));
  EXPECT_EQ(starts().size(), 1u);
}

TEST_F(FakeRunnerTest, AnAdoptedOneCanBeRemoved) {
  start();
  const int pid = start_ready(proxy());
  abandon();
  start();
  runner_->remove(kKey);
  EXPECT_GE(wait_for_message("ended"), 0);
  EXPECT_FALSE(alive(pid));
}

TEST_F(FakeRunnerTest, OneThatWasStartedButNotYetRecordedIsFound) {
  start();
  const int pid = start_ready(proxy());
  abandon();
  ProxyRecord r = record();
  ASSERT_EQ(r.processes.size(), 1u);
  r.processes[0].process = {};
  r.processes[0].executable.clear();
  r.processes[0].ready = false;
  ASSERT_TRUE(write_file(state_file(), encode_record(r)));
  const int from = events_.size();
  start();
  EXPECT_EQ(events_.at(events_.wait(State::kReady, from)).pid, pid);
}

TEST_F(FakeRunnerTest, ARecordThatCannotBeReadIsMadeAnewFromTheProcesses) {
  for (const std::string& text : {std::string(), std::string(R"({"version": 0})")}) {
    start();
    const int pid = start_ready(proxy());
    const std::size_t before = starts().size();
    abandon();
    ASSERT_TRUE(write_file(state_file(), text));
    const int from = events_.size();
    start();
    EXPECT_THAT(runner_->adopted(), ElementsAre(kKey));
    EXPECT_EQ(events_.at(events_.wait(State::kReady, from)).pid, pid);
    // Of what it was started with nothing is known, so another takes over from it.
    runner_->ensure(proxy());
    EXPECT_NE(events_.at(wait_for_message("epoch 1 took over", from)).pid, pid);
    EXPECT_EQ(argument(before, "--base-id"), argument(before - 1, "--base-id"));
    stop();
  }
}

// systemd removes the folder of a RuntimeDirectory.
TEST_F(FakeRunnerTest, ProcessesAreFoundThoughFilesOrTheFolderAreGone) {
  for (const bool all : {false, true}) {
    start();
    const int pid = start_ready(proxy());
    const std::size_t before = starts().size();
    abandon();
    if (all) {
      std::filesystem::remove_all(run_dir());
    } else {
      std::filesystem::remove(state_file());
    }
    const int from = events_.size();
    start();
    EXPECT_THAT(runner_->adopted(), ElementsAre(kKey));
    EXPECT_EQ(events_.at(events_.wait(State::kReady, from)).pid, pid);
    runner_->ensure(proxy());
    EXPECT_NE(events_.at(wait_for_message("took over", from)).pid, pid);
    // Without the sockets of the old one it cannot be a hot restart of Envoy's.
    EXPECT_EQ(argument(before, "--base-id") != argument(before - 1, "--base-id"), all);
    EXPECT_EQ(argument(before, "--restart-epoch"), all ? "0" : "1");
    EXPECT_NE(argument(before, "--config-path"), argument(before - 1, "--config-path"));
    stop();
  }
}

TEST_F(FakeRunnerTest, ProcessesOfAnotherFolderAreNotOurs) {
  start();
  const int pid = start_ready(proxy());
  abandon();
  Options other = options_;
  other.run_dir = folder_.file("run2");
  Problem problem;
  const std::unique_ptr<Runner> runner = start_runner(other, [](const Event&) {}, &problem);
  ASSERT_NE(runner, nullptr);
  EXPECT_THAT(runner->adopted(), IsEmpty());
  EXPECT_TRUE(alive(pid));
}

TEST_F(FakeRunnerTest, AProcessThatIsInNoRecordIsFound) {
  start();
  const int first = start_ready(proxy());
  const std::string before = read_file(state_file()).value_or("");
  int from = events_.size();
  ::kill(first, SIGKILL);
  const int pid = events_.at(events_.wait(State::kReady, from)).pid;
  abandon();
  ASSERT_TRUE(write_file(state_file(), before));  // as if there had been no room for the newer one
  from = events_.size();
  start();
  EXPECT_THAT(runner_->adopted(), ElementsAre(kKey));
  EXPECT_EQ(events_.at(events_.wait(State::kReady, from)).pid, pid);
  stop();
}

TEST_F(FakeRunnerTest, ARecordThatCannotBeWrittenIsAProblemUntilItCan) {
  start();
  const std::string in_the_way = state_file() + ".new";
  ASSERT_TRUE(std::filesystem::create_directory(in_the_way));
  const int pid = start_ready(proxy());
  const Event ready = events_.at(events_.wait(State::kReady, 0));
  ASSERT_TRUE(ready.problem);
  EXPECT_EQ(ready.problem->code, "value/run-dir");
  EXPECT_THAT(ready.problem->message, HasSubstr(state_file()));
  EXPECT_TRUE(record().processes.empty());
  EXPECT_TRUE(std::filesystem::remove(in_the_way));
  EXPECT_FALSE(events_.at(wait_for_message("its record is written again")).problem);
  ASSERT_EQ(record().processes.size(), 1u);
  EXPECT_EQ(record().processes[0].process.pid, pid);
}

TEST_F(FakeRunnerTest, ARecordOfNobodyIsDropped) {
  for (const char* text : {"", "{}", "no record at all"}) {
    start();
    abandon();
    ASSERT_TRUE(write_file(state_file(), text));
    start();
    EXPECT_THAT(runner_->adopted(), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(state_file())) << text;
  }
  EXPECT_TRUE(alive(start_ready(proxy())));
}

TEST_F(FakeRunnerTest, AForeignPidIsNeverTouched) {
  auto foreign = start_process({.arguments = {"/bin/sleep", "600"}, .mark = "SLUICE_TEST=1"});
  ASSERT_TRUE(foreign);
  start();
  const int pid = start_ready(proxy());
  abandon();
  ::kill(pid, SIGKILL);
  // Its number is another's now.
  ProxyRecord r = record();
  ASSERT_EQ(r.processes.size(), 1u);
  r.processes[0].process.pid = foreign->process.pid;
  ASSERT_TRUE(write_file(state_file(), encode_record(r)));
  start();
  EXPECT_THAT(runner_->adopted(), IsEmpty());
  runner_->remove(kKey);
  // With the right time of its start too.
  abandon();
  r.processes[0].process = foreign->process;
  r.processes[0].executable = executable_of(foreign->process.pid);
  ASSERT_TRUE(write_file(state_file(), encode_record(r)));
  start();
  EXPECT_THAT(runner_->adopted(), IsEmpty());
  runner_->remove(kKey);
  stop();
  EXPECT_TRUE(alive(foreign->process.pid));
  send_signal(foreign->pidfd, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return start_time_of(foreign->process.pid) != foreign->process.start_time; }));
}

TEST_F(FakeRunnerTest, TellsWhenAPortIsFree) {
  start();
  Descriptor other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  socklen_t size = sizeof address;
  ::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const std::uint16_t port = ntohs(address.sin_port);
  std::atomic<int> freed = 0;
  runner_->await_free({port}, [&](std::uint16_t which) { freed += which == port ? 1 : 100; });
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_EQ(freed, 0);
  other.reset();
  EXPECT_TRUE(wait_until([&] { return freed == 1; }));
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_EQ(freed, 1) << "nobody has had it since";
  abandon();  // before what it calls goes
}

TEST_F(FakeRunnerTest, LogsCanBeOurs) {
  options_.log_to = LogTo::kInherit;
  start();
  start_ready(proxy());
  for (const auto& entry : std::filesystem::directory_iterator(run_dir())) {
    EXPECT_NE(entry.path().extension(), ".log");
  }
}

TEST_F(FakeRunnerTest, TwoRunnersDoNotShareAFolder) {
  start();
  Problem problem;
  EXPECT_EQ(start_runner(options_, [](const Event&) {}, &problem), nullptr);
  EXPECT_EQ(problem.code, "conflict/run-dir");
  EXPECT_EQ(problem.message, "another sluice is running in `" + run_dir() + "`");
}

TEST_F(FakeRunnerTest, UnusableFoldersAreProblems) {
  Problem problem;
  const auto refused = [&](const std::string& path) {
    Options options = options_;
    options.run_dir = path;
    return start_runner(options, [](const Event&) {}, &problem) == nullptr;
  };
  EXPECT_TRUE(refused(folder_.file(std::string(80, 'x'))));
  EXPECT_THAT(problem.message, HasSubstr("is too long for Unix sockets in it, by "));
  EXPECT_TRUE(refused(folder_.file("fake_envoy")));
  EXPECT_THAT(problem.message, HasSubstr("is not a folder"));
  ASSERT_EQ(::mkdir(folder_.file("open").c_str(), 0777), 0);
  ASSERT_EQ(::chmod(folder_.file("open").c_str(), 0777), 0);
  EXPECT_TRUE(refused(folder_.file("open")));
  EXPECT_THAT(problem.message, HasSubstr("others may write to"));
  ASSERT_TRUE(!refused(folder_.file("fine")));
}

}  // namespace
}  // namespace sluice::proxy
