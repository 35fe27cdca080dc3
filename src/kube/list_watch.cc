#include "kube/list_watch.h"

#include <string_view>
#include <utility>
#include <variant>

namespace sluice::kube {

struct ListWatch::Running : std::enable_shared_from_this<Running> {
  Running(Client& its_client, Options its_options, Sink& sink, Random random)
      : client(its_client),
        options(std::move(its_options)),
        reflector(options.watched, options.reflector, sink, std::move(random)) {}

  Client& client;
  const Options options;
  Reflector reflector;
  Client::Stream stream;
  bool over = false;

  // Calls `then` unless this is over by then.
  template <typename Then>
  auto guarded(Then then) {
    return [weak = weak_from_this(), then = std::move(then)](auto&&... arguments) {
      const auto self = weak.lock();
      if (self && !self->over) then(*self, std::forward<decltype(arguments)>(arguments)...);
    };
  }

  void act(const Reflector::Step& step) {
    if (const auto* get = std::get_if<Reflector::Get>(&step)) {
      client.call({.target = get->target, .timeout = options.list_timeout},
                  guarded([](Running& self, Outcome outcome) {
                    self.act(self.reflector.answered(outcome, std::chrono::steady_clock::now()));
                  }));
    } else if (const auto* watch = std::get_if<Reflector::Watch>(&step)) {
      stream = client.open(
          {.target = watch->target, .head_timeout = options.list_timeout, .silence = options.silence},
          {.opened = guarded([](Running& self) { self.reflector.opened(std::chrono::steady_clock::now()); }),
           .line = guarded([](Running& self, std::string_view text) {
             if (const auto next = self.reflector.line(text, std::chrono::steady_clock::now())) {
               self.stream = {};
               self.act(*next);
             }
           }),
           .ended = guarded([](Running& self, Outcome outcome) {
             self.act(self.reflector.ended(outcome, std::chrono::steady_clock::now()));
           })});
    } else {
      client.after(std::get<Reflector::Wait>(step).delay,
                   guarded([](Running& self) { self.act(self.reflector.waited()); }));
    }
  }
};

ListWatch::ListWatch(Client& client, Options options, Sink& sink, Random random)
    : client_(client),
      running_(std::make_shared<Running>(client, std::move(options), sink, std::move(random))) {
  client_.post(running_->guarded([](Running& self) { self.act(self.reflector.start()); }));
}

ListWatch::~ListWatch() {
  client_.run([this] {
    running_->over = true;
    running_->stream = {};
  });
}

}  // namespace sluice::kube
