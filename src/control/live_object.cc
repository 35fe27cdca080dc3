#include "control/live_object.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "translate/addresses.h"

namespace sluice::control {

using nlohmann::json;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word

namespace {

// Infra's, by which Envoy Gateway tells its objects apart.
constexpr const char* kOwnerLabels[] = {"gateway.envoyproxy.io/owning-gateway-namespace",
                                        "gateway.envoyproxy.io/owning-gateway-name",
                                        "gateway.envoyproxy.io/owning-gatewayclass"};

// What people may have written to the API server, of any shape: like json::value, but nothing throws.
const json& at(const json& document, const json::json_pointer& pointer) {
  static const json kNull;
  return document.contains(pointer) ? document[pointer] : kNull;
}
std::string text(const json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }
std::int64_t number(const json& value) {
  return value.is_number_integer() ? value.get<std::int64_t>() : std::int64_t{0};
}
std::vector<std::string> texts(const json& list) {
  std::vector<std::string> all;
  if (!list.is_array()) return all;
  for (const json& item : list) {
    if (std::string one = text(item); !one.empty()) all.push_back(std::move(one));
  }
  return all;
}

translate::ServiceState read_service(const json& document) {
  translate::ServiceState service{.type = text(at(document, "/spec/type"_json_pointer))};
  for (std::string& address : texts(at(document, "/spec/clusterIPs"_json_pointer))) {
    if (address != "None") service.cluster_ips.push_back(std::move(address));
  }
  service.external_ips = texts(at(document, "/spec/externalIPs"_json_pointer));
  const json& ingress = at(document, "/status/loadBalancer/ingress"_json_pointer);
  for (const json& each : ingress.is_array() ? ingress : json::array()) {
    for (const auto& pointer : {"/ip"_json_pointer, "/hostname"_json_pointer}) {
      std::string address = text(at(each, pointer));
      if (address.empty()) continue;
      service.ingress.push_back(std::move(address));
      break;
    }
  }
  for (const std::string& family : texts(at(document, "/spec/ipFamilies"_json_pointer))) {
    (family == "IPv6" ? service.ipv6 : service.ipv4) = true;
  }
  return service;
}

// What we have applied: an item of metadata.managedFields, or null.
const json& fields_of_ours(const json& document) {
  static const json kNull;
  const json& managers = at(document, "/metadata/managedFields"_json_pointer);
  if (!managers.is_array()) return kNull;
  for (const json& each : managers) {
    if (text(at(each, "/manager"_json_pointer)) == kFieldManager &&
        text(at(each, "/operation"_json_pointer)) == "Apply" &&
        text(at(each, "/subresource"_json_pointer)).empty()) {
      return at(each, "/fieldsV1"_json_pointer);
    }
  }
  return kNull;
}

// Whether the document has all of a set of fields, as managedFields have it: members ("f:name"), items by
// their keys (`k:{"name":"a"}`) or values ("v:…").
bool has_fields(const json& document, const json& fields) {
  for (const auto& [name, inner] : fields.items()) {
    if (name.starts_with("f:")) {
      const auto member = document.is_object() ? document.find(name.substr(2)) : document.end();
      if (member == document.end() || !has_fields(*member, inner)) return false;
    } else if (name.starts_with("v:")) {
      const json value = json::parse(name.substr(2), nullptr, /*allow_exceptions=*/false);
      if (!document.is_array() || std::ranges::find(document, value) == document.end()) return false;
    } else if (name.starts_with("k:")) {
      const json key = json::parse(name.substr(2), nullptr, /*allow_exceptions=*/false);
      if (!key.is_object() || !document.is_array()) return false;
      // What is absent is there by default.
      const auto item = std::ranges::find_if(document, [&](const json& each) {
        return each.is_object() && std::ranges::all_of(key.items(), [&](const auto& part) {
                 return !each.contains(part.key()) || each[part.key()] == part.value();
               });
      });
      if (item == document.end() || !has_fields(*item, inner)) return false;
    }
  }
  return true;
}

bool have_names_that_differ(const json& list) {
  std::set<std::string> names;
  return list.is_array() && std::ranges::all_of(list, [&](const json& item) {
           std::string name = item.is_object() ? text(at(item, "/name"_json_pointer)) : "";
           return !name.empty() && names.insert(std::move(name)).second;
         });
}

}  // namespace

std::string owner_of(const json& labels) {
  std::string owner;
  for (const char* const label : kOwnerLabels) {
    const auto found = labels.is_object() ? labels.find(label) : labels.end();
    if (found != labels.end()) owner += fmt::format("{}={};", label, text(*found));
  }
  return owner;
}

std::string selector_of(const json& document) {
  return at(document, "/spec/selector/matchLabels"_json_pointer).dump();
}

LiveObject read_live_object(const GroupKind& kind, const json& document) {
  LiveObject live{.uid = text(at(document, "/metadata/uid"_json_pointer)),
                  .version = text(at(document, "/metadata/resourceVersion"_json_pointer)),
                  .owner = owner_of(at(document, "/metadata/labels"_json_pointer))};
  if (kind.kind() == "Service") live.service = read_service(document);
  if (kind.kind() == "Deployment") {
    live.available = number(at(document, "/status/availableReplicas"_json_pointer));
    live.selector = selector_of(document);
    if (fields_of_ours(document).contains("/f:spec/f:replicas"_json_pointer)) {
      live.scaled_by_us = number(at(document, "/spec/replicas"_json_pointer));
    }
  }
  if (kind.kind() == "DaemonSet") {
    live.available = number(at(document, "/status/numberAvailable"_json_pointer));
    live.selector = selector_of(document);
  }
  return live;
}

json part_of(const json& live, const json& document) {
  if (document.is_object() && live.is_object()) {
    json part = json::object();
    for (const auto& [name, value] : document.items()) {
      const auto member = live.find(name);
      if (member != live.end()) part[name] = part_of(*member, value);
    }
    return part;
  }
  if (!live.is_array() || !have_names_that_differ(document)) return live;
  json part = json::array();
  for (const json& item : document) {
    const auto found = std::ranges::find_if(live, [&](const json& each) {
      return text(at(each, "/name"_json_pointer)) == item["name"].get_ref<const std::string&>();
    });
    if (found != live.end()) part.push_back(part_of(*found, item));
  }
  return part;
}

bool has_all(const json& live, const json& document) {
  const json& ours = fields_of_ours(live);
  return ours.is_object() && part_of(live, document) == document && has_fields(document, ours);
}

translate::NodeAddresses addresses_of_nodes(const std::vector<json>& nodes) {
  std::set<std::string> external;
  std::set<std::string> internal;
  for (const json& node : nodes) {
    const json& addresses = at(node, "/status/addresses"_json_pointer);
    if (!addresses.is_array()) continue;
    for (const json& each : addresses) {
      const std::string type = text(at(each, "/type"_json_pointer));
      std::string address = text(at(each, "/address"_json_pointer));
      if (!translate::is_ip_address(address)) continue;
      if (type == "ExternalIP") external.insert(std::move(address));
      if (type == "InternalIP") internal.insert(std::move(address));
    }
  }
  translate::NodeAddresses result;
  for (const std::string& address : external.empty() ? internal : external) {
    (address.find(':') == address.npos ? result.ipv4 : result.ipv6).push_back(address);
  }
  return result;
}

}  // namespace sluice::control
