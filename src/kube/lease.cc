#include "kube/lease.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace sluice::kube {

using Clock = std::chrono::steady_clock;
using WallClock = std::chrono::system_clock;

struct Lease::Running : std::enable_shared_from_this<Running> {
  Running(Client& its_client, Election::Options options, Events its_events, Random random)
      : client(its_client), election(std::move(options), std::move(random)), events(std::move(its_events)) {}

  Client& client;
  Election election;
  Events events;
  bool over = false;
  bool asking = false;  // a call is under way
  std::function<void()> resigned;

  bool resigning = false;  // the Lease is to be given back, and `resigned` called

  // As they were told.
  bool leads = false;
  std::string holder;
  std::string problem;

  template <typename Then>
  auto guarded(Then then) {
    return [weak = weak_from_this(), then = std::move(then)](auto&&... arguments) mutable {
      const auto self = weak.lock();
      if (self && !self->over) then(*self, std::forward<decltype(arguments)>(arguments)...);
    };
  }

  void act(const Election::Step& step) {
    tell();
    if (over) return;
    if (const auto* send = std::get_if<Election::Send>(&step)) {
      asking = true;
      client.call(send->call, guarded([](Running& self, Outcome outcome) {
                    self.asking = false;
                    const Election::Step next =
                        self.election.answered(outcome, Clock::now(), WallClock::now());
                    if (self.resigning) return self.give_back();
                    self.act(next);
                  }));
    } else {
      client.after(std::get<Election::Wait>(step).delay, guarded([](Running& self) {
                     if (!self.resigning) self.act(self.election.waited(Clock::now(), WallClock::now()));
                   }));
    }
  }

  void tell() {
    const Clock::time_point now = Clock::now();
    const bool now_leads = !resigning && election.leads(now);
    if (now_leads) {
      // Leading ends with time, too.
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*election.leads_until() - now);
      client.after(left, guarded([](Running& self) { self.tell(); }));
    }
    if (std::exchange(leads, now_leads) != now_leads && events.leads) events.leads(now_leads);
    if (over) return;
    if (holder != election.holder()) {
      holder = election.holder();
      if (events.holder) events.holder(holder);
    }
    if (over || problem == election.problem()) return;
    problem = election.problem();
    if (events.problem) events.problem(problem);
  }

  void give_back() {
    const std::optional<Call> release = election.release(WallClock::now());
    if (!release) return std::exchange(resigned, nullptr)();
    client.call(*release,
                guarded([](Running& self, const Outcome&) { std::exchange(self.resigned, nullptr)(); }));
  }
};

Lease::Lease(Client& client, Election::Options options, Events events, Random random)
    : client_(client),
      running_(std::make_shared<Running>(client, std::move(options), std::move(events), std::move(random))) {
  client_.post(running_->guarded(
      [](Running& self) { self.act(self.election.start(Clock::now(), WallClock::now())); }));
}

Lease::~Lease() {
  client_.run([this] { running_->over = true; });
}

void Lease::resign(std::function<void()> done) {
  client_.post(running_->guarded([done = std::move(done)](Running& self) mutable {
    self.resigned = std::move(done);
    self.resigning = true;
    self.tell();
    if (!self.asking) self.give_back();
  }));
}

}  // namespace sluice::kube
