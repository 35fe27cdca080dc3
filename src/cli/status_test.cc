#include "cli/status.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "admin/server.h"
#include "cli/commands.h"

namespace sluice::cli {
namespace {

constexpr std::string_view kGood = R"({"commit": 3, "problems": [], "objects": [
  {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "name": "eg", "status": {"conditions": [
    {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "valid"}]}},
  {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "eg", "namespace": "default", "status": {
    "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "fine"},
                   {"type": "Programmed", "status": "True", "reason": "Programmed", "message": "served"}],
    "listeners": [{"name": "http", "attachedRoutes": 1, "conditions": [
      {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "ok"},
      {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": ""}]}]}}]})";

constexpr std::string_view kBad = R"({"commit": 4, "objects": [
  {"apiVersion": "v1", "kind": "Gateway", "name": "eg", "namespace": "default", "status": {
    "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "fine"}],
    "listeners": [{"name": "http", "conditions": [{"type": "Conflicted", "status": "False", "reason": "NoConflicts", "message": ""}]},
                  {"name": "twin", "conditions": [{"type": "Conflicted", "status": "True", "reason": "HostnameConflict", "message": "another has it"}]}]}},
  {"apiVersion": "v1", "kind": "HTTPRoute", "name": "web", "namespace": "default", "status": {"parents": [
    {"parentRef": {"kind": "Gateway", "name": "eg", "namespace": "default", "sectionName": "http"}, "conditions": [
      {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "Route is accepted"},
      {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "Service default/cart not found"}]},
    {"parentRef": {"kind": "Gateway", "name": "other", "namespace": "infra"}, "conditions": [
      {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": "no"}]}]}}],
 "problems": [{"code": "reference/not-found", "severity": "error", "file": "conf/web.yaml", "line": 30, "column": 17,
   "object": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "default", "name": "web"},
   "path": "spec.rules[0].backendRefs[0].name", "message": "there is no Service default/cart",
   "suggestion": "did you mean `card`?", "also": []},
  {"code": "support/no-effect", "severity": "warning", "file": "", "line": 0, "column": 0, "object": null, "path": "",
   "message": "something has no effect", "suggestion": "", "also": []}]})";

struct Result {
  int code;
  std::string out;
  std::string err;
};

Result print(std::string_view answer, const StatusOptions& options = {}) {
  std::ostringstream out, err;
  Console console{.out = out, .err = err};
  const int code = print_status(answer, options, console);
  return {code, out.str(), err.str()};
}

TEST(PrintStatus, AllIsWell) {
  const Result result = print(kGood);
  EXPECT_EQ(result.code, kOk);
  EXPECT_EQ(result.out,
            "KIND          NAME        ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON    MESSAGE\n"
            "GatewayClass  eg          True      -             -           Accepted\n"
            "Gateway       default/eg  True      True          True        Accepted\n");
}

TEST(PrintStatus, SomethingIsNot) {
  const Result result = print(kBad);
  EXPECT_EQ(result.code, kProblems);
  EXPECT_EQ(result.out,
            "KIND       NAME         ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON            MESSAGE\n"
            "Gateway    default/eg   True      -             -           HostnameConflict  listener twin: "
            "another has it\n"
            "HTTPRoute  default/web  False     False         -           BackendNotFound   Gateway eg "
            "listener http: "
            "Service default/cart not found\n"
            "\n"
            "conf/web.yaml:30:17: error: there is no Service default/cart [reference/not-found]\n"
            "      = did you mean `card`?\n"
            "warning: something has no effect [support/no-effect]\n"
            "1 error, 1 warning\n");
}

TEST(PrintStatus, WhatFollowsFromSomethingElseIsNotTheReason) {
  const Result result = print(R"({"commit": 1, "problems": [], "objects": [
    {"kind": "Gateway", "name": "eg", "namespace": "default", "status": {"conditions": [], "listeners": [
      {"name": "http", "conditions": [
        {"type": "Programmed", "status": "False", "reason": "Invalid", "message": "The other conditions say why"},
        {"type": "Accepted", "status": "False", "reason": "PortUnavailable", "message": "another has it"}]}]}}]})");
  EXPECT_EQ(
      result.out,
      "KIND     NAME        ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON           MESSAGE\n"
      "Gateway  default/eg  False     -             False       PortUnavailable  listener http: another "
      "has it\n");
}

TEST(PrintStatus, ABackendThatIsNotAccepted) {
  const Result result = print(R"({"commit": 1, "problems": [], "objects": [
    {"kind": "Backend", "name": "me", "namespace": "default", "status": {"conditions": [
      {"type": "Invalid", "status": "False", "reason": "Accepted", "message": "no"}]}}]})");
  EXPECT_EQ(result.code, kProblems);
  EXPECT_EQ(result.out,
            "KIND     NAME        ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON   MESSAGE\n"
            "Backend  default/me  False     -             -           Invalid  no\n");
}

TEST(PrintStatus, Wide) {
  const Result result = print(kBad, {.kind = "httproutes", .output = StatusOptions::Output::kWide});
  EXPECT_EQ(result.code, kProblems);
  EXPECT_EQ(result.out,
            "KIND       NAME         PART                      ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON    "
            "             MESSAGE\n"
            "HTTPRoute  default/web  Gateway eg listener http  True      False         -           "
            "BackendNotFound        Service default/cart not found\n"
            "HTTPRoute  default/web  Gateway infra/other       False     -             -           "
            "NotAllowedByListeners  no\n"
            "\n"
            "conf/web.yaml:30:17: error: there is no Service default/cart [reference/not-found]\n"
            "      = did you mean `card`?\n"
            "1 error\n");
  EXPECT_EQ(print(kGood, {.kind = "gateway", .output = StatusOptions::Output::kWide}).out,
            "KIND     NAME        PART           ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON    MESSAGE\n"
            "Gateway  default/eg  -              True      -             True        Accepted  fine\n"
            "Gateway  default/eg  listener http  True      True          -           Accepted  ok\n");
}

TEST(PrintStatus, OneObject) {
  for (const char* kind : {"GatewayClass", "gatewayclass", "gatewayclasses"}) {
    EXPECT_EQ(print(kGood, {.kind = kind, .name = "eg"}).out,
              "KIND          NAME  ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON    MESSAGE\n"
              "GatewayClass  eg    True      -             -           Accepted\n");
  }
  // Of the others' problems nothing is said, and they do not count.
  const Result gateway = print(kBad, {.kind = "Gateway", .name = "default/eg"});
  EXPECT_EQ(gateway.code, kProblems);
  EXPECT_EQ(gateway.out.find("error"), std::string::npos);
}

TEST(PrintStatus, NotThere) {
  const auto asks = [](const std::string& kind, const std::string& name) {
    const Result result = print(kBad, {.kind = kind, .name = name});
    EXPECT_EQ(result.code, kUsage);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_EQ(asks("HTTPRoute", "default/wep"),
            "error: there is no HTTPRoute default/wep with a status\ndid you mean `default/web`?\n");
  EXPECT_EQ(asks("HTTPRuote", ""),
            "error: no object of kind HTTPRuote has a status\ndid you mean `HTTPRoute`?\n");
  EXPECT_EQ(asks("Service", ""), "error: no object of kind Service has a status\n");
}

TEST(PrintStatus, ForPrograms) {
  const auto json =
      nlohmann::json::parse(print(kBad, {.kind = "HTTPRoute", .output = StatusOptions::Output::kJson}).out);
  EXPECT_EQ(json["objects"].size(), 1u);
  EXPECT_EQ(json["problems"][0]["line"], 30);
  const Result yaml = print(kGood, {.kind = "GatewayClass", .output = StatusOptions::Output::kYaml});
  EXPECT_EQ(yaml.code, kOk);
  EXPECT_EQ(yaml.out,
            "commit: 3\n"
            "objects:\n"
            "- apiVersion: gateway.networking.k8s.io/v1\n"
            "  kind: GatewayClass\n"
            "  name: eg\n"
            "  status:\n"
            "    conditions:\n"
            "    - message: valid\n"
            "      reason: Accepted\n"
            "      status: \"True\"\n"
            "      type: Accepted\n"
            "problems: []\n");
}

TEST(PrintStatus, NothingYet) {
  const Result result = print(R"({"commit": 1, "objects": [], "problems": []})");
  EXPECT_EQ(result.code, kOk);
  EXPECT_EQ(result.out, "nothing has a status yet\n");
}

TEST(PrintStatus, OfAnotherProgram) {
  for (const char* answer : {"", "[]", "{}", "<html>"}) {
    const Result result = print(answer);
    EXPECT_EQ(result.code, kUsage);
    EXPECT_EQ(result.err, "error: the answer is not that of a sluice of this version\n");
  }
}

TEST(Status, AsksTheSocket) {
  std::string folder = "/tmp/sluice-status-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto ask = [&folder] {
    std::ostringstream out, err;
    Console console{.out = out, .err = err};
    const int code = run_command({"status", "--run-dir", folder}, console);
    return Result{code, out.str(), err.str()};
  };
  const Result none = ask();
  EXPECT_EQ(none.code, kUsage);
  EXPECT_EQ(none.err, "error: no sluice answers in " + folder +
                          "\n`sluice run` starts one, --run-dir says where it runs\n");
  {
    admin::Response answer{.body = std::string(kGood)};
    auto server = admin::start_server(
        {.socket_path = folder + "/admin.sock",
         .handlers = {{"/api/status", [&](const admin::Request&, const admin::Respond& respond) {
                         respond([&] { return answer; });
                       }}}});
    ASSERT_TRUE(server);
    EXPECT_EQ(ask().code, kOk);
    EXPECT_EQ(ask().out, print(kGood).out);
    answer = {.status = 503, .body = "sluice is busy\n"};
    EXPECT_EQ(ask().code, kUsage);
    EXPECT_EQ(ask().err, "error: sluice is busy\n");
  }
  EXPECT_EQ(ask().code, kUsage) << "the socket is gone with its server";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::cli
