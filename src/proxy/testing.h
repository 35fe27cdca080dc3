// What the tests of this module share: a folder that goes away with all processes started in it, a record of
// events, and a stand-in for Envoy that does as it is told.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "proxy/proxy.h"

namespace sluice::proxy {

// Generous: the machine may be busy.
inline constexpr std::chrono::seconds kPatience{40};

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds patience = kPatience);

// A temporary folder with a short path.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

class Events {
 public:
  void add(Event event);
  std::vector<Event> all() const;
  // Waits for an event, not earlier than the from-th, that satisfies the condition; its position, or -1.
  int wait(const std::function<bool(const Event&)>& condition, int from = 0) const;
  int wait(State state, int from = 0) const;
  Event at(int position) const;
  int size() const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Event> events_;
};

// Starts and replaces runners in one folder. At the end of the test everything that was started is ended.
class RunnerTest : public testing::Test {
 protected:
  RunnerTest();
  void TearDown() override;

  // The next Runner; the one before is destroyed first.
  void start();
  // Destroys it, as if sluice had ended.
  void abandon() { runner_.reset(); }
  // Runner::stop(), and waits for it.
  void stop();
  std::string run_dir() const { return folder_.file("run"); }

  Folder folder_;
  Options options_;
  Events events_;
  std::unique_ptr<Runner> runner_;
};

// The pids of live processes that were started by a runner in this folder.
std::vector<int> processes_of(const std::string& run_dir);

// Writes a stand-in for Envoy and returns its path. What it does is in its bootstrap:
//   {"admin": path, "die": message, "never_ready": true, "log": folder, "kills": [pid…]}
// Those that it "kills" it kills when it is first asked whether it is ready, before it answers. It appends
// its arguments to log/starts, a JSON object a line, and the requests to its admin interface to log/calls,
// and takes the number of its open connections from log/connections.
std::string write_fake_envoy(const Folder& folder);
std::vector<nlohmann::json> read_lines(const std::string& path);

bool alive(int pid);
// The process that waits for it and writes down how it ended. Without it nobody does.
int keeper_of(int pid);

}  // namespace sluice::proxy
