#include "extproc/server.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/sigpipe.h"
#include "extproc/connection.h"
#include "extproc/health.h"
#include "extproc/socket.h"

namespace sluice::extproc {
namespace {

constexpr std::size_t kReadBuffer = 64 * 1024;
// After the process has run out of descriptors.
constexpr std::chrono::milliseconds kAcceptAgain{100};

// How many connections there are; whoever drains waits for none.
class ConnectionCount {
 public:
  bool take(std::size_t limit) {
    const std::lock_guard lock(mutex_);
    if (count_ >= limit) return false;
    ++count_;
    return true;
  }
  void give_back() {
    {
      const std::lock_guard lock(mutex_);
      --count_;
    }
    changed_.notify_all();
  }
  void wait_for_none(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

// A thread with its loop, its service and its connections. All members are the thread's but post().
class Worker {
 public:
  Worker(const Options& options, const MakeService& make_service, ConnectionCount& count)
      : limits_(options.limits), count_(count), service_(make_service(loop_)) {
    for (const std::string& name : options.health_services) health_.set(name, true);
    thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    loop_.post([this] { loop_.quit(); });
    thread_.join();
  }

  Loop& loop() { return loop_; }
  void post(std::function<void()> work) { loop_.post(std::move(work)); }

  void add(Socket socket) {
    auto connection =
        std::make_unique<Connection>(std::move(socket), shared_, [this](Connection* c) { remove(c); });
    if (draining_) connection->drain();
    connections_.push_back(std::move(connection));
  }
  void set_serving(const std::string& name, bool serving) {
    if (!health_.set(name, serving)) return;
    for (const auto& connection : connections_) connection->health_changed(name);
  }
  void drain() {
    draining_ = true;
    for (const auto& connection : connections_) connection->drain();
  }

 private:
  void run() {
    block_sigpipe();
    loop_.run();
    connections_.clear();  // here, since they say good-bye
  }

  void remove(Connection* connection) {
    std::erase_if(connections_, [connection](const auto& c) { return c.get() == connection; });
    count_.give_back();
  }

  const Limits& limits_;
  ConnectionCount& count_;
  Loop loop_;
  std::unique_ptr<Service> service_;
  HealthTable health_;
  Connection::Shared shared_{.loop = loop_,
                             .service = *service_,
                             .health = health_,
                             .limits = limits_,
                             .read_buffer = std::vector<char>(kReadBuffer),
                             .request = {}};
  std::vector<std::unique_ptr<Connection>> connections_;
  bool draining_ = false;
  std::thread thread_;
};

// Takes connections on the first worker's loop and deals them out in turn: Envoy has few, and they last.
class ServerOfWorkers final : public Server {
 public:
  ServerOfWorkers(const Options& options, const MakeService& make_service, Listening listening,
                  std::unique_ptr<TlsContext> tls, std::function<void(const Problem&)> report)
      : options_(options),
        listening_(std::move(listening)),
        tls_(std::move(tls)),
        report_(std::move(report)) {
    for (unsigned i = 0; i < std::max(1U, options.threads); ++i) {
      workers_.push_back(std::make_unique<Worker>(options_, make_service, count_));
    }
    workers_.front()->post([this] { listen(); });
  }

  ~ServerOfWorkers() override {
    stop_listening();
    workers_.clear();
  }

  const std::string& address() const override { return listening_.address; }

  void set_serving(const std::string& health_service, bool serving) override {
    for (const auto& worker : workers_) {
      worker->post([w = worker.get(), health_service, serving] { w->set_serving(health_service, serving); });
    }
  }

  void drain(std::chrono::milliseconds timeout) override {
    stop_listening();
    for (const auto& worker : workers_) worker->post([w = worker.get()] { w->drain(); });
    count_.wait_for_none(timeout);
  }

 private:
  void listen() {
    accepting_ = workers_.front()->loop().watch(listening_.descriptor.get(), EPOLLIN,
                                                [this](std::uint32_t) { accept(); });
  }

  // Returns when the first worker listens no more.
  void stop_listening() {
    std::atomic<bool> stopped = false;
    workers_.front()->post([this, &stopped] {
      accepting_.reset();
      accept_again_.reset();
      listening_.file.remove();  // first: while we listen, nobody puts another there
      listening_.descriptor.reset();
      stopped = true;
      stopped.notify_all();
    });
    stopped.wait(false);
  }

  void accept() {
    while (true) {
      Descriptor descriptor(
          ::accept4(listening_.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!descriptor) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
          accepting_.reset();
          accept_again_ = workers_.front()->loop().after(kAcceptAgain, [this] { listen(); });
        }
        return;
      }
      if (!count_.take(options_.limits.max_connections)) continue;
      SSL_CTX* const tls = tls_ == nullptr ? nullptr : tls_->current(report_);
      // Shared, since a std::function can be copied.
      auto socket = std::make_shared<Socket>(std::move(descriptor), tls);
      Worker* const worker = workers_[next_++ % workers_.size()].get();
      worker->post([worker, socket] { worker->add(std::move(*socket)); });
    }
  }

  const Options options_;
  Listening listening_;
  std::unique_ptr<TlsContext> tls_;
  std::function<void(const Problem&)> report_;
  ConnectionCount count_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t next_ = 0;
  Loop::Watch accepting_;
  Loop::Timer accept_again_;
};

}  // namespace

std::unique_ptr<Server> start_server(const Options& options, const MakeService& make_service,
                                     std::function<void(const Problem&)> report, Problem* problem) {
  std::unique_ptr<TlsContext> tls;
  if (options.tls) {
    auto loaded = TlsContext::load(*options.tls);
    if (!loaded) {
      *problem = loaded.error();
      return nullptr;
    }
    tls = std::move(*loaded);
  }
  auto listening = listen_at(options.address, options.socket_mode);
  if (!listening) {
    *problem = listening.error();
    return nullptr;
  }
  return std::make_unique<ServerOfWorkers>(options, make_service, std::move(*listening), std::move(tls),
                                           std::move(report));
}

}  // namespace sluice::extproc
