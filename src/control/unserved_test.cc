// What the status says of sockets that their proxies do not serve.

#include <string>
#include <vector>

#include "control/testing.h"

namespace sluice::control {
namespace {

const translate::Unserved kTaken{.address = "0.0.0.0:80", .words = "Address already in use"};

class UnservedSockets : public YamlPipeline {
 protected:
  UnservedSockets() {
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: class
  allowedListeners: {namespaces: {from: Same}}
  listeners:
  - {name: a, port: 80, protocol: HTTP, hostname: a.example}
  - {name: b, port: 80, protocol: HTTP, hostname: b.example}
  - {name: c, port: 81, protocol: HTTP}
)");
    feed(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: set}
spec:
  parentRef: {name: web}
  listeners: [{name: d, port: 82, protocol: HTTP}]
)");
    pipeline_.set_proxy_state("default/web", {.ready = true, .programmed = true, .message = ""});
    pipeline_.commit();
  }

  void mark(const std::string& socket, const std::optional<translate::Unserved>& why) {
    pipeline_.set_unserved({"default/web", socket}, why);
    pipeline_.commit();
  }

  // "True/Programmed …" of the Gateway and its listeners.
  std::string programmed() const {
    const auto* of = status(api::kind_of<api::Gateway>(), {"default", "web"});
    std::string all = one(of->conditions);
    for (const translate::ListenerStatus& listener : of->listeners) all += " " + one(listener.conditions);
    return all;
  }
  static std::string one(const translate::Conditions& conditions) {
    const translate::Condition* condition = translate::find_condition(conditions, "Programmed");
    return condition->status ? "True" : condition->reason;
  }
};

TEST_F(UnservedSockets, AreToldOfByTheirListeners) {
  EXPECT_EQ(programmed(), "True True True True");
  mark("default/web:80", kTaken);
  EXPECT_EQ(programmed(), "True PortUnavailable PortUnavailable True");
  ASSERT_EQ(pipeline_.problems().size(), 1U);
  const Problem problem = pipeline_.problems()[0];
  EXPECT_EQ(problem.code, "conflict/port");
  EXPECT_EQ(problem.object.to_string() + " " + problem.path, "Gateway default/web spec.listeners[0].port");
  ASSERT_EQ(problem.also.size(), 1U);
  EXPECT_EQ(problem.also[0].path, "spec.listeners[1]");
  EXPECT_EQ(pipeline_.resources(xds::ResourceType::kListener).size(), 3U) << "it is offered all the same";

  mark("default/web:80", std::nullopt);
  EXPECT_EQ(programmed(), "True True True True");
  EXPECT_TRUE(pipeline_.problems().empty());
}

TEST_F(UnservedSockets, MakeTheirGatewayDeafWhenTheyAreAll) {
  for (const char* socket : {"default/web:80", "default/web:81", "default/web:82"}) mark(socket, kTaken);
  EXPECT_EQ(programmed(), "Pending PortUnavailable PortUnavailable PortUnavailable");
}

TEST_F(UnservedSockets, MayBeOfListenerSets) {
  mark("default/web:82", kTaken);
  EXPECT_EQ(programmed(), "True True True True");
  const auto* set = status(api::kind_of<api::ListenerSet>(), {"default", "set"});
  EXPECT_EQ(one(set->listeners.at(0).conditions), "PortUnavailable");
  EXPECT_EQ(one(set->conditions), "ListenersNotValid");
  ASSERT_EQ(pipeline_.problems().size(), 1U);
  EXPECT_EQ(pipeline_.problems()[0].object.to_string(), "ListenerSet default/set");
}

TEST_F(UnservedSockets, AreNoProblemWhenNobodyWantsThem) {
  mark("default/web:99", kTaken);
  EXPECT_TRUE(pipeline_.problems().empty());
}

}  // namespace
}  // namespace sluice::control
