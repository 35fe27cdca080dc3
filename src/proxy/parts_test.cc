// Loop, records, command lines, log files, processes: each by itself.
#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/loop.h"
#include "proxy/command_line.h"
#include "proxy/hot_restart.h"
#include "proxy/log_file.h"
#include "proxy/process.h"
#include "proxy/record.h"
#include "proxy/retiring_sockets.h"
#include "proxy/shared_ports.h"
#include "proxy/testing.h"

namespace sluice::proxy {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

// ---- loop ------------------------------------------------------------------------------------

TEST(Loop, TimersFireInOrderAndCanBeCancelled) {
  Loop loop;
  std::vector<int> fired;
  const Loop::Timer late = loop.after(milliseconds(20), [&] {
    fired.push_back(2);
    loop.quit();
  });
  const Loop::Timer early = loop.after(milliseconds(5), [&] { fired.push_back(1); });
  Loop::Timer never = loop.after(milliseconds(1), [&] { fired.push_back(0); });
  EXPECT_TRUE(never.pending());
  never.reset();
  EXPECT_FALSE(never.pending());
  loop.run();
  EXPECT_THAT(fired, ElementsAre(1, 2));
  EXPECT_FALSE(early.pending());
}

TEST(Loop, ATimerMayReplaceItself) {
  Loop loop;
  Loop::Timer timer;
  int left = 3;
  std::function<void()> again = [&] {
    if (--left == 0) return loop.quit();
    timer = loop.after(milliseconds(0), again);
  };
  timer = loop.after(milliseconds(0), again);
  loop.run();
  EXPECT_EQ(left, 0);
}

TEST(Loop, WorkComesFromOtherThreads) {
  Loop loop;
  int sum = 0;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&] { ++sum; });
    loop.post([&] { loop.quit(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(sum, 100);
}

TEST(Loop, AWatchMayEndItselfAndOthersInTheSameRound) {
  Loop loop;
  int pipes[2][2];
  Loop::Watch watches[2];
  int calls = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(::pipe(pipes[i]), 0);
    ASSERT_EQ(::write(pipes[i][1], "x", 1), 1);
    watches[i] = loop.watch(pipes[i][0], EPOLLIN, [&](auto) {
      ++calls;
      watches[0].reset();
      watches[1].reset();
    });
  }
  const Loop::Timer end = loop.after(milliseconds(20), [&] { loop.quit(); });
  loop.run();
  EXPECT_EQ(calls, 1);
  for (const auto& each : pipes) {
    ::close(each[0]);
    ::close(each[1]);
  }
}

// ---- records ---------------------------------------------------------------------------------

ProxyRecord some_record() {
  return {.proxy = "default/web",
          .drain_timeout = milliseconds(60'000),
          .min_drain = milliseconds(10'000),
          .next_serial = 7,
          .removing = true,
          .processes = {{.role = Role::kSuccessor,
                         .mark = "SLUICE_PROXY=/run/x/1.2.3",
                         .boot_id = "b",
                         .process = {12, 34},
                         .executable = "/bin/envoy",
                         .files = "1.2",
                         .base_id = 9'999'999,
                         .restart_epoch = 3,
                         .configuration = {0xffff'ffff'ffff'ffffu, 2},
                         .ready = true},
                        {}}};
}

TEST(Record, IsReadAsItWasWritten) {
  const ProxyRecord record = some_record();
  EXPECT_EQ(decode_record(encode_record(record)), record);
}

TEST(Record, IsRefusedWhenAnythingIsMissing) {
  const nlohmann::json whole = nlohmann::json::parse(encode_record(some_record()));
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json part = whole;
    part.erase(key);
    EXPECT_FALSE(decode_record(part.dump())) << key;
  }
  for (const auto& [key, value] : whole["processes"][0].items()) {
    nlohmann::json part = whole;
    part["processes"][0].erase(key);
    EXPECT_FALSE(decode_record(part.dump())) << key;
  }
  nlohmann::json newer = whole;
  newer["version"] = 2;
  EXPECT_FALSE(decode_record(newer.dump()));
  EXPECT_FALSE(decode_record(""));
  EXPECT_FALSE(decode_record("[]"));
}

TEST(Record, HashesAreStable) {
  EXPECT_EQ(hash_text(""), 0xcbf2'9ce4'8422'2325u);
  EXPECT_EQ(hash_text("a"), 0xaf63'dc4c'8601'ec8cu);
}

// ---- processes -------------------------------------------------------------------------------

struct Sleeper {
  Started started;
  ~Sleeper() {
    send_signal(started.pidfd, SIGKILL);
    wait_until([&] { return start_time_of(started.process.pid) != started.process.start_time; });
  }
};

ProcessRecord record_of(const Started& started) {
  return {.mark = "SLUICE_PROXY=mark",
          .boot_id = boot_id(),
          .process = started.process,
          .executable = executable_of(started.process.pid),
          .ready = true};
}

TEST(Process, IsStartedByALauncher) {
  const Folder folder;
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  folder.file("launcher").copy(at.sun_path, sizeof at.sun_path - 1);
  const Descriptor door(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(door.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(door.get(), 1), 0);
  const pid_t launched = ::fork();
  if (launched == 0) {  // as systemd does
    become_keeper(::accept(door.get(), nullptr, nullptr));
    ::_exit(1);
  }
  const auto started =
      start_process({.arguments = {"/bin/sh", "-c", "echo $SLUICE_PROXY; echo wrong >&2; read line; exit 7"},
                     .mark = "SLUICE_PROXY=mark",
                     .out_path = folder.file("out"),
                     .error_path = folder.file("error"),
                     .exit_path = folder.file("exit"),
                     .launcher = folder.file("launcher")});
  ASSERT_TRUE(started) << started.error();
  int status = 0;
  EXPECT_EQ(::waitpid(launched, &status, 0), launched);
  EXPECT_EQ(status, 0) << "the keeper is whom the launcher has started, and ends well";
  EXPECT_EQ(read_file(folder.file("out")), "mark\n");
  EXPECT_EQ(read_file(folder.file("error")), "wrong\n");
  const std::optional<Exit> exit = read_exit(folder.file("exit"));
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->to_string(), "exited with status 7");
}

TEST(Process, ALauncherThatIsNotThereIsNamed) {
  const auto started = start_process({.arguments = {"/bin/true"}, .launcher = "/no/such/launcher"});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error(), "/no/such/launcher: No such file or directory");
}

TEST(Process, IsFoundByWhatIsRecordedAndByNothingLess) {
  auto started = start_process({.arguments = {"/bin/sleep", "60"}, .mark = "SLUICE_PROXY=mark"});
  ASSERT_TRUE(started) << started.error();
  const Sleeper sleeper{*std::move(started)};
  ASSERT_TRUE(
      wait_until([&] { return has_in_environment(sleeper.started.process.pid, "SLUICE_PROXY=mark"); }));
  const ProcessRecord right = record_of(sleeper.started);

  ProcessRecord record = right;
  EXPECT_TRUE(find_process(record));
  const auto wrong = [&](auto change) {
    ProcessRecord changed = right;
    change(changed);
    return !find_process(changed);
  };
  EXPECT_TRUE(wrong([](ProcessRecord& r) { r.boot_id = "another"; }));
  EXPECT_TRUE(wrong([](ProcessRecord& r) { ++r.process.start_time; }));
  EXPECT_TRUE(wrong([](ProcessRecord& r) { r.process.pid = ::getpid(); }));
  EXPECT_TRUE(wrong([](ProcessRecord& r) { r.mark = "SLUICE_PROXY=mar"; }));
  EXPECT_TRUE(wrong([](ProcessRecord& r) { r.executable = "/bin/envoy"; }));
}

TEST(Process, IsFoundByItsMarkWhenItsPidIsNotKnown) {
  const std::string mark = "SLUICE_PROXY=test/" + std::to_string(::getpid());
  auto started = start_process({.arguments = {"/bin/sleep", "60"}, .mark = mark});
  ASSERT_TRUE(started) << started.error();
  const Sleeper sleeper{*std::move(started)};
  ASSERT_TRUE(wait_until([&] { return has_in_environment(sleeper.started.process.pid, mark); }));
  ProcessRecord record{.mark = mark, .boot_id = boot_id()};
  const std::optional<Started> found = find_process(record);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->process, sleeper.started.process);
  EXPECT_EQ(record.process, sleeper.started.process);

  ProcessRecord nobody{.mark = mark + "0", .boot_id = boot_id()};
  EXPECT_FALSE(find_process(nobody));
}

TEST(Process, WhatIsWrongWithTheFileIsTheError) {
  const auto started = start_process({.arguments = {"/no/such/envoy"}});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error(), "/no/such/envoy: No such file or directory");
}

TEST(Process, LeavesBehindHowItEnded) {
  const Folder folder;
  const auto ended = [&](const char* script) {
    const std::string path = folder.file("exit");
    ::unlink(path.c_str());
    const auto started = start_process({.arguments = {"/bin/sh", "-c", script}, .exit_path = path});
    EXPECT_TRUE(started) << started.error();
    wait_until([&] { return start_time_of(started->process.pid) != started->process.start_time; });
    std::optional<Exit> exit;
    wait_until([&] { return (exit = read_exit(path)).has_value(); });
    return exit.value_or(Exit{}).to_string();
  };
  EXPECT_EQ(ended("exit 0"), "exited with status 0");
  EXPECT_EQ(ended("exit 3"), "exited with status 3");
  EXPECT_EQ(ended("kill -9 $$"), "killed by signal 9 (Killed)");
  EXPECT_FALSE(read_exit(folder.file("none")));
}

// It begins when it is known.
TEST(Process, OneThatEndsAtOnceIsKnownWhateverDescriptorsAreFree) {
  std::vector<Descriptor> taken;
  do {
    const auto started = start_process({.arguments = {"/bin/true"}});
    EXPECT_TRUE(started) << "with " << taken.size() << " more: " << started.error();
    taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  } while (taken.back().get() < 110);
}

TEST(Process, IsNotOurChild) {
  auto started = start_process({.arguments = {"/bin/sleep", "60"}});
  ASSERT_TRUE(started) << started.error();
  const Sleeper sleeper{*std::move(started)};
  EXPECT_EQ(::waitpid(sleeper.started.process.pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Process, ExitsAreDescribed) {
  EXPECT_EQ((Exit{.known = true, .code = 1}).to_string(), "exited with status 1");
  EXPECT_EQ((Exit{.known = true, .signaled = true, .code = 9}).to_string(), "killed by signal 9 (Killed)");
  EXPECT_EQ(Exit{}.to_string(), "gone");
}

// ---- command lines ---------------------------------------------------------------------------

TEST(CommandLine, HasEverything) {
  const ir::Proxy proxy{.key = "a/b",
                        .concurrency = 2,
                        .log_levels = {{"default", "warn"}, {"http", "debug"}, {"upstream", "trace"}},
                        .extra_args = {"--own", "1"},
                        .drain_timeout = milliseconds(1500)};
  EXPECT_THAT(
      make_arguments(proxy, {"--common"}, {"/r/b.json", "/r/x", 77, 3}),
      ElementsAre("--config-path", "/r/b.json", "--base-id", "77", "--restart-epoch", "3", "--socket-path",
                  "/r/x", "--socket-mode", "600", "--drain-time-s", "2", "--parent-shutdown-time-s", "4",
                  "--skip-hot-restart-on-no-parent", "--concurrency", "2", "--log-level", "warn",
                  "--component-log-level", "http:debug,upstream:trace", "--common", "--own", "1"));
}

// Envoy refuses an option that is there twice.
TEST(CommandLine, WhatUsersSayCountsBeforeFields) {
  ir::Proxy proxy{.key = "a/b",
                  .concurrency = 2,
                  .log_levels = {{"default", "warn"}, {"http", "debug"}},
                  .drain_timeout = milliseconds(1500)};
  const auto after_ours = [&proxy](const std::vector<std::string>& common) {
    std::vector<std::string> all = make_arguments(proxy, common, {"/r/b.json", "/r/x", 77, 0});
    all.erase(all.begin(), std::ranges::find(all, "--parent-shutdown-time-s") + 2);
    return all;
  };
  EXPECT_THAT(after_ours({"--concurrency", "4"}), ElementsAre("--log-level", "warn", "--component-log-level",
                                                              "http:debug", "--concurrency", "4"));
  EXPECT_THAT(after_ours({"--concurrency=4", "-l", "info", "--component-log-level", "grpc:info"}),
              ElementsAre("--concurrency", "4", "--log-level", "info", "--component-log-level", "grpc:info"));
  proxy.extra_args = {"--log-level=debug", "--concurrency", "5", "--cpuset-threads"};
  EXPECT_THAT(after_ours({}), ElementsAre("--component-log-level", "http:debug", "--log-level", "debug",
                                          "--concurrency", "5", "--cpuset-threads"));
  EXPECT_THAT(after_ours({"--concurrency", "4"}),
              ElementsAre("--component-log-level", "http:debug", "--concurrency", "4", "--log-level", "debug",
                          "--cpuset-threads"));
}

TEST(CommandLine, OptionsThatTieTheProcessToUsAreNotReplaced) {
  const std::vector<std::string> all = make_arguments({}, {"--base-id", "1"}, {"/r/b.json", "/r/x", 77, 0});
  EXPECT_EQ(std::ranges::count(all, "--base-id"), 2) << "Envoy says what is wrong";
}

TEST(CommandLine, OfAPodHasWhatTiesItToUsFirst) {
  const ir::Proxy proxy{.concurrency = 2, .extra_args = {"--log-level=debug", "--drain-time-s", "9"}};
  EXPECT_THAT(
      make_pod_arguments(proxy, {"--service-node", "x"}),
      ElementsAre("--service-node", "x", "--cpuset-threads", "--drain-strategy", "immediate", "--concurrency",
                  "2", "--component-log-level", "misc:error", "--log-level", "debug", "--drain-time-s", "9"));
}

TEST(CommandLine, SaysHowManyWorkersThereAre) {
  EXPECT_EQ(concurrency_of({"--base-id", "7", "--concurrency", "3"}), 3u);
  EXPECT_EQ(concurrency_of({"--concurrency=12"}), 12u);
  EXPECT_EQ(concurrency_of({"--base-id", "7"}), std::max(1u, std::thread::hardware_concurrency()));
}

TEST(CommandLine, DrainTimeIsNeverZero) {
  const ir::Proxy proxy{.drain_timeout = milliseconds(0)};
  const std::vector<std::string> arguments = make_arguments(proxy, {}, {});
  EXPECT_EQ(*(std::ranges::find(arguments, "--drain-time-s") + 1), "1");
}

// ---- log files -------------------------------------------------------------------------------

TEST(LogFile, LastLines) {
  const Folder folder;
  const std::string path = folder.file("log");
  EXPECT_EQ(last_lines(path, 0, 3), "");
  std::ofstream(path) << "one\ntwo\nthree\nfour\n";
  EXPECT_EQ(last_lines(path, 0, 3), "two\nthree\nfour");
  EXPECT_EQ(last_lines(path, 0, 9), "one\ntwo\nthree\nfour");
  EXPECT_EQ(last_lines(path, 8, 9), "three\nfour");
  EXPECT_EQ(last_lines(path, 19, 9), "");
  EXPECT_EQ(last_lines(path, 1'000, 1), "four") << "it was rotated meanwhile";
  std::ofstream(path) << std::string(5'000, 'x') << "\nlast\n";
  EXPECT_EQ(last_lines(path, 0, 3), "last") << "no half lines";
  std::ofstream(path) << "any \xFF byte\n";
  EXPECT_EQ(last_lines(path, 0, 3), "any \xEF\xBF\xBD byte") << "they are for messages, which are UTF-8";
}

TEST(LogFile, LastBytes) {
  const Folder folder;
  const std::string path = folder.file("log");
  EXPECT_EQ(last_bytes(path, 3), "");
  std::ofstream(path) << "one\ntwo\n";
  EXPECT_EQ(last_bytes(path, 4), "two\n");
  EXPECT_EQ(last_bytes(path, 9), "one\ntwo\n");
}

TEST(LogFile, RotationKeepsTheEnd) {
  const Folder folder;
  const std::string path = folder.file("log");
  std::ofstream writer(path, std::ios::app);
  writer << std::string(50, 'a') << std::string(100, 'b') << std::flush;
  rotate_log(path, 150);
  EXPECT_EQ(file_size(path), 150u);
  rotate_log(path, 100);
  EXPECT_EQ(file_size(path), 0u);
  EXPECT_EQ(read_file(path + ".1"), std::string(100, 'b'));
  writer << "more" << std::flush;
  EXPECT_EQ(read_file(path), "more") << "whoever appends goes on";
}

// A socket that listens on a port of 127.0.0.1, as Envoys' do; 0: any that is free.
class Listening {
 public:
  explicit Listening(std::uint16_t port = 0, bool listens = true)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int yes = 1;
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(!listens || ::listen(socket_.get(), 128) == 0);
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  // Takes those that come within the time, until there are as many.
  int accept(int most, milliseconds patience) const {
    int count = 0;
    for (pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
         count < most && ::poll(&waiting, 1, static_cast<int>(patience.count())) == 1; ++count) {
      ::close(::accept(socket_.get(), nullptr, nullptr));
    }
    return count;
  }

 private:
  Descriptor socket_;
  std::uint16_t port_ = 0;
};

// Runs in a process of its own, until this one closes the pipe.
class Elsewhere {
 public:
  explicit Elsewhere(std::uint16_t port) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    if ((pid_ = ::fork()) == 0) {
      const Listening listening(port);
      ::close(ends[1]);
      char byte = 0;
      [[maybe_unused]] const auto told = ::write(ready[1], &byte, 1);
      [[maybe_unused]] const auto ended = ::read(ends[0], &byte, 1);
      ::_exit(0);
    }
    ::close(ends[0]);
    ::close(ready[1]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    alive_ = Descriptor(ends[1]);
  }
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  ~Elsewhere() {
    alive_.reset();
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }

 private:
  int pid_ = 0;
  Descriptor alive_;
};

TEST(SharedPorts, AreThoseWithASocketOfOursAndOneOfOthers) {
  const Listening listening;
  const std::set<std::uint16_t> port{listening.port()};
  const std::vector<int> ours{::getpid()};
  const std::set<std::uint16_t> none;
  SharedPorts shared;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(shared.look(port, ours), none);
  {
    const Elsewhere other(listening.port());
    EXPECT_EQ(shared.look(port, ours), none) << "it may be on its way";
    for (int i = 0; i < 3; ++i) EXPECT_EQ(shared.look(port, ours), port);
    SharedPorts of_both;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(of_both.look(port, {::getpid(), other.pid()}), none);
    SharedPorts of_nobody;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(of_nobody.look(port, {}), none);
  }
  EXPECT_EQ(shared.look(port, ours), none);
}

TEST(SharedPorts, WhoHoldsAPortAndDoesNotListenIsInNobodysWay) {
  const Listening held(0, false);
  const Listening listening(held.port());
  SharedPorts shared;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(shared.look({held.port()}, {::getpid()}), std::set<std::uint16_t>());
  }
}

// Who leaves listens in another process, which accepts nothing, and who stays in this one.
class RetiringSocketsTest : public testing::Test {
 protected:
  static constexpr int kMany = 64;

  std::expected<RetiringSockets, std::string> retire() const {
    return RetiringSockets::retire(leaving_->pid(), pidfd_);
  }
  void connect() {
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(held_.port()),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    for (int i = 0; i < kMany; ++i) {
      connections_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(
          ::connect(connections_.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          0);
    }
  }

  const Listening held_{0, false};
  std::optional<Elsewhere> leaving_{held_.port()};
  const Descriptor pidfd_ = open_process({leaving_->pid(), start_time_of(leaving_->pid()).value_or(0)});
  std::vector<Descriptor> connections_;
};

TEST_F(RetiringSocketsTest, ThoseWhoStayGetAllNewConnections) {
  const Listening staying(held_.port());
  const auto retiring = retire();
  ASSERT_TRUE(retiring) << retiring.error();
  ASSERT_FALSE(retiring->empty());
  EXPECT_TRUE(retiring->complete());
  connect();
  EXPECT_EQ(staying.accept(kMany, kPatience), kMany);
  EXPECT_TRUE(retiring->queues_are_empty());
}

TEST_F(RetiringSocketsTest, WhatWaitsIsSeen) {
  connect();
  const Listening staying(held_.port());
  const auto retiring = retire();
  ASSERT_TRUE(retiring) << retiring.error();
  ASSERT_FALSE(retiring->empty());
  EXPECT_FALSE(retiring->queues_are_empty());
}

TEST_F(RetiringSocketsTest, OnceTheProcessHasClosedThemTheOthersAreLeft) {
  const Listening staying(held_.port());
  auto retiring = retire();
  ASSERT_TRUE(retiring) << retiring.error();
  ASSERT_FALSE(retiring->empty());
  EXPECT_FALSE(retiring->closed_by_process());
  leaving_.reset();
  EXPECT_TRUE(retiring->closed_by_process());
  *retiring = {};
  const Listening later(held_.port());
  connect();
  const int taken = staying.accept(kMany, milliseconds(100));
  EXPECT_GT(taken, 0);
  EXPECT_EQ(later.accept(kMany - taken, kPatience), kMany - taken) << "shared as ever";
}

TEST_F(RetiringSocketsTest, UndoneTheyAreAllChosenAgain) {
  const Listening staying(held_.port());
  auto retiring = retire();
  ASSERT_TRUE(retiring) << retiring.error();
  ASSERT_FALSE(retiring->empty());
  *retiring = {};
  RetiringSockets::undo(leaving_->pid(), pidfd_);
  connect();
  EXPECT_LT(staying.accept(kMany, milliseconds(100)), kMany);
}

TEST_F(RetiringSocketsTest, OfSeveralWorkersTheFirstOnesGoOn) {
  leaving_.reset();
  const Listening first(held_.port());
  const Listening second(held_.port());
  const Descriptor self = open_process({::getpid(), start_time_of(::getpid()).value_or(0)});
  const auto none = RetiringSockets::retire(::getpid(), self, 2);
  EXPECT_TRUE(none && none->empty());
  auto retiring = RetiringSockets::retire(::getpid(), self, 1);
  ASSERT_TRUE(retiring) << retiring.error();
  connect();
  EXPECT_EQ(first.accept(kMany, kPatience), kMany);
  *retiring = {};
  connect();
  EXPECT_LT(first.accept(kMany, milliseconds(100)), kMany) << "the other one takes them as before";
}

TEST_F(RetiringSocketsTest, WhereNobodyElseListensThereIsNone) { EXPECT_TRUE(retire() && retire()->empty()); }

TEST(HotRestart, MemoryOfAnUnknownLayoutIsLeftAlone) { EXPECT_FALSE(forget_failed_epoch(choose_base_id())); }

}  // namespace
}  // namespace sluice::proxy
