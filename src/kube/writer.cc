#include "kube/writer.h"

#include <chrono>
#include <optional>
#include <utility>

namespace sluice::kube {

using Clock = std::chrono::steady_clock;

struct Writer::Running : std::enable_shared_from_this<Running> {
  Running(Client& its_client, const WriteQueue::Options& options, Told told_to, Random random)
      : client(its_client), queue(options, std::move(random)), told(std::move(told_to)) {}

  Client& client;
  WriteQueue queue;
  Told told;
  bool over = false;
  std::optional<Clock::time_point> wakes;  // the earliest timer that runs

  // On the client's thread, unless this is over by then.
  template <typename Then>
  auto guarded(Then then) {
    return [weak = weak_from_this(), then = std::move(then)](auto&&... arguments) mutable {
      const auto self = weak.lock();
      if (self && !self->over) then(*self, std::forward<decltype(arguments)>(arguments)...);
    };
  }

  void send() {
    while (std::optional<WriteQueue::Sending> sending = queue.next(Clock::now())) {
      const auto shared = std::make_shared<WriteQueue::Sending>(*std::move(sending));
      client.call(call_of(shared->write), guarded([shared](Running& self, Outcome outcome) {
                    const auto verdict = self.queue.answered(shared->key, outcome, Clock::now());
                    self.send();
                    self.told({.key = std::move(shared->key),
                               .write = std::move(shared->write),
                               .outcome = std::move(outcome),
                               .verdict = verdict});
                  }));
    }
    const std::optional<Clock::time_point> at = queue.wake_at();
    if (!at || (wakes && *wakes <= *at)) return;
    wakes = at;
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(*at - Clock::now());
    client.after(delay, guarded([at = *at](Running& self) {
                   if (self.wakes == at) self.wakes.reset();
                   self.send();
                 }));
  }
};

Writer::Writer(Client& client, const WriteQueue::Options& options, Told told, Random random)
    : client_(client),
      running_(std::make_shared<Running>(client, options, std::move(told), std::move(random))) {}

Writer::~Writer() {
  client_.run([this] { running_->over = true; });
}

void Writer::set_active(bool active) {
  client_.post(running_->guarded([active](Running& self) {
    self.queue.set_active(active);
    self.send();
  }));
}

void Writer::want(std::string key, Write write) {
  client_.post(running_->guarded([key = std::move(key), write = std::move(write)](Running& self) mutable {
    self.queue.want(key, std::move(write), Clock::now());
    self.send();
  }));
}

void Writer::drop(std::string key) {
  client_.post(running_->guarded([key = std::move(key)](Running& self) { self.queue.drop(key); }));
}

void Writer::forget(std::string key) {
  client_.post(running_->guarded([key = std::move(key)](Running& self) { self.queue.forget(key); }));
}

}  // namespace sluice::kube
