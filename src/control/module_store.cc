#include "control/module_store.h"

#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "base/loop.h"

namespace sluice::control {
namespace {

class ThreadedStore : public wasm::Store {
 public:
  ThreadedStore() = default;
  ThreadedStore(const ThreadedStore&) = delete;
  ThreadedStore& operator=(const ThreadedStore&) = delete;
  ~ThreadedStore() override {
    if (!thread_.joinable()) return;
    loop_.post([this] { loop_.quit(); });
    thread_.join();
  }

  wasm::Result<void> start(wasm::StoreSettings settings, std::function<void()> changed) {
    if (!loop_.usable()) return wasm::fail(wasm::Reason::kStorage, "no file descriptors are left");
    std::promise<wasm::Result<void>> opened;
    thread_ = std::thread([&opened, this, with = std::move(settings), tell = std::move(changed)] {
      auto store = wasm::open_store(loop_, with, [tell](const wasm::Source&) { tell(); });
      if (!store) {
        opened.set_value(std::unexpected(store.error()));
        return;
      }
      store_ = *std::move(store);
      opened.set_value({});
      loop_.run();
      store_.reset();
    });
    return opened.get_future().get();
  }

  void want(std::vector<wasm::Source> sources) override {
    on_loop([&] { store_->want(std::move(sources)); });
  }

  void want_also(wasm::Source source) override {
    on_loop([&] { store_->want_also(std::move(source)); });
  }

  wasm::State state(const wasm::Source& source) const override {
    wasm::State state;
    on_loop([&] { state = store_->state(source); });
    return state;
  }

 private:
  void on_loop(const std::function<void()>& work) const {
    std::promise<void> done;
    loop_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }

  mutable Loop loop_;
  std::unique_ptr<wasm::Store> store_;  // of the loop's thread
  std::thread thread_;
};

}  // namespace

wasm::Result<std::unique_ptr<wasm::Store>> start_module_store(wasm::StoreSettings settings,
                                                              std::function<void()> changed) {
  auto store = std::make_unique<ThreadedStore>();
  if (auto started = store->start(std::move(settings), std::move(changed)); !started) {
    return std::unexpected(std::move(started).error());
  }
  return store;
}

}  // namespace sluice::control
