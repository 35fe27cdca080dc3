#include "cli/envoy.h"

#include <expected>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "control/signals.h"
#include "drain/address.h"
#include "drain/drainer.h"
#include "drain/manager.h"
#include "proxy/process.h"
#include "xds/bootstrap.h"

namespace sluice::cli {

namespace {

int fail(Console& console, const std::string& message) {
  console.err << paint("error:", kRed, console.err_color) << " " << message << "\n";
  return kProblems;
}

std::string envoy_admin() { return fmt::format("127.0.0.1:{}", xds::kAdminPort); }

}  // namespace

int run_shutdown_manager(std::chrono::milliseconds ready_timeout, Console& console) {
  Loop loop;
  if (!loop.usable()) return fail(console, "there are no descriptors left for an event loop");
  std::unique_ptr<drain::Manager> manager;
  const control::Signals signals([&](int) {
    loop.post([&] {
      if (manager) manager->end([&] { loop.quit(); });
    });
  });
  drain::ManagerOptions options{.address = fmt::format("[::]:{}", drain::kManagerPort),
                                .ready_timeout = ready_timeout,
                                .envoy_admin = envoy_admin()};
  auto started = drain::Manager::start(loop, options);
  if (!started) {  // a kernel without IPv6
    options.address = fmt::format("0.0.0.0:{}", drain::kManagerPort);
    started = drain::Manager::start(loop, options);
  }
  if (!started) {
    const auto no_lines = [](const std::string&, unsigned) { return std::string(); };
    console.err << print_problems({started.error()}, no_lines, console.err_color);
    return kProblems;
  }
  manager = *std::move(started);
  log(Level::kInfo, "ready", {{"address", manager->address()}});
  loop.run();
  manager.reset();
  return kOk;
}

int shut_down_envoy(const drain::Times& times, Console& console) {
  Loop loop;
  if (!loop.usable()) return fail(console, "there are no descriptors left for an event loop");
  int code = kOk;
  drain::Drainer drainer(
      loop,
      {.times = times, .envoy_admin = envoy_admin(), .ignored_ports = {xds::kStatsPort, xds::kReadyPort}},
      [&](drain::End end, const std::string& text) {
        console.err << text << "\n";
        if (end == drain::End::kNoAnswers) code = kProblems;
        loop.quit();
      });
  // Envoy drains all the same.
  if (!drainer.has_manager()) code = fail(console, "there is no shutdown manager in this pod to be told");
  loop.run();
  return code;
}

int keep_envoy(Console& console) { return fail(console, proxy::become_keeper(STDIN_FILENO)); }

}  // namespace sluice::cli
