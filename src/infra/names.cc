#include "infra/names.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "wasm/digest.h"

namespace sluice::infra {
namespace {

constexpr std::size_t kMaxLabel = 63;  // bytes of a DNS label, and of a label's value

constexpr char kGatewayName[] = "gateway.networking.k8s.io/gateway-name";
constexpr char kOwningGateway[] = "gateway.envoyproxy.io/owning-gateway-name";
constexpr char kOwningNamespace[] = "gateway.envoyproxy.io/owning-gateway-namespace";
constexpr char kOwningClass[] = "gateway.envoyproxy.io/owning-gatewayclass";

// At most so many bytes of the text, and eight digits that are its own.
std::string shortened(std::string text, std::size_t most, std::string_view hashed) {
  text.resize(std::min(text.size(), most));
  while (text.ends_with('-') || text.ends_with('.')) text.pop_back();
  return fmt::format("{}-{}", text, wasm::sha256_of(hashed).substr(0, 8));
}

// Names of objects have up to 253 bytes.
std::string label_value(const std::string& name) {
  return name.size() <= kMaxLabel ? name : shortened(name, kMaxLabel - 9, name);
}

// What API servers take as the name of a Service (RFC 1035).
bool is_dns_label(std::string_view name) {
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && name.size() <= kMaxLabel && is_letter(name.front()) && name.back() != '-' &&
         std::ranges::all_of(name, [&](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

std::string service_name(const std::string& name, std::string_view key) {
  if (is_dns_label(name)) return name;
  std::string label = hashed_name(key);
  std::ranges::replace(label, '.', '-');
  return label;
}

nlohmann::json owner(const char* kind, const std::string& name, const std::string& uid) {
  nlohmann::json owners = nlohmann::json::array();
  if (uid.empty()) return owners;
  owners.push_back(
      {{"apiVersion", "gateway.networking.k8s.io/v1"}, {"kind", kind}, {"name", name}, {"uid", uid}});
  return owners;
}

}  // namespace

std::string hashed_name(std::string_view key) {
  std::string name(key);
  std::ranges::replace(name, '/', '-');
  return "envoy-" + shortened(std::move(name), 48, key);
}

std::string controller_label(std::string_view controller_name) {
  std::string value(controller_name);
  std::ranges::replace(value, '/', '_');
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  const bool is_value = value.size() <= kMaxLabel && std::ranges::all_of(value, fits) &&
                        std::isalnum(static_cast<unsigned char>(value.back())) != 0;
  if (is_value) return value;
  std::ranges::replace_if(value, std::not_fn(fits), '-');
  return shortened(std::move(value), kMaxLabel - 9, controller_name);
}

Identity identity_of(const Request& request, const Settings& settings) {
  if (request.gateways.empty()) std::abort();  // whose proxy would it be?
  const Gateway& gateway = request.gateways.front();
  const std::string& name = gateway.name.name;
  const std::string& name_space = gateway.name.namespace_;
  Identity identity;
  identity.with_gateway = settings.mode == Mode::kGatewayNamespace && !request.is_merged;
  identity.namespace_ = identity.with_gateway ? name_space : settings.controller_namespace;
  identity.name = identity.with_gateway ? name : hashed_name(request.proxy.key);
  identity.service_name = service_name(identity.name, request.proxy.key);
  identity.owners = identity.with_gateway ? owner("Gateway", name, gateway.uid)
                                          : owner("GatewayClass", request.gateway_class, request.class_uid);

  identity.selector = {{"app.kubernetes.io/name", "envoy"},
                       {"app.kubernetes.io/component", "proxy"},
                       {"app.kubernetes.io/managed-by", "envoy-gateway"}};
  if (request.is_merged) {
    identity.selector[kOwningClass] = label_value(request.gateway_class);
  } else {
    identity.selector[kOwningNamespace] = name_space;
    identity.selector[kOwningGateway] = label_value(name);
  }
  if (identity.with_gateway) identity.selector[kGatewayName] = label_value(name);
  identity.labels = identity.selector;
  identity.labels.insert(request.proxy.labels.begin(), request.proxy.labels.end());
  return identity;
}

}  // namespace sluice::infra
