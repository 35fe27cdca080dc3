#include "translate/client_validation.h"

#include <algorithm>
#include <expected>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "translate/ca_bundle.h"
#include "translate/near.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

struct Failure {
  std::string_view reason;  // of a listener's condition ResolvedRefs
  std::string code;
  std::string field;
  std::string message;
  std::string suggestion;
};

class ChecksReader {
 public:
  ChecksReader(const NamespacedName& gateway, const Inputs& inputs, const Projections& tables,
               flow::Reads& reads, std::vector<Problem>& problems)
      : gateway_{.kind = api::kind_of<api::Gateway>(), .name = gateway},
        inputs_(inputs),
        tables_(tables),
        reads_(reads),
        problems_(problems) {}

  std::optional<ClientCheck> read(const api::FrontendTLSConfig& config, const std::string& path,
                                  const std::string& name) {
    if (!config.validation) return std::nullopt;
    ClientCheck check;
    check.secret = fmt::format("clients/{}/{}", gateway_.name.to_string(), name);
    check.insecure_fallback = config.validation->mode == api::FrontendValidationMode::kAllowInsecureFallback;
    const auto& refs = config.validation->ca_certificate_refs;
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const std::expected<std::string, Failure> pem = read(refs[i]);
      if (pem) {
        check.ca_pem += *pem;
        if (!check.ca_pem.ends_with('\n')) check.ca_pem += '\n';
        continue;
      }
      const Failure& failure = pem.error();
      problems_.push_back(
          {.code = failure.code,
           .severity = Severity::kError,
           .where = {},
           .object = gateway_,
           .path = fmt::format("{}.validation.caCertificateRefs[{}].{}", path, i, failure.field),
           .message = failure.message,
           .suggestion = failure.suggestion});
      if (check.reason.empty()) {
        check.reason = failure.reason;
        check.message = failure.message;
      }
    }
    return check;
  }

 private:
  std::expected<std::string, Failure> read(const api::ObjectReference& ref) {
    ObjectKey target{.kind = GroupKind(ref.group, ref.kind),
                     .name = {ref.namespace_.value_or(gateway_.name.namespace_), ref.name}};
    const bool is_bundle = target.kind == api::kind_of<api::ClusterTrustBundle>();
    if (is_bundle) target.name.namespace_ = {};
    if (!is_bundle && target.kind != api::kind_of<api::ConfigMap>() &&
        target.kind != api::kind_of<api::Secret>()) {
      KindSlip slip =
          near_kind(target.kind, authority_kinds(), "use a ConfigMap, a Secret or a ClusterTrustBundle");
      return std::unexpected(
          Failure{.reason = "InvalidCACertificateKind",
                  .code = "reference/kind",
                  .field = slip.field,
                  .message = fmt::format("CA certificates are in no `{}`", words_of(target.kind)),
                  .suggestion = std::move(slip.suggestion)});
    }
    if (!is_bundle &&
        !permitted({gateway_.kind, gateway_.name.namespace_}, target.kind, target.name, tables_, reads_)) {
      return std::unexpected(
          Failure{.reason = "RefNotPermitted",
                  .code = "reference/not-permitted",
                  .field = "namespace",
                  .message = fmt::format("no ReferenceGrant in namespace {} lets Gateways of {} use {} {}",
                                         target.name.namespace_, gateway_.name.namespace_, target.kind.kind(),
                                         target.name.name),
                  .suggestion = missing_grant({gateway_.kind, gateway_.name.namespace_}, target.kind,
                                              target.name, tables_, reads_)});
    }
    auto pem = read_ca(target, inputs_, tables_, reads_);
    if (pem) return *std::move(pem);
    return std::unexpected(Failure{.reason = "InvalidCACertificateRef",
                                   .code = pem.error().code,
                                   .field = "name",
                                   .message = pem.error().message,
                                   .suggestion = pem.error().suggestion});
  }

  const ObjectKey gateway_;
  const Inputs& inputs_;
  const Projections& tables_;
  flow::Reads& reads_;
  std::vector<Problem>& problems_;
};

// A port of which no listener ends TLS, so that nobody is asked for a certificate there. ListenerSets, which
// are not known here, may bring one.
void warn_of_ports_without_listeners(const api::Gateway& gateway, GatewayPlan& plan) {
  const auto& allowed = gateway.spec.allowed_listeners;
  if (allowed && allowed->namespaces.from != api::FromNamespaces::kNone) return;
  std::vector<std::string> ports;
  const auto ends_tls = [](const api::Listener& listener) { return listener.protocol == "HTTPS"; };
  for (const api::Listener& listener : gateway.spec.listeners) {
    const std::string port = fmt::to_string(listener.port);
    if (ends_tls(listener) && std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
  }
  const auto& per_port = gateway.spec.tls->frontend->per_port;
  for (std::size_t i = 0; i < per_port.size(); ++i) {
    const std::string port = fmt::to_string(per_port[i].port);
    if (!per_port[i].tls.validation || std::ranges::find(ports, port) != ports.end()) continue;
    plan.problems.push_back(
        {.code = "reference/listener",
         .severity = Severity::kWarning,
         .where = {},
         .object = {.kind = api::kind_of<api::Gateway>(), .name = plan.gateway},
         .path = fmt::format("spec.tls.frontend.perPort[{}].port", i),
         .message = fmt::format(
             "no listener of protocol HTTPS is at port {}: nobody is asked for a certificate", port),
         .suggestion = list("those of HTTPS are at", ports),
         .also = {}});
  }
}

}  // namespace

void plan_client_checks(const api::Gateway& gateway, const Inputs& inputs, const Projections& tables,
                        flow::Reads& reads, GatewayPlan& plan) {
  if (!gateway.spec.tls || !gateway.spec.tls->frontend) return;
  const api::GatewayFrontendTLS& frontend = *gateway.spec.tls->frontend;
  ChecksReader reader(plan.gateway, inputs, tables, reads, plan.problems);
  ClientChecks& checks = plan.client_checks;
  checks.by_default = reader.read(frontend.default_, "spec.tls.frontend.default", "default");
  for (std::size_t i = 0; i < frontend.per_port.size(); ++i) {
    const api::FrontendTLSPort& port = frontend.per_port[i];
    checks.by_port[static_cast<std::uint16_t>(port.port)] =
        reader.read(port.tls, fmt::format("spec.tls.frontend.perPort[{}].tls", i), fmt::to_string(port.port));
  }

  warn_of_ports_without_listeners(gateway, plan);

  bool insecure = false;
  std::string wrong;
  const auto look_at = [&](const std::optional<ClientCheck>& check) {
    if (!check) return;
    insecure = insecure || check->insecure_fallback;
    if (wrong.empty()) wrong = check->message;
  };
  look_at(checks.by_default);
  for (const auto& [port, check] : checks.by_port) look_at(check);
  if (insecure) {
    set_condition(plan.conditions, {"InsecureFrontendValidationMode", true, "ConfigurationChanged",
                                    "Clients are let in whatever their certificate: AllowInsecureFallback"});
  }
  const Condition* other = find_condition(plan.conditions, "ResolvedRefs");
  if (!wrong.empty()) {
    if (other == nullptr || other->status) {
      set_condition(plan.conditions, {"ResolvedRefs", false, "InvalidParameters", std::move(wrong)});
    }
  } else if (other == nullptr) {
    set_condition(plan.conditions,
                  {"ResolvedRefs", true, "ResolvedRefs", "All references of `spec.tls` lead somewhere"});
  }
}

void take_client_check(const ClientChecks& checks, ListenerPlan& listener) {
  if (listener.protocol != "HTTPS") return;
  const auto own = checks.by_port.find(listener.port);
  listener.client_check = own != checks.by_port.end() ? own->second : checks.by_default;
  if (!listener.client_check || listener.client_check->reason.empty()) return;
  const ClientCheck& check = *listener.client_check;
  const bool served = listener.conditions.empty();
  set_condition(listener.conditions, {"ResolvedRefs", false, check.reason, check.message});
  if (check.ca_pem.empty()) {
    set_condition(listener.conditions, {"Programmed", false, check.reason, check.message});
    set_condition(listener.conditions, {"Accepted", false, "NoValidCACertificate", check.message});
  } else if (served) {
    // The authorities that are good are enough to tell who may come in.
    set_condition(listener.conditions, {"Accepted", true, "Accepted", "The listener is accepted"});
    set_condition(listener.conditions, {"Programmed", true, "Programmed",
                                        "The listener is served with the authorities that are valid"});
  }
}

}  // namespace sluice::translate
