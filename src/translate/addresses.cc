#include "translate/addresses.h"

#include <algorithm>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::translate {
namespace {

// All of 127.0.0.0/8 is the host's, though its interface has one address of it.
bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

bool can_bind(const std::string& address, const HostAddresses* host) {
  return host == nullptr || is_loopback(address) || address == "0.0.0.0" || address == "::" ||
         std::ranges::find(host->all, address) != host->all.end();
}

class Reader {
 public:
  Reader(const Settings& settings, const HostAddresses* host, GatewayPlan& plan)
      : settings_(settings), host_(host), plan_(plan) {}

  void read(const api::GatewayAddress& address, std::size_t index) {
    const std::string path = fmt::format("spec.addresses[{}]", index);
    if (address.type != "IPAddress" && address.type != "Hostname") {
      const std::string message = fmt::format("addresses of type `{}` are not supported", address.type);
      problem("support/address", path + ".type", message, "use `IPAddress`");
      if (plan_.accepted) set_condition(plan_.conditions, {"Accepted", false, "UnsupportedAddress", message});
      plan_.accepted = false;
    } else if (!settings_.on_host) {
      // The Service's business.
    } else if (address.type == "Hostname") {
      refuse(address.value.empty() ? "AddressNotAssigned" : "AddressNotUsable", path,
             "a Gateway on a host gets no name", "use type `IPAddress`, and give the address a name in DNS");
    } else if (address.value.empty()) {
      plan_.every_address = true;
    } else if (std::string bound = canonical_address(address.value); can_bind(bound, host_)) {
      plan_.addresses.push_back(std::move(bound));
    } else {
      refuse("AddressNotUsable", path + ".value", fmt::format("{} is no address of this host", address.value),
             fmt::format("it has {}", fmt::join(host_->all, ", ")));
    }
  }

 private:
  void problem(std::string code, std::string path, std::string message, std::string suggestion) {
    plan_.problems.push_back({.code = std::move(code),
                              .severity = Severity::kError,
                              .where = {},
                              .object = {.kind = api::kind_of<api::Gateway>(), .name = plan_.gateway},
                              .path = std::move(path),
                              .message = std::move(message),
                              .suggestion = std::move(suggestion)});
  }

  // What can be served of the rest is.
  void refuse(std::string reason, std::string path, std::string message, std::string suggestion) {
    if (find_condition(plan_.conditions, "Programmed") == nullptr) {
      plan_.conditions.push_back({"Programmed", false, std::move(reason), message});
    }
    problem("value/address", std::move(path), std::move(message), std::move(suggestion));
  }

  const Settings& settings_;
  const HostAddresses* host_;
  GatewayPlan& plan_;
};

}  // namespace

bool is_ip_address(const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

std::string canonical_address(const std::string& address) {
  unsigned char bytes[sizeof(in6_addr)];
  char text[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, address.c_str(), bytes) == 1) return inet_ntop(family, bytes, text, sizeof(text));
  }
  return address;
}

void plan_addresses(const api::Gateway& gateway, const Settings& settings, const HostAddresses* host,
                    GatewayPlan& plan) {
  // A Gateway that asks for addresses is bound to nothing else, even if none of them can be used.
  plan.every_address = !settings.on_host || std::ranges::none_of(gateway.spec.addresses, [](const auto& a) {
    return a.type == "IPAddress";
  });
  Reader reader(settings, host, plan);
  for (std::size_t i = 0; i < gateway.spec.addresses.size(); ++i) reader.read(gateway.spec.addresses[i], i);
  std::ranges::sort(plan.addresses);
  plan.addresses.erase(std::ranges::unique(plan.addresses).begin(), plan.addresses.end());
}

std::vector<std::string> addresses_of(const GatewayPlan& plan, const HostAddresses* host) {
  if (!plan.every_address) return plan.addresses;
  return host == nullptr ? std::vector<std::string>() : host->primary;
}

}  // namespace sluice::translate
