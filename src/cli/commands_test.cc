#include "cli/commands.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/check.h"
#include "pki/pki.h"
#include "version.h"

namespace sluice::cli {
namespace {

struct Result {
  int code;
  std::string out;
  std::string err;
};

Result run(std::vector<std::string> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  Console console{.out = out, .err = err};
  const int code = run_command(std::move(arguments), console);
  return {code, out.str(), err.str()};
}

// What `explain --batch` says of a request on a line of standard input.
std::string answer_to(const std::string& line, const std::string& file) {
  std::istringstream in(line + "\n");
  std::streambuf* const before = std::cin.rdbuf(in.rdbuf());
  const Result result = run({"explain", "--batch", "-f", file});
  std::cin.rdbuf(before);
  EXPECT_EQ(result.code, 0) << result.err;
  return result.out;
}

class Commands : public testing::Test {
 protected:
  Commands() {
    std::string name = testing::TempDir() + "sluice-cli-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
  }
  ~Commands() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  std::string folder_;
};

constexpr std::string_view kGood = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: x\n";
constexpr std::string_view kClass = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: class}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---)";
constexpr std::string_view kBad = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: {}\n";

TEST_F(Commands, ABatchSaysWhatIsWrongWithARequest) {
  const std::string file = write("a.yaml", std::string(kGood));
  EXPECT_EQ(answer_to(R"({"url": "http://a/", "method": 5})", file), "{\"error\":\"`method` is a text\"}\n");
  EXPECT_EQ(answer_to(R"({"url": "http://a/", "metod": "GET"})", file),
            "{\"error\":\"a request has no member `metod`: did you mean `method`?\"}\n");
  EXPECT_EQ(
      answer_to(R"({"url": "http://a/", "body": "x"})", file),
      "{\"error\":\"a request has no member `body`: there are `method`, `url`, `headers` and `sni`\"}\n");
  EXPECT_EQ(answer_to(R"({"method": "GET"})", file), "{\"error\":\"a request needs a `url`\"}\n");
  EXPECT_EQ(answer_to(R"({"url": "http://a/", "headers": {"a": "b"}})", file),
            "{\"error\":\"`headers` is a list of pairs of texts\"}\n");
}

TEST_F(Commands, AnEmptyServerNameIsNone) {
  const std::string file = write("a.yaml", std::string(kGood));
  const Result tls = run({"explain", "-f", file, "--sni", "", "GET", "https://a.example:8443/"});
  EXPECT_EQ(tls.out.substr(0, tls.out.find('\n')), "GET https://a.example:8443/, no SNI") << tls.err;
  const Result plain = run({"explain", "-f", file, "--sni", "a", "GET", "http://a.example:8080/"});
  EXPECT_EQ(plain.code, 2);
  EXPECT_NE(plain.err.find("--sni is for https:// and tls://"), std::string::npos) << plain.err;
}

TEST_F(Commands, Overview) {
  const Result result = run({"--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(
      result.out,
      "sluice - a Gateway API control plane for Envoy\n"
      "\n"
      "Usage: sluice COMMAND [OPTIONS]\n"
      "\n"
      "Commands:\n"
      "  run         Serve what files or a cluster say through Envoy, and follow their changes\n"
      "  check       Report what is wrong with files\n"
      "  translate   Write what Envoy would be told, and the statuses, as files\n"
      "  explain     Tell the way of a request: listener, route, filters, backends, and why not others\n"
      "  diff        Tell what a change of files does to what is served\n"
      "  status      Print the conditions of objects that a running sluice serves\n"
      "  picker      Pick the model server for each request, for an Envoy that asks (ext_proc)\n"
      "  certgen     Make the certificates by which sluice and Envoys in pods know each other\n"
      "  envoy       Beside an Envoy: drain it before its pod ends, or keep it as a service\n"
      "  schema      Print the schemas of all kinds: for API servers, editors and readers\n"
      "  version     Print the versions of sluice and of the Envoy it was made for\n"
      "\n"
      "Examples:\n"
      "  sluice check -f conf/\n"
      "  sluice run -f conf/\n"
      "\n"
      "`sluice COMMAND --help` tells more. Exit codes: 0 all is well, 1 problems were found, 2 wrong "
      "usage.\n");
  for (const char* name : {"-h", "help"}) EXPECT_EQ(run({name}).out, result.out);
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({}).err, result.out);
}

TEST_F(Commands, EveryCommandHelps) {
  for (const std::string command :
       {"run", "check", "translate", "explain", "diff", "status", "picker", "certgen", "schema", "version"}) {
    const Result result = run({command, "--help"});
    EXPECT_EQ(result.code, 0) << command;
    EXPECT_NE(result.out.find("Usage: sluice " + command), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("Examples:\n  "), std::string::npos) << result.out;
    EXPECT_EQ(run({"help", command}).out, result.out);
  }
}

TEST_F(Commands, OutputThatCannotBeWrittenIsAFailure) {
  std::ofstream full("/dev/full");
  std::ostringstream err;
  Console console{.out = full, .err = err};
  EXPECT_EQ(run_command({"schema", "crd", "httproute"}, console), 1);
  EXPECT_EQ(err.str(), "error: the output cannot be written\n");
}

TEST_F(Commands, AnEmptyPathIsNotTheCurrentFolder) {
  const Result result = run({"check", "-f", ""});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("a path must not be empty; the current folder is ."), std::string::npos)
      << result.err;
}

TEST_F(Commands, Schema) {
  const Result crd = run({"schema", "crd", "httproute"});
  EXPECT_EQ(crd.code, 0);
  EXPECT_TRUE(
      crd.out.starts_with("---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"));
  EXPECT_EQ(run({"schema", "crd", "HTTPRoute.gateway.networking.k8s.io"}).out, crd.out);
  EXPECT_NE(run({"schema", "crd"}).out.find(crd.out), std::string::npos);
  for (const char* name : {"httproutes", "HTTPRoutes", "httproutes.gateway.networking.k8s.io"}) {
    EXPECT_EQ(run({"schema", "crd", name}).out, crd.out) << name;
  }
  EXPECT_TRUE(run({"schema", "json", "gateway"}).out.starts_with("{\n  \"$schema\": "));
  EXPECT_TRUE(run({"schema", "docs", "backend"}).out.starts_with("# Backend\n"));

  EXPECT_EQ(run({"schema", "json", "--output", folder_}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/all.json"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/httproute.json"));
  EXPECT_EQ(run({"schema", "crd", "--output", folder_}).code, 0);
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/gateway.networking.k8s.io_httproutes.yaml"));

  const Result misspelt = run({"schema", "docs", "HTTPRuote"});
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_EQ(misspelt.err, "error: unknown kind `HTTPRuote`\ndid you mean `HTTPRoute`?\n");
  const Result service = run({"schema", "crd", "service"});
  EXPECT_EQ(service.code, 1);
  EXPECT_EQ(service.err, "error: the definition of Service comes with Kubernetes or its add-ons\n");
}

TEST_F(Commands, Version) {
  const std::string expected = fmt::format("sluice {} for Envoy {}\n", kSluiceVersion, kEnvoyVersion);
  EXPECT_EQ(run({"version"}).out, expected);
  EXPECT_EQ(run({"--version"}).out, expected);
}

TEST_F(Commands, CertgenMakesWhatIsMissingAndLeavesTheRest) {
  const Result first = run({"certgen", "--out", folder_});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(
      first.out,
      "made: `sluice-ca`: there is none\nmade: `sluice`: there is none\nmade: `envoy`: there is none\n");
  for (const char* const name : {"/sluice", "/envoy", "/ca"}) {
    EXPECT_TRUE(pki::read_folder(folder_ + name)) << name;
  }
  EXPECT_EQ(run({"certgen", "--out", folder_}).out, "nothing to do: all certificates last\n");
  std::filesystem::remove_all(folder_ + "/envoy");
  EXPECT_EQ(run({"certgen", "--out", folder_}).out, "made: `envoy`: there is none\n");
}

TEST_F(Commands, CertgenNamesAFolderThatCannotBeMade) {
  std::ofstream(folder_ + "/file") << "";
  const Result result = run({"certgen", "--out", folder_ + "/file/x"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("/file/x/ca/tls.crt"), std::string::npos) << result.err;
}

TEST_F(Commands, ServingOverTlsNeedsACertificate) {
  const Result result = run({"run", "-f", folder_, "--xds", "127.0.0.1:0"});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("--xds-certificates names the folder"), std::string::npos) << result.err;
}

TEST_F(Commands, WrongUsage) {
  struct Case {
    std::vector<std::string> arguments;
    std::string err;
  };
  const std::vector<Case> cases = {
      {{"chekc"}, "error: unknown command `chekc`\ndid you mean `check`?\n"},
      {{"frobnicate"}, "error: unknown command `frobnicate`\n`sluice --help` lists the commands\n"},
      {{"check"}, "error: --file is required\n`sluice check --help` lists the options\n"},
      {{"check", "-f", "x", "--output", "xml"},
       "error: --output: `xml` is none of text, json\n`sluice check --help` lists the options\n"},
      {{"run", "-f", "x", "--log-level", "warn"},
       "error: --log-level: `warn` is none of debug, info, warning, error\n`sluice run --help` lists the "
       "options\n"},
      {{"run"},
       "error: there is nothing to serve: -f names files, --kubernetes takes the objects of a cluster\n"},
      {{"run", "-f", "x", "--kubernetes"},
       "error: --file excludes --kubernetes\n`sluice run --help` lists the options\n"},
      {{"run", "-f", "x", "--context", "c"},
       "error: --context requires --kubernetes\n`sluice run --help` lists the options\n"},
      {{"check", "-f", "x", "--colour"},
       "error: there is no option `--colour`\n`sluice check --help` lists the options\n"},
      {{"check", "--flie", "x"},
       "error: there is no option `--flie`; did you mean `--file`?\n`sluice check --help` lists the "
       "options\n"},
      {{"check", "--flie=x"},
       "error: there is no option `--flie`; did you mean `--file`?\n`sluice check --help` lists the "
       "options\n"},
      {{"envoy"},
       "error: say which: shutdown-manager, shutdown, keep\n`sluice envoy --help` lists the options\n"},
      {{"envoy", "shut-down"},
       "error: `shut-down` is none of shutdown-manager, shutdown, keep; did you mean `shutdown`?\n"
       "`sluice envoy --help` lists the options\n"},
      {{"envoy", "shutdown", "--drain-timout=60s"},
       "error: there is no option `--drain-timout`; did you mean `--drain-timeout`?\n"
       "`sluice envoy --help` lists the options\n"},
      {{"envoy", "shutdown", "--drain-timeout=60"},
       "error: --drain-timeout: `60` is no duration, as 60s, 500ms or 1m30s\n"
       "`sluice envoy --help` lists the options\n"},
      {{"check", "a.yaml"},
       "error: `a.yaml` is not expected here; files are named by `-f a.yaml`\n`sluice check --help` lists "
       "the "
       "options\n"},
  };
  for (const Case& c : cases) {
    const Result result = run(c.arguments);
    EXPECT_EQ(result.code, 2) << c.err;
    EXPECT_EQ(result.err, c.err);
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(Commands, RunSaysWhereAConfigurationIsWrong) {
  const std::string file = write("c.yaml",
                                 "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyGateway\n"
                                 "provider: {type: Nomad}\n");
  const Result result = run({"run", "-f", "x", "--config", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("c.yaml:3:18: error:"), std::string::npos) << result.err;
}

TEST_F(Commands, RunSaysThatThereIsNoKubeconfig) {
  const Result result = run({"run", "--kubernetes", "--kubeconfig", folder_ + "/none"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.err.find("[value/kubeconfig]"), std::string::npos) << result.err;
}

TEST_F(Commands, CheckOfGoodFiles) {
  const Result result = run({"check", "-f", write("a.yaml", std::string(kGood))});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "no problems in 1 object\n");
  EXPECT_EQ(run({"check", "-o", "json", "-f", folder_}).out, "[]\n");
}

TEST_F(Commands, CheckOfBadFiles) {
  const std::string a = write("a.yaml", std::string(kBad));
  const std::string b = write("b.yaml", "kind: ConfigMap\na: 1\na: 2\n");
  const Result result = run({"check", "-f", a, b, "-f", folder_ + "/c.yaml"});
  EXPECT_EQ(result.code, 1);
  // The words are those of others.
  EXPECT_TRUE(result.out.starts_with(a + ":6:8: error: ")) << result.out;
  EXPECT_NE(result.out.find(" [schema/wrong-type]\n    6 |   key: {}\n      |        ^\n"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find(" [syntax/duplicate-key]\n    3 | a: 2\n      | ^\n"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("/c.yaml: error: no such file or folder [syntax/no-such-file]\n"),
            std::string::npos)
      << result.out;
  EXPECT_TRUE(result.out.ends_with("\n3 errors in 1 object, 1 of which is not used\n")) << result.out;
}

TEST_F(Commands, CheckAsksTranslation) {
  const std::string file = write("a.yaml", std::string(kGood));
  std::ostringstream out;
  Console console{.out = out};
  const Translate translate = [](const source::Batch& batch) {
    EXPECT_EQ(batch.upserted.size(), 1U);
    const Problem problem{.code = "value/odd",
                          .severity = Severity::kWarning,
                          .object = batch.upserted[0].key,
                          .path = "data.key",
                          .message = "odd"};
    return std::vector<Problem>{problem, problem};  // each is told once
  };
  EXPECT_EQ(check({.paths = {file}}, translate, console), 0);
  EXPECT_EQ(out.str(), file +
                           ":6:8: warning: odd [value/odd]\n"
                           "    6 |   key: x\n"
                           "      |        ^\n"
                           "1 warning in 1 object\n");
}

TEST_F(Commands, CheckIsOfThisHost) {
  const std::string file = write("a.yaml", std::string(kClass) + R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: class
  addresses: [{value: 198.51.100.77}]
  listeners: [{name: http, port: 80, protocol: HTTP}]
)");
  const Result here = run({"check", "-f", file});
  EXPECT_EQ(here.code, 1);
  EXPECT_NE(here.out.find("198.51.100.77 is no address of this host [value/address]"), std::string::npos)
      << here.out;
  const Result anywhere = run({"check", "--any-host", "-f", file});
  EXPECT_EQ(anywhere.code, 0);
  EXPECT_EQ(anywhere.out, "no problems in 2 objects\n");
  EXPECT_EQ(run({"translate", "-f", file}).code, 0);
}

const std::string kServed = std::string(kClass) + R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: class
  listeners: [{name: http, port: 8080, protocol: HTTP}]
)";

TEST_F(Commands, ExplainFindsTheMethodBehindThePaths) {
  const std::string file = write("a.yaml", kServed);
  const std::string url = "http://a.example:8080/";
  const auto first_line = [](const Result& result) { return result.out.substr(0, result.out.find('\n')); };
  EXPECT_EQ(first_line(run({"explain", "-f", file, url})), "GET " + url);
  EXPECT_EQ(first_line(run({"explain", "-f", file, "POST", url})), "POST " + url);
  EXPECT_EQ(first_line(run({"explain", "-f", file, "FOO", url})), "FOO " + url);
  EXPECT_EQ(first_line(run({"explain", "-f", file, file, url})), "GET " + url) << "a path";
  EXPECT_EQ(first_line(run({"explain", "-f", file, folder_ + "/*.yaml", url})), "GET " + url) << "a pattern";
  for (const std::string word : {"get", "Foo", "A1", "none.yaml"}) {
    const Result result = run({"explain", "-f", file, word, url});
    EXPECT_EQ(result.code, 2) << word;
    EXPECT_EQ(result.err,
              "error: `" + word + "` is neither a path that exists nor a method, which are in capitals\n");
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(Commands, ExplainRepeatsNoPassword) {
  const std::string file = write("a.yaml", kServed);
  for (const std::string url : {"http://user:secret@a.example/", "user:secret@a.example",
                                "http://user:sec/secret@a/", "http://user:sec:secret/@a/"}) {
    const Result result = run({"explain", "-f", file, "GET", url});
    EXPECT_EQ(result.code, 2) << url;
    EXPECT_EQ(result.err.find("sec"), std::string::npos) << result.err;
  }
}

TEST_F(Commands, ExplainNamesTheEndOfEveryShare) {
  const std::string file = write("a.yaml", kServed + R"(
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: one}
spec: {endpoints: [{ip: {address: 10.0.0.1, port: 3000}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shares}
spec:
  parentRefs: [{name: web}]
  rules:
    - backendRefs:
        - {group: gateway.envoyproxy.io, kind: Backend, name: one}
        - group: gateway.envoyproxy.io
          kind: Backend
          name: one
          filters: [{type: RequestRedirect, requestRedirect: {hostname: b.example, statusCode: 308}}]
        - {group: gateway.envoyproxy.io, kind: Backend, name: none}
)");
  const Result text = run({"explain", "-f", file, "http://a.example:8080/x"});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find(
                "\ngoes to Backend default/one, or is redirected with 308 to http://b.example:8080/x, or is "
                "answered with 500\n"),
            std::string::npos)
      << text.out;
  const Result json = run({"explain", "--output", "json", "-f", file, "http://a.example:8080/x"});
  EXPECT_NE(json.out.find("\"status\": 308,\n        \"location\": \"http://b.example:8080/x\""),
            std::string::npos)
      << json.out;
}

TEST_F(Commands, ExplainIsNotContentWithARuleWithoutABackend) {
  const std::string file = write("a.yaml", kServed + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: nothing}
spec:
  parentRefs: [{name: web}]
  rules: [{}]
)");
  const Result result = run({"explain", "-f", file, "http://a.example:8080/x"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.out.find("\nis answered with 500: the rule has no backend that requests could go to\n"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("warning: the rule has no backend: every request that it takes is answered with "
                            "500 (" +
                            file),
            std::string::npos)
      << result.out;
}

TEST_F(Commands, ExplainIsContentWithAnAnswerThatAFilterGives) {
  const std::string file = write("a.yaml", kServed + R"(
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: broken}
spec: {directResponse: {statusCode: 500}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: broken}
spec:
  parentRefs: [{name: web}]
  rules:
  - filters:
    - {type: ExtensionRef, extensionRef: {group: gateway.envoyproxy.io, kind: HTTPRouteFilter, name: broken}}
)");
  const Result result = run({"explain", "-f", file, "http://a.example:8080/x"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("\nis answered with 500: the rule answers so\n"), std::string::npos)
      << result.out;
}

TEST_F(Commands, ExplainIsContentWithARuleThatAnExtensionAnswers) {
  const std::string file = write("a.yaml", kServed + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: answered}
spec:
  parentRefs: [{name: web}]
  rules: [{}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: answers}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: answered}]
  lua:
  - {type: Inline, inline: "function envoy_on_request(handle) handle:respond({[':status'] = '204'}) end"}
)");
  const Result result = run({"explain", "-f", file, "http://a.example:8080/x"});
  EXPECT_EQ(result.code, 0) << result.out;
  EXPECT_NE(result.out.find("\nis answered with 500: the rule answers so where no extension does\n"),
            std::string::npos)
      << result.out;
}

TEST_F(Commands, CheckSaysThatWhatIsReferredToHasAMistakeItself) {
  const std::string file = write("a.yaml", kServed + R"(
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: bad}
spec: {endpoints: [{}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: web}]
  rules: [{backendRefs: [{group: gateway.envoyproxy.io, kind: Backend, name: bad}]}]
)");
  const Result result = run({"check", "-f", file});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.out.find("error: there is no Backend default/bad [reference/not-found]\n"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("      = it is in the files, and a mistake of its own keeps it out\n"),
            std::string::npos)
      << result.out;
}

TEST_F(Commands, Translate) {
  const std::string file = write("a.yaml", std::string(kGood));
  std::filesystem::create_directories(folder_ + "/out/xds");
  write("out/xds/mine.json", "{}");
  const Result result = run({"translate", "-f", file, "--output", folder_ + "/out"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/out/status.yaml"));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/out/xds/mine.json"));  // not ours to remove
  EXPECT_TRUE(run({"translate", "-f", file}).out.starts_with("---\n"));
  const Result missing = run({"translate", "-f", file, "--options", folder_ + "/none"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err, folder_ + "/none: error: the file cannot be read [syntax/options]\n");
}

TEST_F(Commands, MistakesInOptions) {
  const std::string file = write("a.yaml", std::string(kGood));
  const std::string options = write("options.yaml", "# mine\nmergeGateway: true\nbackendEnabled: 1\n");
  for (const std::string command : {"run", "check", "translate", "explain", "diff"}) {
    std::vector<std::string> words{command, "-f", file, "--options", options};
    if (command == "diff") words.insert(words.end(), {"-f", file});
    if (command == "explain") words.push_back("http://a.example/");
    const Result result = run(words);
    EXPECT_EQ(result.code, command == "diff" ? 2 : 1) << command;
    EXPECT_EQ(result.out, "") << command;
    EXPECT_EQ(result.err,
              options +
                  ":2:1: error: unknown field `mergeGateway` [schema/unknown-field]\n"
                  "    2 | mergeGateway: true\n"
                  "      | ^\n"
                  "      = did you mean `mergeGateways`?\n" +
                  options +
                  ":3:17: error: expected true or false, found the number `1` [schema/wrong-type]\n"
                  "    3 | backendEnabled: 1\n"
                  "      |                 ^\n")
        << command;
  }
}

}  // namespace
}  // namespace sluice::cli
