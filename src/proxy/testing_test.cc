#include "proxy/testing.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include <nlohmann/json.hpp>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/process.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view kFakeEnvoy = R"py(#!/usr/bin/python3
import contextlib, json, os, signal, socket, sys, time

arguments = sys.argv[1:]
bootstrap = json.load(open(arguments[arguments.index("--config-path") + 1]))


def note(name, value):
    with open(os.path.join(bootstrap["log"], name), "a") as file:
        file.write(json.dumps(value) + "\n")


note("starts", {"pid": os.getpid(), "arguments": arguments, "session": os.getsid(0),
                "descriptors": sorted(int(each) for each in os.listdir("/proc/self/fd"))})
print("to the output", flush=True)
if "die" in bootstrap:
    print("a first line\n" + bootstrap["die"], file=sys.stderr)
    sys.exit(1)
server = socket.socket(socket.AF_UNIX)
server.bind(bootstrap["admin"])
server.listen(16)
while True:
    client, _ = server.accept()
    request = b""
    while b"\r\n\r\n" not in request:
        piece = client.recv(4096)
        if not piece:
            break
        request += piece
    if b"\r\n\r\n" not in request:  # who was about to ask has gone
        client.close()
        continue
    method, target = request.decode().split(" ")[:2]
    status, body = "200 OK", "OK\n"
    if target == "/ready":
        for pid in bootstrap.pop("kills", []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if bootstrap.get("never_ready"):
            status, body = "503 Service Unavailable", "INITIALIZING\n"
        else:
            body = "LIVE\n"
    else:
        note("calls", {"pid": os.getpid(), "method": method, "target": target})
    if target.startswith("/stats"):
        try:
            count = int(open(os.path.join(bootstrap["log"], "connections")).read())
        except FileNotFoundError:
            count = 0
        body = f"listener.x.downstream_cx_active: {count}\nlistener.admin.downstream_cx_active: 1\n"
    with contextlib.suppress(OSError):  # who asked may be gone
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    client.close()
)py";

}  // namespace

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Folder::Folder() {
  char path[] = "/tmp/proxy-test.XXXXXX";
  path_ = ::mkdtemp(path);
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

void Events::add(Event event) {
  const std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  changed_.notify_all();
}

std::vector<Event> Events::all() const {
  const std::lock_guard lock(mutex_);
  return events_;
}

int Events::wait(const std::function<bool(const Event&)>& condition, int from) const {
  std::unique_lock lock(mutex_);
  std::size_t next = static_cast<std::size_t>(from);
  int found = -1;
  changed_.wait_until(lock, std::chrono::system_clock::now() + kPatience, [&] {
    for (; next < events_.size() && found < 0; ++next) {
      if (condition(events_[next])) found = static_cast<int>(next);
    }
    return found >= 0;
  });
  return found;
}

int Events::wait(State state, int from) const {
  return wait([&](const Event& event) { return event.state == state; }, from);
}

Event Events::at(int position) const {
  const std::lock_guard lock(mutex_);
  return position < 0 ? Event{} : events_.at(static_cast<std::size_t>(position));
}

int Events::size() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(events_.size());
}

RunnerTest::RunnerTest() { options_.run_dir = run_dir(); }

void RunnerTest::start() {
  runner_.reset();
  Problem problem;
  runner_ = start_runner(options_, [this](Event event) { events_.add(std::move(event)); }, &problem);
  ASSERT_TRUE(runner_) << problem.message;
}

void RunnerTest::stop() {
  std::promise<void> stopped;
  runner_->stop([&] { stopped.set_value(); });
  stopped.get_future().wait();
}

void RunnerTest::TearDown() {
  if (runner_) stop();
  runner_.reset();
  for (const int pid : processes_of(run_dir())) ::kill(pid, SIGKILL);
  EXPECT_TRUE(wait_until([&] { return processes_of(run_dir()).empty(); }));
  if (HasFailure()) {
    for (const Event& event : events_.all()) {
      std::printf("event: state %d pid %d: %s\n", static_cast<int>(event.state), event.pid,
                  event.message.c_str());
    }
  }
}

std::vector<int> processes_of(const std::string& run_dir) {
  std::vector<int> result;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || !alive(pid))
      continue;
    std::ifstream in(entry.path() / "environ", std::ios::binary);
    const std::string environment{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (environment.find("SLUICE_PROXY=" + run_dir + "/") != environment.npos) result.push_back(pid);
  }
  return result;
}

std::string write_fake_envoy(const Folder& folder) {
  std::string path = folder.file("fake_envoy");
  std::ofstream(path) << kFakeEnvoy;
  ::chmod(path.c_str(), 0755);
  return path;
}

std::vector<nlohmann::json> read_lines(const std::string& path) {
  std::vector<nlohmann::json> result;
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line) && !in.eof()) result.push_back(nlohmann::json::parse(line));
  return result;
}

int keeper_of(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (in >> word && word != "PPid:") {
  }
  int keeper = 0;
  in >> keeper;
  return keeper;
}

bool alive(int pid) { return start_time_of(pid).has_value(); }

}  // namespace sluice::proxy
