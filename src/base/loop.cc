#include "base/loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace sluice {

Loop::Watch& Loop::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    reset();
    loop_ = std::exchange(other.loop_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void Loop::Watch::reset() {
  Loop* loop = std::exchange(loop_, nullptr);
  if (loop == nullptr) return;
  const auto found = loop->watched_.find(id_);
  if (found == loop->watched_.end()) return;
  ::epoll_ctl(loop->epoll_.get(), EPOLL_CTL_DEL, found->second->descriptor, nullptr);
  loop->watched_.erase(found);
}

void Loop::Watch::set_events(std::uint32_t events) {
  const auto found = loop_->watched_.find(id_);
  if (found == loop_->watched_.end()) return;
  epoll_event event{.events = events, .data = {.u64 = id_}};
  ::epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_MOD, found->second->descriptor, &event);
}

Loop::Timer& Loop::Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    reset();
    loop_ = std::exchange(other.loop_, nullptr);
    key_ = other.key_;
  }
  return *this;
}

void Loop::Timer::reset() {
  if (Loop* loop = std::exchange(loop_, nullptr)) loop->timers_.erase(key_);
}

bool Loop::Timer::pending() const { return loop_ != nullptr && loop_->timers_.contains(key_); }

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!usable()) return;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
}

void Loop::run() {
  std::array<epoll_event, 64> events;
  while (!quit_) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), milliseconds_to_next());
    if (count < 0 && errno != EINTR) std::abort();  // a descriptor of ours was closed by others
    for (int i = 0; i < count && !quit_; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == 0) {
        run_posted();
        continue;
      }
      // By id: an earlier callback may have ended this watch, and its descriptor's number may be another's by
      // now.
      const auto found = watched_.find(event.data.u64);
      if (found == watched_.end()) continue;
      const std::shared_ptr<Watched> watched = found->second;
      watched->callback(event.events);
    }
    if (!quit_) run_timers();
  }
}

void Loop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then the loop is awake already.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

Loop::Watch Loop::watch(int descriptor, std::uint32_t events, std::function<void(std::uint32_t)> callback) {
  Watch result;
  result.loop_ = this;
  result.id_ = next_id_++;
  epoll_event event{.events = events, .data = {.u64 = result.id_}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
    std::abort();  // not a descriptor to wait for
  watched_[result.id_] = std::make_shared<Watched>(Watched{descriptor, std::move(callback)});
  return result;
}

Loop::Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> callback) {
  Timer result;
  result.loop_ = this;
  result.key_ = {Clock::now() + delay, next_id_++};
  timers_.emplace(result.key_, std::move(callback));
  return result;
}

void Loop::run_posted() {
  std::uint64_t count;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (const std::function<void()>& each : work) each();
}

void Loop::run_timers() {
  const Clock::time_point now = Clock::now();
  while (!quit_ && !timers_.empty() && timers_.begin()->first.first <= now) {
    const auto node = timers_.extract(timers_.begin());  // lives until its callback has returned
    node.mapped()();
  }
}

int Loop::milliseconds_to_next() const {
  if (timers_.empty()) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first.first - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 60'000));
}

}  // namespace sluice
