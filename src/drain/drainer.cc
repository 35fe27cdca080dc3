#include "drain/drainer.h"

#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>

#include "proxy/connections.h"

namespace sluice::drain {

using std::chrono::milliseconds;

namespace {

// Envoy answers on its main thread, which may be busy with a large configuration.
constexpr milliseconds kAdminTimeout{5'000};

struct Call {
  std::string_view method;
  std::string_view target;
};

Call call_of(Task task) {
  switch (task) {
    case Task::kFailHealthChecks:
      return {.method = "POST", .target = "/healthcheck/fail"};
    case Task::kDrainListeners:
      // Whoever comes is served until the end; the process ends when Kubernetes says so.
      return {.method = "POST", .target = "/drain_listeners?graceful&skip_exit"};
    case Task::kCountConnections:
      return {.method = "GET", .target = proxy::kConnectionStats};
  }
  return {};
}

std::string text_of(End end, std::optional<std::uint64_t> connections) {
  switch (end) {
    case End::kDrained:
      return "Envoy has drained: nobody is connected any more";
    case End::kTimeIsUp:
      return connections ? fmt::format("Envoy has drained for the longest time; {} connections are open",
                                       *connections)
                         : "Envoy has drained for the longest time; it does not tell how many are connected";
    case End::kNoAnswers:
      return "Envoy does not answer on its admin interface: nothing is known of its connections";
  }
  return {};
}

}  // namespace

Drainer::Drainer(Loop& loop, DrainerOptions options, std::function<void(End, const std::string&)> ended)
    : loop_(loop),
      options_(std::move(options)),
      ended_(std::move(ended)),
      machine_(options_.times),
      manager_(knock_at_door(options_.door)) {
  tell("Envoy is to drain");
  follow(machine_.begin());
}

milliseconds Drainer::passed() const {
  return std::chrono::duration_cast<milliseconds>(Loop::Clock::now() - start_);
}

void Drainer::follow(Step step) {
  next_ = loop_.after(step.wait, [this, step] { perform(step.task); });
}

void Drainer::perform(Task task) {
  const Call call = call_of(task);
  call_ = std::make_unique<proxy::AdminCall>(
      loop_, options_.envoy_admin, call.method, call.target, kAdminTimeout,
      [this, task](const std::optional<proxy::AdminAnswer>& answer) { take(task, answer); });
}

void Drainer::take(Task task, const std::optional<proxy::AdminAnswer>& answer) {
  Answer told{.arrived = answer && answer->status == 200, .connections = {}};
  if (told.arrived && task == Task::kCountConnections) {
    told.connections = proxy::count_connections(answer->body, options_.ignored_ports);
    connections_ = told.connections;
  }
  const Next next = machine_.answered(told, passed());
  if (const Step* const step = std::get_if<Step>(&next)) return follow(*step);
  end(std::get<End>(next));
}

void Drainer::end(End end) {
  const std::string text = text_of(end, connections_);
  tell(text);
  tell(kEnded);
  manager_.reset();
  const auto ended = std::move(ended_);
  ended(end, text);
}

void Drainer::tell(std::string_view message) {
  if (manager_) ::send(manager_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace sluice::drain
