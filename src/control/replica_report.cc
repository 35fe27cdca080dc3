#include "control/replica_report.h"

#include <algorithm>
#include <utility>

namespace sluice::control {

using nlohmann::json;

namespace {

constexpr char kAcknowledged[] = "acknowledged";
constexpr char kRefusals[] = "refusals";
constexpr char kResources[] = "resources";
constexpr char kUnserved[] = "unserved";

json list_of(const json& data, const char* key) {
  const auto found = data.is_object() ? data.find(key) : data.end();
  if (found == data.end() || !found->is_string()) return json::array();
  json list = json::parse(found->get<std::string>(), nullptr, false);
  return list.is_array() ? list : json::array();
}

std::string text_of(const json& entry, const char* key) {
  return entry.is_object() && entry.contains(key) && entry[key].is_string() ? entry[key].get<std::string>()
                                                                            : std::string();
}

std::string dump(const json& list) { return list.dump(-1, ' ', false, json::error_handler_t::replace); }

std::optional<xds::ResourceType> type_of(const json& entry) {
  const std::string type = text_of(entry, "type");
  for (int i = 0; i < xds::kResourceTypes; ++i) {
    const auto one = static_cast<xds::ResourceType>(i);
    if (xds::type_url(one) == type) return one;
  }
  return std::nullopt;
}

std::optional<RefusedByNode> resource_of(const json& entry) {
  RefusedByNode refused{.key = {text_of(entry, "proxy"), text_of(entry, "name")},
                        .node = text_of(entry, "node"),
                        .words = text_of(entry, "words")};
  const std::optional<xds::ResourceType> type = type_of(entry);
  if (!type || refused.key.proxy.empty() || !entry.contains("version") ||
      !entry["version"].is_number_unsigned()) {
    return std::nullopt;
  }
  refused.type = *type;
  refused.version = entry["version"].get<std::uint64_t>();
  return refused;
}

std::optional<UnservedResource> unserved_of(const json& entry) {
  const std::optional<xds::ResourceType> type = type_of(entry);
  const std::string proxy = text_of(entry, "proxy");
  if (!type || proxy.empty()) return std::nullopt;
  return UnservedResource{.type = *type,
                          .key = {proxy, text_of(entry, "name")},
                          .why = {.address = text_of(entry, "address"),
                                  .words = text_of(entry, "words"),
                                  .another = entry.contains("another") && entry["another"] == true}};
}

}  // namespace

json write_report(const ReplicaReport& report) {
  json proxies = json::array();
  for (const ir::ProxyKey& proxy : report.acknowledged) {
    if (proxies.size() < kMostProxies) proxies.push_back(proxy);
  }
  json resources = json::array();
  for (const RefusedByNode& refused : report.resources) {
    if (resources.size() == kMostResources) break;
    resources.push_back({{"type", xds::type_url(refused.type)},
                         {"proxy", refused.key.proxy},
                         {"name", refused.key.name},
                         {"node", refused.node},
                         {"version", refused.version},
                         {"words", refused.words}});
  }
  json unserved = json::array();
  for (const UnservedResource& each : report.unserved) {
    if (unserved.size() == kMostResources) break;
    unserved.push_back({{"type", xds::type_url(each.type)},
                        {"proxy", each.key.proxy},
                        {"name", each.key.name},
                        {"address", each.why.address},
                        {"words", each.why.words},
                        {"another", each.why.another}});
  }
  return {{kAcknowledged, dump(proxies)},
          {kRefusals, write_refusals(report.refusals, kLongestRefusals)},
          {kResources, dump(resources)},
          {kUnserved, dump(unserved)}};
}

ReplicaReport read_report(const json& data) {
  ReplicaReport report;
  for (const json& proxy : list_of(data, kAcknowledged)) {
    if (proxy.is_string()) report.acknowledged.insert(proxy.get<std::string>());
  }
  report.refusals = read_refusals(text_of(data, kRefusals), "a report");
  for (const json& entry : list_of(data, kResources)) {
    if (auto refused = resource_of(entry)) report.resources.push_back(*std::move(refused));
  }
  for (const json& entry : list_of(data, kUnserved)) {
    if (auto unserved = unserved_of(entry)) report.unserved.push_back(*std::move(unserved));
  }
  return report;
}

}  // namespace sluice::control
