// In a network namespace of the test's own, where it is root.

#include "control/host_addresses.h"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/descriptor.h"

namespace sluice::control {
namespace {

using translate::HostAddresses;
using Addresses = std::vector<std::string>;

constexpr std::chrono::seconds kPatience{20};

// The loopback interface of this thread's network namespace, and others that are names for it.
class Loopback {
 public:
  void up(const char* name = "lo") { set_flags(name, IFF_UP); }
  void down(const char* name = "lo") { set_flags(name, 0); }
  // "lo:1" is an address more.
  void set_address(const char* name, const char* address) {
    ifreq request = request_for(name);
    auto* to = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    to->sin_family = AF_INET;
    ASSERT_EQ(inet_pton(AF_INET, address, &to->sin_addr), 1);
    ASSERT_EQ(ioctl(socket_.get(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
  }
  void set_mtu(int mtu) {
    ifreq request = request_for("lo");
    request.ifr_mtu = mtu;
    ASSERT_EQ(ioctl(socket_.get(), SIOCSIFMTU, &request), 0) << std::strerror(errno);
  }

 private:
  static ifreq request_for(const char* name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return request;
  }
  void set_flags(const char* name, int flags) {
    ifreq request = request_for(name);
    request.ifr_flags = static_cast<short>(flags);
    ASSERT_EQ(ioctl(socket_.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
  }

  const Descriptor socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

// What a watch has told, in order.
class Told {
 public:
  void add(HostAddresses addresses) {
    const std::lock_guard lock(mutex_);
    told_.push_back(std::move(addresses));
    changed_.notify_all();
  }
  // Nothing where it takes too long.
  std::optional<HostAddresses> next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [this] { return !told_.empty(); })) return std::nullopt;
    HostAddresses first = std::move(told_.front());
    told_.pop_front();
    return first;
  }
  // Waits until it has told these.
  bool wait_for(const Addresses& all) {
    while (const auto told = next()) {
      if (told->all == all) return true;
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<HostAddresses> told_;
};

// The test is in a thread of its own, which alone leaves the network namespace of the others.
class HostWatchTest : public testing::Test {
 protected:
  template <typename F>
  void in_a_namespace(F test) {
    int error = 0;
    std::thread([&] {
      if (unshare(CLONE_NEWNET) != 0) {
        error = errno;
        return;
      }
      test();
    }).join();
    if (error != 0) GTEST_SKIP() << "a network namespace needs root: " << std::strerror(error);
  }

  std::unique_ptr<HostWatch> watch() {
    auto made = watch_host_addresses(&first_, [this](HostAddresses now) { told_.add(std::move(now)); });
    EXPECT_NE(made, nullptr);
    return made;
  }

  HostAddresses first_;
  Told told_;
};

TEST_F(HostWatchTest, TellsOfAnAddressThatComes) {
  in_a_namespace([this] {
    Loopback loopback;
    loopback.up();
    const auto watching = watch();
    EXPECT_EQ(first_.all.front(), "127.0.0.1");
    loopback.set_address("lo:1", "10.1.2.3");
    const auto told = told_.next();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->all.front(), "10.1.2.3");
  });
}

TEST_F(HostWatchTest, TellsOfAnAddressThatGoes) {
  in_a_namespace([this] {
    Loopback loopback;
    loopback.up();
    loopback.set_address("lo:1", "10.1.2.3");
    const auto watching = watch();
    loopback.down("lo:1");
    Addresses without = first_.all;
    std::erase(without, "10.1.2.3");
    EXPECT_TRUE(told_.wait_for(without));
  });
}

TEST_F(HostWatchTest, TellsOfAnInterfaceThatGoesDown) {
  in_a_namespace([this] {
    Loopback loopback;
    loopback.up();
    const auto watching = watch();
    loopback.down();
    EXPECT_TRUE(told_.wait_for({}));
  });
}

TEST_F(HostWatchTest, TellsNothingWhereTheAddressesStayAsTheyAre) {
  in_a_namespace([this] {
    Loopback loopback;
    loopback.up();
    const auto watching = watch();
    loopback.set_mtu(9000);
    // Time for it to be seen by itself.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    loopback.set_address("lo:1", "10.1.2.3");
    const auto told = told_.next();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->all.front(), "10.1.2.3") << "the first that is told of is not that of the MTU";
  });
}

TEST_F(HostWatchTest, KnowsTheAddressesOfItsOwnNamespaceOnly) {
  in_a_namespace([this] {
    const auto watching = watch();
    EXPECT_EQ(first_.all, Addresses());
  });
}

}  // namespace
}  // namespace sluice::control
