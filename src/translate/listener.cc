#include "translate/listener.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/closest.h"
#include "base/letter_case.h"
#include "translate/hostname.h"
#include "translate/near.h"
#include "translate/reference.h"

namespace sluice::translate {
namespace {

constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

// Whether a certificate with this name is one for hosts of the listener: RFC 9525, where `*` is one label.
// Of a listener with a wildcard it may be for some host only.
bool is_good_for(std::string_view name, std::string_view hostname) {
  const std::string certified = lower_case(name);
  if (hostname.starts_with("*.")) return covers(hostname, certified);
  if (certified == hostname) return true;
  if (!certified.starts_with("*.")) return false;
  const std::size_t dot = hostname.find('.');
  return dot != std::string_view::npos && hostname.substr(dot) == std::string_view(certified).substr(1);
}

std::string near_protocol(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Protocol& protocol : protocols()) names.push_back(protocol.name);
  const std::string_view near = closest(word, names);
  return near.empty() ? "use HTTP, HTTPS, TLS, TCP or UDP" : did_you_mean(near);
}

// Reads one listener by itself.
class ListenerReader {
 public:
  ListenerReader(const ObjectKey& owner, std::size_t index, const api::Listener& listener,
                 const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems)
      : listener_(listener), tables_(tables), reads_(reads), problems_(problems) {
    plan_.owner = owner;
    plan_.index = index;
    plan_.name = listener.name;
    plan_.protocol = listener.protocol;
    plan_.hostname = listener.hostname.value_or("");
    plan_.port = static_cast<std::uint16_t>(listener.port);
    plan_.namespaces = listener.allowed_routes.namespaces;
  }

  ListenerPlan read() {
    const Protocol* protocol = protocol_named(listener_.protocol);
    if (protocol == nullptr) {
      fail("Accepted", "UnsupportedProtocol", "value/protocol", "protocol",
           fmt::format("`{}` is no protocol of a listener", listener_.protocol),
           near_protocol(listener_.protocol));
      return std::move(plan_);
    }
    read_kinds(*protocol);
    read_namespaces();
    read_tls();
    return std::move(plan_);
  }

 private:
  void fail(std::string type, std::string reason, std::string code, const std::string& field,
            std::string message, std::string suggestion = "") {
    problems_.push_back({.code = std::move(code),
                         .severity = Severity::kError,
                         .where = {},
                         .object = plan_.owner,
                         .path = fmt::format("spec.listeners[{}].{}", plan_.index, field),
                         .message = message,
                         .suggestion = std::move(suggestion)});
    set_condition(plan_.conditions, {std::move(type), false, std::move(reason), std::move(message)});
  }

  // What passes through is TLS to the end: only its server name is known.
  bool passes_through() const {
    return listener_.protocol == "TLS" && listener_.tls && listener_.tls->mode == api::TLSMode::kPassthrough;
  }

  static std::string near_or(std::string_view kind, const std::vector<std::string_view>& kinds,
                             std::string otherwise) {
    const std::string_view near = closest(kind, kinds);
    return near.empty() ? std::move(otherwise) : did_you_mean(near);
  }

  void read_kinds(const Protocol& protocol) {
    std::vector<std::string_view> carried = protocol.route_kinds;
    if (passes_through()) carried = {"TLSRoute"};
    if (listener_.allowed_routes.kinds.empty()) {
      for (const std::string_view kind : carried) {
        plan_.supported_kinds.push_back({std::string(kGatewayGroup), std::string(kind)});
      }
      return;
    }
    for (std::size_t i = 0; i < listener_.allowed_routes.kinds.size(); ++i) {
      const api::RouteGroupKind& wanted = listener_.allowed_routes.kinds[i];
      const std::string field = fmt::format("allowedRoutes.kinds[{}]", i);
      if (wanted.group != kGatewayGroup) {
        fail("ResolvedRefs", "InvalidRouteKinds", "value/route-kind", field + ".group",
             wanted.group.empty() ? "no routes are of the core group, `\"\"`"
                                  : fmt::format("no routes of group `{}` exist", wanted.group),
             fmt::format("use {}", kGatewayGroup));
      } else if (std::ranges::find(carried, wanted.kind) == carried.end()) {
        fail("ResolvedRefs", "InvalidRouteKinds", "value/route-kind", field + ".kind",
             fmt::format("a listener of protocol {} carries no {}", listener_.protocol, wanted.kind),
             near_or(wanted.kind, carried, fmt::format("use {}", fmt::join(carried, " or "))));
      } else {
        plan_.supported_kinds.push_back(wanted);
      }
    }
  }

  void read_namespaces() {
    const auto fault = check_namespaces(listener_.allowed_routes.namespaces);
    if (!fault) return;
    const std::string field = fmt::format("allowedRoutes.namespaces.{}", fault->field);
    if (!fault->selects_nothing) {
      problems_.push_back({.code = "support/no-effect",
                           .severity = Severity::kWarning,
                           .where = {},
                           .object = plan_.owner,
                           .path = fmt::format("spec.listeners[{}].{}", plan_.index, field),
                           .message = fault->message,
                           .suggestion = fault->suggestion,
                           .also = {}});
    } else {
      fail("Programmed", "Invalid", "value/selector", field, fault->message, fault->suggestion);
    }
  }

  void read_tls() {
    if (listener_.protocol != "HTTPS" && listener_.protocol != "TLS") return;
    if (!listener_.tls) {
      fail("Programmed", "Invalid", "value/tls", "protocol",
           fmt::format("a listener of protocol {} needs `tls`", listener_.protocol),
           "add `tls.certificateRefs`");
      return;
    }
    if (passes_through()) {
      if (listener_.tls->certificate_refs.empty()) return;
      fail("Programmed", "Invalid", "value/tls", "tls.certificateRefs",
           "TLS that passes through needs no certificate here",
           "remove `certificateRefs`, or set `mode: Terminate`");
      return;
    }
    if (listener_.tls->mode != api::TLSMode::kTerminate) {
      fail("Accepted", "UnsupportedTLSMode", "value/tls", "tls.mode",
           "HTTPS ends TLS here: its mode is Terminate", "use protocol TLS to pass it through");
      return;
    }
    plan_.ends_tls = true;
    warn_of_options();
    read_certificates();
  }

  // They are each implementation's own, and sluice has none.
  void warn_of_options() {
    for (const auto& [name, value] : listener_.tls->options) {
      problems_.push_back({.code = "support/no-effect",
                           .severity = Severity::kWarning,
                           .where = {},
                           .object = plan_.owner,
                           .path = fmt::format("spec.listeners[{}].tls.options[{}]", plan_.index, name),
                           .message = fmt::format("no option `{}` is known: it has no effect", name),
                           .suggestion = "",
                           .also = {}});
    }
  }

  void read_certificates() {
    const auto& refs = listener_.tls->certificate_refs;
    if (refs.empty()) {
      fail("ResolvedRefs", "InvalidCertificateRef", "value/tls", "tls",
           "a listener that ends TLS needs a certificate", "add `certificateRefs`");
      return;
    }
    std::vector<std::string> messages;
    std::string reason = "InvalidCertificateRef";
    bool malformed_kind = false;
    const auto bad = [&](std::size_t i, std::string code, std::string message, std::string suggestion = "") {
      problems_.push_back({.code = std::move(code),
                           .severity = Severity::kError,
                           .where = {},
                           .object = plan_.owner,
                           .path = fmt::format("spec.listeners[{}].tls.certificateRefs[{}]", plan_.index, i),
                           .message = message,
                           .suggestion = std::move(suggestion)});
      messages.push_back(std::move(message));
    };
    for (std::size_t i = 0; i < refs.size(); ++i) {
      const api::SecretObjectReference& ref = refs[i];
      if (const GroupKind kind(ref.group, ref.kind); kind != api::kind_of<api::Secret>()) {
        malformed_kind = true;
        KindSlip slip = near_kind(kind, only_kind<api::Secret>(), "");
        bad(i, "reference/kind", fmt::format("a certificate is in a Secret, not in a `{}`", words_of(kind)),
            std::move(slip.suggestion));
        problems_.back().path += fmt::format(".{}", slip.field);
        continue;
      }
      const NamespacedName secret{ref.namespace_.value_or(plan_.owner.name.namespace_), ref.name};
      if (!permitted({plan_.owner.kind, plan_.owner.name.namespace_}, api::kind_of<api::Secret>(), secret,
                     tables_, reads_)) {
        reason = "RefNotPermitted";
        not_permitted_ = true;
        bad(i, "reference/not-permitted",
            fmt::format("no ReferenceGrant in namespace {} lets {}s of {} use Secret {}", secret.namespace_,
                        plan_.owner.kind.kind(), plan_.owner.name.namespace_, secret.name),
            missing_grant({plan_.owner.kind, plan_.owner.name.namespace_}, api::kind_of<api::Secret>(),
                          secret, tables_, reads_));
        continue;
      }
      const CertificateRow* certificate = reads_.get(tables_.certificates, secret);
      if (certificate == nullptr) {
        bad(i, "reference/not-found", fmt::format("there is no Secret {}", secret.to_string()),
            near_object({api::kind_of<api::Secret>(), secret}, {}, tables_, reads_));
      } else if (!certificate->error.empty()) {
        bad(i, "reference/certificate", fmt::format("Secret {} {}", secret.to_string(), certificate->error));
      } else {
        plan_.certificates.emplace_back(secret, *certificate);
      }
    }
    check_names();
    if (messages.empty()) return;
    const bool some = !plan_.certificates.empty();
    if (some) reason = "PartiallyInvalidCertificateRef";
    if (malformed_kind && !some) reason = "InvalidCertificateRef";
    set_condition(plan_.conditions,
                  {"ResolvedRefs", false, reason, fmt::format("{}", fmt::join(messages, "; "))});
    // The listener itself is fine; only what it refers to is not (GEP-3159 as Envoy Gateway reads it).
    if (!not_permitted_ || some) {
      set_condition(plan_.conditions, {"Accepted", true, "Accepted", "The listener is accepted"});
    }
    if (some) {
      set_condition(plan_.conditions, {"Programmed", true, "Programmed",
                                       "The listener is served with the certificates that are valid"});
    }
  }

  // Clients turn away from a certificate that is not for the host that they asked for.
  void check_names() {
    if (plan_.certificates.empty() || plan_.hostname.empty()) return;
    std::vector<std::string> names;
    for (const auto& [secret, certificate] : plan_.certificates) {
      for (const std::string& name : certificate.dns_names) {
        if (is_good_for(name, plan_.hostname)) return;
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
      }
    }
    const bool one = plan_.certificates.size() == 1;
    problems_.push_back(
        {.code = "value/certificate",
         .severity = Severity::kWarning,
         .where = {},
         .object = plan_.owner,
         .path = fmt::format("spec.listeners[{}].tls.certificateRefs", plan_.index),
         .message = fmt::format(
             "{} is not for `{}`: clients will refuse it",
             one ? fmt::format("the certificate of Secret {}", plan_.certificates.front().first.to_string())
                 : std::string("each of the certificates"),
             plan_.hostname),
         .suggestion = names.empty() ? "it has no DNS name among its subject alternative names"
                                     : list_names(one ? "it is for" : "they are for", names),
         .also = {}});
  }

  const api::Listener& listener_;
  const Projections& tables_;
  flow::Reads& reads_;
  std::vector<Problem>& problems_;
  ListenerPlan plan_;
  bool not_permitted_ = false;
};

}  // namespace

const std::vector<Protocol>& protocols() {
  static const auto* const all = new std::vector<Protocol>{
      {"HTTP", {"HTTPRoute", "GRPCRoute"}, "TCP"},
      {"HTTPS", {"HTTPRoute", "GRPCRoute"}, "TCP"},
      {"TLS", {"TLSRoute", "TCPRoute"}, "TCP"},
      {"TCP", {"TCPRoute"}, "TCP"},
      {"UDP", {"UDPRoute"}, "UDP"},
  };
  return *all;
}

const Protocol* protocol_named(std::string_view name) {
  const auto it = std::ranges::find(protocols(), name, &Protocol::name);
  return it == protocols().end() ? nullptr : &*it;
}

ListenerPlan read_listener(const ObjectKey& owner, std::size_t index, const api::Listener& listener,
                           const Projections& tables, flow::Reads& reads, std::vector<Problem>& problems) {
  return ListenerReader(owner, index, listener, tables, reads, problems).read();
}

}  // namespace sluice::translate
