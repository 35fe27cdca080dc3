#include "kube/writer.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/object.h"
#include "kube/testing.h"
#include "kube/testing/api_server.h"

namespace sluice::kube {
namespace {

using namespace std::chrono_literals;
using kube_testing::ApiServer;
using kube_testing::Json;
using kube_testing::ServedResource;
using Verdict = WriteQueue::Verdict;

const ServedResource kGateways{
    .group = "gateway.networking.k8s.io", .version = "v1", .plural = "gateways", .kind = "Gateway"};
const Resource kResource{
    .group = "gateway.networking.k8s.io", .version = "v1", .plural = "gateways", .kind = "Gateway"};

class WriterTest : public testing::Test {
 protected:
  WriterTest() {
    server_.put(
        {{"kind", "Gateway"}, {"metadata", {{"name", "g"}, {"namespace", "n"}}}, {"spec", {{"x", 1}}}});
    writer_.set_active(true);
  }
  static Write apply_status(const std::string& manager, const Json& status, bool force = true) {
    return {.kind = Write::Kind::kApply,
            .target = kResource.target("n", "g", "status") + apply_query(manager, force),
            .body = Json{{"apiVersion", kResource.api_version()},
                         {"kind", "Gateway"},
                         {"metadata", {{"name", "g"}, {"namespace", "n"}}},
                         {"status", status}}
                        .dump()};
  }
  Json status() const { return server_.get("Gateway", "n", "g").value("status", Json::object()); }
  Verdict verdict() { return told_.next().value().verdict; }

  ApiServer server_{{kGateways}};
  Client client_{local_access(server_.port())};
  Told<Written> told_;
  Writer writer_{
      client_, {.gap = 10ms, .first = 10ms, .longest = 50ms}, [this](const Written& w) { told_.add(w); }};
};

TEST_F(WriterTest, AppliesAStatusAndNothingElse) {
  writer_.want("g", apply_status("sluice", {{"conditions", {{{"type", "Accepted"}, {"status", "True"}}}}}));
  EXPECT_EQ(verdict(), Verdict::kDone);
  EXPECT_EQ(status()["conditions"][0]["type"], "Accepted");
  EXPECT_EQ(server_.get("Gateway", "n", "g")["spec"]["x"], 1);
}

TEST_F(WriterTest, LeavesWhatOthersHaveApplied) {
  writer_.want("other", apply_status("other", {{"conditions", {{{"type", "Theirs"}, {"status", "True"}}}}}));
  EXPECT_EQ(verdict(), Verdict::kDone);
  writer_.want("g", apply_status("sluice", {{"conditions", {{{"type", "Ours"}, {"status", "True"}}}}}));
  EXPECT_EQ(verdict(), Verdict::kDone);
  writer_.want("g", apply_status("sluice", Json::object()));
  EXPECT_EQ(verdict(), Verdict::kDone);
  EXPECT_EQ(status()["conditions"], Json::parse(R"([{"type":"Theirs","status":"True"}])"));
}

TEST_F(WriterTest, IsRefusedAFieldThatAnotherHas) {
  writer_.want("other", apply_status("other", {{"address", "a"}}));
  EXPECT_EQ(verdict(), Verdict::kDone);
  writer_.want("g", apply_status("sluice", {{"address", "b"}}, false));
  EXPECT_EQ(verdict(), Verdict::kRefused);
  EXPECT_EQ(status()["address"], "a");
}

TEST_F(WriterTest, CreatesReplacesAndDeletes) {
  const Json gateway{{"kind", "Gateway"}, {"metadata", {{"name", "h"}}}, {"spec", {{"x", 2}}}};
  writer_.want("h", {.kind = Write::Kind::kCreate, .target = kResource.target("n"), .body = gateway.dump()});
  EXPECT_EQ(verdict(), Verdict::kDone);
  Json other = gateway;
  other["spec"]["x"] = 3;
  writer_.want("h",
               {.kind = Write::Kind::kReplace, .target = kResource.target("n", "h"), .body = other.dump()});
  EXPECT_EQ(verdict(), Verdict::kDone);
  EXPECT_EQ(server_.get("Gateway", "n", "h")["spec"]["x"], 3);
  writer_.want("h", {.kind = Write::Kind::kDelete, .target = kResource.target("n", "h"), .body = ""});
  EXPECT_EQ(verdict(), Verdict::kDone);
  EXPECT_TRUE(server_.get("Gateway", "n", "h").is_null());
}

TEST_F(WriterTest, DeletesOnlyTheObjectThatIsMeant) {
  writer_.want("g", {.kind = Write::Kind::kDelete,
                     .target = kResource.target("n", "g"),
                     .body = R"({"preconditions":{"uid":"of-another"}})"});
  EXPECT_EQ(verdict(), Verdict::kAgain);
  writer_.drop("g");
  EXPECT_FALSE(server_.get("Gateway", "n", "g").is_null());
}

TEST_F(WriterTest, TriesUntilItArrives) {
  server_.fail({.method = "PATCH", .status = 500});
  server_.fail({.method = "PATCH", .cut_after = 0});
  server_.fail({.method = "PATCH", .lose_answer = true});
  writer_.want("g", apply_status("sluice", {{"address", "a"}}));
  Verdict last = Verdict::kAgain;
  while (last == Verdict::kAgain) last = verdict();
  EXPECT_EQ(last, Verdict::kDone);
  EXPECT_EQ(status()["address"], "a");
}

TEST_F(WriterTest, WritesAThousandChangesOfOneKeyAFewTimes) {
  for (int i = 1; i <= 1'000; ++i) writer_.want("g", apply_status("sluice", {{"attached", i}}));
  ASSERT_TRUE(eventually([this] { return status().value("attached", 0) == 1'000; }));
  EXPECT_LE(server_.requests().size(), 10U);
}

TEST_F(WriterTest, WritesNothingWhileItIsNotActive) {
  writer_.set_active(false);
  writer_.want("g", apply_status("sluice", {{"address", "a"}}));
  EXPECT_FALSE(told_.next(50ms));
  writer_.set_active(true);
  EXPECT_EQ(verdict(), Verdict::kDone);
  EXPECT_EQ(status()["address"], "a");
}

TEST_F(WriterTest, TellsNothingAfterItsEnd) {
  server_.fail({.method = "PATCH", .delay = 50ms});
  {
    Writer writer(client_, {}, [this](const Written& written) { told_.add(written); });
    writer.set_active(true);
    writer.want("g", apply_status("sluice", {{"address", "a"}}));
    ASSERT_TRUE(eventually([this] { return !server_.requests().empty(); }));
  }
  EXPECT_TRUE(eventually([this] { return status().contains("address"); }));
  EXPECT_FALSE(told_.next(50ms));
}

}  // namespace
}  // namespace sluice::kube
