// The pools of this process. One outlives the filters and configurations that use it: a listener that is
// changed goes on with what is known of the servers. All of them are kept going by one thread.
//
// Threads: any.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/loop.h"
#include "base/problem.h"
#include "picker/exchange/file_watch.h"
#include "picker/exchange/keeper.h"
#include "picker/module/metrics_door.h"
#include "picker/module/pool_file.h"
#include "picker/module/settings.h"

namespace sluice::picker {

// A thread with a loop, for scraping and for what waits.
class PoolThread {
 public:
  PoolThread();
  PoolThread(const PoolThread&) = delete;
  PoolThread& operator=(const PoolThread&) = delete;
  ~PoolThread();

  // Has this done by the thread and waits until it is; once the thread has ended, does it itself. Not to be
  // called by the thread.
  void run(const std::function<void()>& work);
  // Ends it: nothing is scraped nor delivered any more. What is called after that returns soon.
  void stop();
  Loop& loop() { return loop_; }

 private:
  Loop loop_;
  std::mutex mutex_;  // of what follows, and of the loop once it has ended
  bool stopped_ = false;
  std::thread thread_;
};

class RunningPool {
 public:
  // Null, with a problem, where its file of endpoints is no good.
  static std::shared_ptr<RunningPool> start(std::shared_ptr<PoolThread> thread, const PoolSettings& settings,
                                            std::vector<Problem>* problems);
  RunningPool(const RunningPool&) = delete;
  RunningPool& operator=(const RunningPool&) = delete;
  ~RunningPool();

  const std::string& name() const { return name_; }
  const std::string& identity() const { return identity_; }
  Pool& pool() { return keeper_->pool(); }
  // What its file says of that; without a file they are read.
  bool reads_responses() const { return read_responses_; }
  // False, with a problem, where its file of endpoints is no good. Changes of its file are followed from now
  // on.
  bool set_endpoints(const PoolSettings& settings, std::vector<Problem>* problems);
  // Calls back, from the pools' thread or this one, once all servers have been asked.
  void when_ready(std::function<void()> callback);
  std::vector<Scraper::Server> servers();
  PoolThread& thread() { return *thread_; }

 private:
  RunningPool(std::shared_ptr<PoolThread> thread, const PoolSettings& settings);
  bool follow_pool_file(const std::string& path, std::vector<Problem>* problems);
  void fill(PoolContents contents);
  void open_door(const std::string& path);

  const std::string name_;
  const std::string identity_;
  const Sources sources_;  // where its file says nothing of them
  std::atomic<bool> read_responses_ = true;
  const std::shared_ptr<PoolThread> thread_;
  std::vector<std::function<void()>> ready_callbacks_;  // of the thread
  std::unique_ptr<PoolKeeper> keeper_;                  // of the thread, but for pool()
  std::unique_ptr<FileWatch> pool_file_;                // of the thread
  std::unique_ptr<MetricsDoor> door_;                   // of the thread
};

class Pools {
 public:
  // Those of the process.
  static Pools& instance();

  // The pool of this name: the running one with these endpoints where all else is the same, or a new one in
  // its place; or, for a reference, the running one whatever it is. Null, with a problem, where there is none
  // or its endpoints are no good.
  std::shared_ptr<RunningPool> get(const PoolSettings& settings, std::vector<Problem>* problems);
  // The page for Prometheus.
  std::string metrics();
  // Ends the thread that keeps them going.
  void stop();

 private:
  std::mutex mutex_;
  std::weak_ptr<PoolThread> thread_;  // ends with the last pool
  std::map<std::string, std::weak_ptr<RunningPool>, std::less<>> pools_;
};

}  // namespace sluice::picker
