#include "translate/slice.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/gateway_api/shared.h"
#include "base/closest.h"
#include "base/quote.h"
#include "translate/backend.h"
#include "translate/near.h"

namespace sluice::translate {
namespace {

bool has_names(const api::EndpointSlice& slice) { return slice.address_type == "FQDN"; }

bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 253;  // RFC 1035, without the last dot
  return !text.empty() && text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

class SliceChecker {
 public:
  SliceChecker(const NamespacedName& name, const api::EndpointSlice& slice, const Projections& tables,
               flow::Reads& reads)
      : name_(name), slice_(slice), tables_(tables), reads_(reads) {}

  SliceProblems check() {
    check_service();
    check_addresses();
    return std::move(found_);
  }

 private:
  void add(std::string code, Severity severity, std::string path, std::string message,
           std::string suggestion) {
    found_.problems.push_back({.code = std::move(code),
                               .severity = severity,
                               .where = {},
                               .object = {api::kind_of<api::EndpointSlice>(), name_},
                               .path = std::move(path),
                               .message = std::move(message),
                               .suggestion = std::move(suggestion),
                               .also = {}});
  }
  void check_service();
  void check_ports(const ObjectKey& service, const ServiceView& view);
  void check_addresses();

  const NamespacedName& name_;
  const api::EndpointSlice& slice_;
  const Projections& tables_;
  flow::Reads& reads_;
  SliceProblems found_;
};

// One that no label gives to anybody.
std::string near_label(const api::StringMap& labels) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : labels) names.push_back(name);
  const std::string_view near = closest(kServiceNameLabel, names);
  return near.empty() ? fmt::format("add the label `{}`", kServiceNameLabel)
                      : fmt::format("write `{}` instead of `{}`", kServiceNameLabel, near);
}

void SliceChecker::check_service() {
  const auto services = services_of(slice_);
  if (services.empty()) {
    add("reference/service", Severity::kWarning, "metadata.labels",
        "the slice is for no Service: nothing is sent to its endpoints", near_label(slice_.metadata.labels));
  }
  for (const ObjectKey& service : services) {
    if (const ServiceView* view = reads_.get(tables_.services, service)) {
      check_ports(service, *view);
      continue;
    }
    const bool own = service.kind == api::kind_of<api::Service>();
    add("reference/service", Severity::kWarning,
        fmt::format("metadata.labels[{}]", own ? kServiceNameLabel : kImportNameLabel),
        fmt::format("there is no {}: nothing is sent to the endpoints of the slice", service.to_string()),
        near_object(service, {}, tables_, reads_));
  }
}

// By name, as endpoints are found: the numbers are those of the endpoints.
void SliceChecker::check_ports(const ObjectKey& service, const ServiceView& view) {
  if (slice_.ports.empty() || view.ports.empty() || !view.external_name.empty()) return;
  std::vector<std::size_t> strangers;
  for (std::size_t i = 0; i < slice_.ports.size(); ++i) {
    const api::EndpointPort& port = slice_.ports[i];
    const bool known = std::ranges::any_of(view.ports, [&port](const ServiceView::Port& its) {
      return endpoint_port(its.name, its.protocol) == endpoint_port(port.name, port.protocol);
    });
    if (!known) strangers.push_back(i);
  }
  if (strangers.empty()) return;
  std::vector<std::string> theirs;
  for (const ServiceView::Port& its : view.ports) {
    theirs.push_back(
        fmt::format("{}/{}", its.name.empty() ? "without a name" : quote(its.name), its.protocol));
  }
  const auto name_of = [this](std::size_t i) {
    const std::string& name = slice_.ports[i].name;
    return name.empty() ? "without a name" : quote(name);
  };
  const std::string suggestion = list("ports are found by name, and it has", theirs);
  if (strangers.size() == slice_.ports.size()) {
    std::vector<std::string> names;
    for (const std::size_t i : strangers) names.push_back(name_of(i));
    add("reference/service", Severity::kWarning, "ports",
        fmt::format("{} has no port {}: nothing is sent to the endpoints of the slice", service.to_string(),
                    fmt::join(names, " or ")),
        suggestion);
    return;
  }
  for (const std::size_t i : strangers) {
    add("reference/service", Severity::kWarning, fmt::format("ports[{}]", i),
        fmt::format("{} has no port {}: nothing is sent there", service.to_string(), name_of(i)), suggestion);
  }
}

void SliceChecker::check_addresses() {
  const std::string& type = slice_.address_type;
  constexpr std::string_view kTypes[] = {"IPv4", "IPv6", "FQDN"};
  const bool known = std::ranges::find(kTypes, type) != std::end(kTypes);
  const std::string_view near = known ? "" : closest(type, {std::begin(kTypes), std::end(kTypes)});
  if (!near.empty()) {
    add("value/address", Severity::kWarning, "addressType",
        fmt::format("{} is no type of addresses", quote(type)), did_you_mean(near));
  }
  const auto bad = [this](std::string path, std::string message, std::string suggestion) {
    add("value/address", Severity::kError, std::move(path), std::move(message), std::move(suggestion));
  };
  for (std::size_t i = 0; i < slice_.endpoints.size(); ++i) {
    const std::vector<std::string>& addresses = slice_.endpoints[i].addresses;
    for (std::size_t j = 0; j < addresses.size(); ++j) {
      if (is_usable(slice_, addresses[j])) continue;
      bad(fmt::format("endpoints[{}].addresses[{}]", i, j),
          fmt::format("{} is no {}: nothing is sent there", quote(addresses[j]),
                      has_names(slice_) ? "name of a host" : "IP address"),
          !has_names(slice_) && is_name(addresses[j]) &&
                  addresses[j].find_first_not_of("0123456789.") != std::string::npos
              ? "names are for slices of `addressType: FQDN`"
              : "");
    }
  }
  for (std::size_t i = 0; i < slice_.ports.size(); ++i) {
    if (slice_.ports[i].port != 0) continue;
    bad(fmt::format("ports[{}].port", i), "nothing can be sent to port 0", "");
  }
}

}  // namespace

bool is_usable(const api::EndpointSlice& slice, const std::string& address) {
  return has_names(slice) ? is_name(address) : api::is_ip_address(address);
}

bool is_usable(const api::EndpointPort& port) { return port.port && *port.port != 0; }

std::optional<SliceProblems> check_slice(const NamespacedName& name, const api::EndpointSlice& slice,
                                         const Projections& tables, flow::Reads& reads) {
  SliceProblems found = SliceChecker(name, slice, tables, reads).check();
  return found.problems.empty() ? std::nullopt : std::optional(std::move(found));
}

}  // namespace sluice::translate
