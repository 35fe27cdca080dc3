// The example job (../model/model.h) as a service that Envoy asks about each request (external processing).
//
//   ext-proc-model --listen 127.0.0.1:9002 --forbid gpt-secret
//   ext-proc-model --listen unix:/run/model.sock --certificate tls.crt --key tls.key --client-ca ca.crt
//
// Envoy sends the headers of a request, and then, with `body: Buffered`, all of its body in one message; each
// waits for its answer. The server, src/extproc, has the rest: HTTP/2, TLS with certificates that may change,
// and gRPC's health service. Ends with SIGTERM or SIGINT, when the requests that are under way have been
// answered.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "extproc/server.h"
#include "model.h"

namespace {

namespace extproc = sluice::extproc;
using extproc::Part;

class ModelHandler final : public extproc::Handler {
 public:
  ModelHandler(extproc::Exchange& exchange, const model::Settings& settings)
      : exchange_(exchange), settings_(settings) {}

  void on_request(const extproc::Request& request) override {
    switch (request.part) {
      case Part::kRequestHeaders:
        if (request.end_of_stream && refused(model::refusal_of("", settings_))) return;
        // The header is ours alone to set.
        exchange_.send(extproc::Response{.part = request.part, .remove_headers = kOurs});
        return;
      case Part::kRequestBody: {
        const std::string name = model::model_of(request.body);
        if (refused(model::refusal_of(name, settings_))) return;
        const std::array headers{extproc::HeaderChange{model::kHeader, name}};
        exchange_.send(extproc::Response{.part = request.part,
                                         .set_headers = std::span(headers).first(name.empty() ? 0 : 1)});
        return;
      }
      default:  // nothing that was asked for
        exchange_.send(extproc::Response{.part = request.part});
    }
  }

 private:
  static constexpr std::array kOurs{model::kHeader};

  // True if the client has got its answer.
  bool refused(const std::optional<model::Refusal>& refusal) {
    if (!refusal) return false;
    const std::array headers{extproc::HeaderChange{"content-type", "application/json"}};
    exchange_.send(extproc::ImmediateResponse{.status = static_cast<std::uint16_t>(refusal->status),
                                              .headers = headers,
                                              .body = refusal->body,
                                              .details = "model"});
    return true;
  }

  extproc::Exchange& exchange_;
  const model::Settings& settings_;
};

class ModelService final : public extproc::Service {
 public:
  explicit ModelService(const model::Settings& settings) : settings_(settings) {}
  std::unique_ptr<extproc::Handler> start(extproc::Exchange& exchange) override {
    return std::make_unique<ModelHandler>(exchange, settings_);
  }

 private:
  const model::Settings& settings_;
};

void print(const sluice::Problem& problem) {
  fmt::print(stderr, "ext-proc-model: {}{}{}\n", problem.message, problem.suggestion.empty() ? "" : "; ",
             problem.suggestion);
}

int run(int argc, char** argv) {
  extproc::Options options;
  extproc::TlsFiles tls;
  model::Settings settings;
  CLI::App app("Names the model of each request in the header x-model, and refuses forbidden ones.");
  app.add_option("--listen", options.address, "IP:PORT, [IPv6]:PORT or unix:PATH")->required();
  std::string socket_mode;
  app.add_option("--socket-mode", socket_mode,
                 "who may connect to a Unix socket: its file's mode, octal (default: 600, this user)")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool octal = text.size() == 3 && text.find_first_not_of("01234567") == std::string::npos;
            return octal ? "" : "three octal digits, as 660";
          },
          "MODE"));
  app.add_option("--threads", options.threads, "which share the connections")->check(CLI::PositiveNumber);
  auto* certificate =
      app.add_option("--certificate", tls.certificate_chain, "PEM file: speak TLS, with this chain");
  auto* key = app.add_option("--key", tls.private_key, "PEM file: the certificate's private key");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--client-ca", tls.client_ca,
                 "PEM file: who signs the certificates of clients, which need one then")
      ->needs(certificate);
  app.add_option("--forbid", settings.forbidden,
                 "a model that is refused, with 403; may be there several times");
  app.add_flag("--require-model", settings.require_model, "refuse what names no model, with 400");
  CLI11_PARSE(app, argc, argv);
  if (!tls.certificate_chain.empty()) options.tls = tls;
  if (!socket_mode.empty())
    options.socket_mode = static_cast<std::uint32_t>(std::stoul(socket_mode, nullptr, 8));

  // Before there are threads, which inherit it: the signals wait for sigwait().
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  sluice::Problem problem;
  const std::unique_ptr<extproc::Server> server = extproc::start_server(
      options, [&settings](sluice::Loop&) { return std::make_unique<ModelService>(settings); }, print,
      &problem);
  if (server == nullptr) {
    print(problem);
    return 1;
  }
  fmt::print("listening at {}\n", server->address());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server->drain(std::chrono::seconds(10));
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
