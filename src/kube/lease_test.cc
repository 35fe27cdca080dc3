#include "kube/lease.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/testing.h"
#include "kube/testing/api_server.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::ServedResource;

const ServedResource kLeases{
    .group = "coordination.k8s.io", .version = "v1", .plural = "leases", .kind = "Lease"};

// One of several that want to lead.
class Replica {
 public:
  Replica(const ApiServer& server, const std::string& name)
      : client_(local_access(server.port())),
        lease_(client_,
               {.name_space = "n",
                .name = "l",
                .identity = name,
                .lease_duration = 2s,
                .renew_deadline = 1s,
                .retry_period = 100ms},
               {.leads = [this](bool leads) { leads_.add(leads); },
                .holder = [this](const std::string& holder) { holders_.add(holder); },
                .problem = [this](const std::string& problem) { problems_.add(problem); }}) {}

  std::optional<bool> leads(std::chrono::milliseconds limit = 20s) { return leads_.next(limit); }
  std::optional<std::string> holder() { return holders_.next(); }
  std::optional<std::string> problem() { return problems_.next(); }
  bool resign() {
    Told<bool> done;
    lease_.resign([&] { done.add(true); });
    return done.next().has_value();
  }

 private:
  Told<bool> leads_;
  Told<std::string> holders_;
  Told<std::string> problems_;
  Client client_;
  Lease lease_;
};

class LeaseTest : public testing::Test {
 protected:
  std::string holder() const {
    const auto lease = server_.get("Lease", "n", "l");
    return lease.is_null() ? "" : lease["spec"]["holderIdentity"].get<std::string>();
  }
  ApiServer server_{{kLeases}};
};

TEST_F(LeaseTest, IsHeldByOneOfSeveral) {
  Replica a(server_, "a");
  ASSERT_EQ(a.leads(), true);
  Replica b(server_, "b");
  EXPECT_EQ(b.holder(), "a");
  EXPECT_FALSE(b.leads(300ms));
}

TEST_F(LeaseTest, PassesOnAtOnceWhenItIsGivenBack) {
  Replica a(server_, "a");
  ASSERT_EQ(a.leads(), true);
  Replica b(server_, "b");
  ASSERT_EQ(b.holder(), "a");
  EXPECT_TRUE(a.resign());
  EXPECT_EQ(a.leads(), false);
  EXPECT_EQ(b.leads(1500ms), true);
}

TEST_F(LeaseTest, PassesOnWhenItsHolderIsGone) {
  auto a = std::make_unique<Replica>(server_, "a");
  ASSERT_EQ(a->leads(), true);
  Replica b(server_, "b");
  a.reset();
  EXPECT_EQ(holder(), "a");
  EXPECT_EQ(b.leads(), true);
}

TEST_F(LeaseTest, EndsWhenTheServerIsNotReached) {
  Replica a(server_, "a");
  ASSERT_EQ(a.leads(), true);
  server_.stop();
  EXPECT_EQ(a.leads(), false);
  EXPECT_TRUE(a.problem().value().contains("nobody answers"));
  server_.start();
  EXPECT_EQ(a.leads(), true);
}

TEST_F(LeaseTest, SurvivesALostAnswer) {
  Replica a(server_, "a");
  ASSERT_EQ(a.leads(), true);
  server_.fail({.method = "PUT", .lose_answer = true});
  server_.fail({.method = "PUT", .status = 500});
  EXPECT_FALSE(a.leads(500ms));
  EXPECT_EQ(holder(), "a");
}

TEST_F(LeaseTest, IsGivenBackEvenWhereTheServerDoesNotAnswer) {
  Replica a(server_, "a");
  ASSERT_EQ(a.leads(), true);
  server_.fail({.times = -1, .hang = true});
  EXPECT_TRUE(a.resign());
}

}  // namespace
}  // namespace sluice::kube
