#include "drain/manager.h"

#include <charconv>
#include <future>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "drain/address.h"
#include "drain/testing.h"

namespace sluice::drain {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;

void say(const Descriptor& drainer, std::string_view message) {
  ::send(drainer.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

class ManagerTest : public testing::Test {
 protected:
  void start(milliseconds ready_timeout = kPatience) {
    auto started = Manager::start(loop_, {.address = "127.0.0.1:0",
                                          .ready_timeout = ready_timeout,
                                          .envoy_admin = envoy_.address(),
                                          .door = door_});
    ASSERT_TRUE(started) << started.error().message;
    manager_ = *std::move(started);
    const std::string address = manager_->address();
    const std::size_t colon = address.rfind(':') + 1;
    std::from_chars(address.data() + colon, address.data() + address.size(), port_);
    thread_ = std::jthread([this] { loop_.run(); });
  }
  void TearDown() override {
    loop_.post([this] { loop_.quit(); });
    thread_ = {};
    manager_.reset();
  }
  // As Kubernetes for Envoy's preStop hook.
  std::future<std::string> ask() {
    return std::async(std::launch::async, [this] { return get(port_, kReadyPath); });
  }
  bool is_waiting(std::future<std::string>& answer) {
    return answer.wait_for(milliseconds(50)) == std::future_status::timeout;
  }
  void end() {
    loop_.post([this] { manager_->end([this] { ended_.set_value(); }); });
  }
  bool has_ended(milliseconds patience) {
    return ended_.get_future().wait_for(patience) == std::future_status::ready;
  }

  MemoryAdmin envoy_;
  const std::string door_ = own_door();
  std::promise<void> ended_;
  Loop loop_;
  std::unique_ptr<Manager> manager_;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

TEST_F(ManagerTest, IsHealthy) {
  start();
  EXPECT_THAT(get(port_, kHealthPath), HasSubstr("200 OK"));
}

TEST_F(ManagerTest, EnvoyMayEndOnceItHasDrained) {
  start();
  auto answer = ask();
  Descriptor drainer = knock_at_door(door_);
  EXPECT_TRUE(is_waiting(answer));
  say(drainer, kEnded);
  EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
}

TEST_F(ManagerTest, WhoAsksAfterwardsHasTheAnswerAtOnce) {
  start();
  const Descriptor drainer = knock_at_door(door_);
  say(drainer, kEnded);
  EXPECT_TRUE(wait_until([&] { return get(port_, kReadyPath).contains("200 OK"); }));
}

TEST_F(ManagerTest, EnvoyMayEndInTimeWhereNobodyDrains) {
  start(milliseconds(20));
  EXPECT_THAT(ask().get(), HasSubstr("503"));
}

TEST_F(ManagerTest, WhileSomebodyDrainsThatTimeDoesNotCount) {
  start(milliseconds(20));
  Descriptor drainer = knock_at_door(door_);
  ASSERT_TRUE(drainer);
  auto answer = ask();
  EXPECT_TRUE(is_waiting(answer));
  say(drainer, kEnded);
  EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
}

TEST_F(ManagerTest, WhoDrainsAndDiesLetsNobodyWaitForEver) {
  start(milliseconds(20));
  Descriptor drainer = knock_at_door(door_);
  ASSERT_TRUE(drainer);
  auto answer = ask();
  EXPECT_TRUE(is_waiting(answer));
  drainer.reset();
  EXPECT_THAT(answer.get(), HasSubstr("503"));
}

TEST_F(ManagerTest, MessagesAreNoEnd) {
  start();
  auto answer = ask();
  const Descriptor drainer = knock_at_door(door_);
  say(drainer, "Envoy is to drain");
  EXPECT_TRUE(is_waiting(answer));
  say(drainer, kEnded);
  EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
}

TEST_F(ManagerTest, EndsAtOnceWhereNobodyWaits) {
  start();
  end();
  EXPECT_TRUE(has_ended(kPatience));
}

TEST_F(ManagerTest, EndsAfterWhoDrainsAndHasAnsweredBefore) {
  start();
  auto answer = ask();
  Descriptor drainer = knock_at_door(door_);
  end();
  EXPECT_TRUE(is_waiting(answer));
  say(drainer, kEnded);
  drainer.reset();
  EXPECT_THAT(answer.get(), HasSubstr("200 OK"));
  EXPECT_TRUE(has_ended(kPatience));
}

TEST_F(ManagerTest, AnEnvoyThatWasDrainedForAnEarlierManagerPassesHealthChecksAgain) {
  start();
  EXPECT_TRUE(wait_until([this] { return !envoy_.asked().empty(); }));
  EXPECT_THAT(envoy_.asked(), Contains("POST /healthcheck/ok"));
}

TEST_F(ManagerTest, TwoInAPodAreOneTooMany) {
  start();
  const auto second = Manager::start(
      loop_,
      {.address = "127.0.0.1:0", .ready_timeout = kPatience, .envoy_admin = envoy_.address(), .door = door_});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace sluice::drain
