// An event loop: one thread waits for descriptors, for times, and for work that other threads post.
//
// What is waited for lasts as long as its handle (Watch, Timer): destroying the handle cancels it, also from
// within a callback, its own included. After run() has returned the handles may still be destroyed.
//
// Threads: post() from any; the rest from the thread that calls run(), or before it is called.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace sluice {

class Loop {
 public:
  using Clock = std::chrono::steady_clock;

  class Watch {
   public:
    Watch() = default;
    Watch(Watch&& other) noexcept { *this = std::move(other); }
    Watch& operator=(Watch&& other) noexcept;
    ~Watch() { reset(); }
    void reset();
    // Waits for these events from now on.
    void set_events(std::uint32_t events);

   private:
    friend class Loop;
    Loop* loop_ = nullptr;
    std::uint64_t id_ = 0;
  };

  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept { *this = std::move(other); }
    Timer& operator=(Timer&& other) noexcept;
    ~Timer() { reset(); }
    void reset();
    // It has been set and has neither fired nor been reset.
    bool pending() const;

   private:
    friend class Loop;
    using Key = std::pair<Clock::time_point, std::uint64_t>;
    Loop* loop_ = nullptr;
    Key key_;
  };

  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // False when the kernel has no descriptors left for us; then nothing else may be called.
  bool usable() const { return epoll_ && wake_; }

  // Returns after quit().
  void run();
  void quit() { quit_ = true; }
  void post(std::function<void()> work);

  // `events` are epoll's; the callback gets those that happened. The descriptor must outlive the watch.
  [[nodiscard]] Watch watch(int descriptor, std::uint32_t events,
                            std::function<void(std::uint32_t)> callback);
  [[nodiscard]] Timer after(std::chrono::milliseconds delay, std::function<void()> callback);

 private:
  struct Watched {
    int descriptor = -1;
    std::function<void(std::uint32_t)> callback;
  };

  void run_posted();
  void run_timers();
  int milliseconds_to_next() const;

  Descriptor epoll_;
  Descriptor wake_;
  bool quit_ = false;
  std::uint64_t next_id_ = 1;  // 0 is wake_
  // Shared, so that a callback that ends its own watch is not destroyed while it runs.
  std::map<std::uint64_t, std::shared_ptr<Watched>> watched_;
  std::map<Timer::Key, std::function<void()>> timers_;

  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace sluice
