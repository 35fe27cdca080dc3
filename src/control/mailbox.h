// What the other threads tell the control thread.
//
// Threads: post() from any, the rest from the control thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::control {

template <typename Message>
class Mailbox {
 public:
  void post(Message message) {
    {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    posted_.notify_one();
  }

  // Everything that has been posted, in order; waits until there is something, or until the time is up.
  std::vector<Message> take(std::optional<std::chrono::steady_clock::time_point> until) {
    std::unique_lock lock(mutex_);
    const auto any = [this] { return !messages_.empty(); };
    if (until) {
      posted_.wait_until(lock, *until, any);
    } else {
      posted_.wait(lock, any);
    }
    return std::exchange(messages_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<Message> messages_;
};

}  // namespace sluice::control
