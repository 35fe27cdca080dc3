#include "status/patch.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "api/kinds.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "status/document.h"

namespace sluice::status {
namespace {

using nlohmann::json;

// The limits of the upstream schemas. What is beyond is not told, for the server would refuse all of it.
constexpr std::size_t kMaxParents = 32;
constexpr std::size_t kMaxAncestors = 16;
constexpr std::size_t kMaxMessage = 32'768;

constexpr char kTime[] = "lastTransitionTime";

// Those that objects as a whole have from us, now or at other times. Conditions of other types are others'.
constexpr std::array<std::string_view, 6> kOurConditions{
    "Accepted", "DefaultGateway", "InsecureFrontendValidationMode", "Programmed", "ResolvedRefs", "Invalid"};

// Without what is no difference: times, and the order of lists of maps.
json plain(json value) {
  if (value.is_object()) {
    value.erase(kTime);
    for (auto& [key, member] : value.items()) member = plain(std::move(member));
  } else if (value.is_array()) {
    for (json& item : value) item = plain(std::move(item));
    std::sort(value.begin(), value.end());
  }
  return value;
}

const json* member(const json& map, std::string_view name) {
  if (!map.is_object()) return nullptr;
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &*found;
}

const json& list_in(const json& map, std::string_view name) {
  static const json kNone = json::array();
  const json* const found = member(map, name);
  return found != nullptr && found->is_array() ? *found : kNone;
}

// The item of a list of maps whose `name` has that value, or null.
const json* item_of(const json& list, std::string_view name, const std::string& value) {
  for (const json& item : list) {
    if (string_at(item, name) == value) return &item;
  }
  return nullptr;
}

std::string limited(std::string message) {
  message = as_utf8(message);
  if (message.size() <= kMaxMessage) return message;
  std::size_t size = kMaxMessage;
  while ((static_cast<unsigned char>(message[size]) & 0xC0U) == 0x80U) --size;
  message.resize(size);
  return message;
}

class Patcher {
 public:
  Patcher(GroupKind kind, const json& present, const std::string& controller_name, std::string_view now)
      : kind_(kind), present_(present), controller_name_(controller_name), now_(now) {}

  // Of an object that is ours alone.
  void own_fields(const json& wanted) {
    if (const json* const conditions = member(wanted, "conditions")) {
      json list = with_times(*conditions, list_in(present_, "conditions"));
      for (const json& other : list_in(present_, "conditions")) {
        if (std::ranges::find(kOurConditions, string_at(other, "type")) == kOurConditions.end() &&
            item_of(list, "type", string_at(other, "type")) == nullptr) {
          list.push_back(other);
        }
      }
      set("conditions", std::move(list));
    }
    if (kind_ == api::kind_of<api::Gateway>() || kind_ == api::kind_of<api::ListenerSet>()) {
      set("listeners", listeners(list_in(wanted, "listeners")));
      for (const char* const name : {"addresses", "attachedListenerSets"}) {
        const json* const value = member(wanted, name);
        set(name, value == nullptr ? json() : *value);
      }
    }
    if (kind_ == api::kind_of<api::GatewayClass>()) {
      const json* const accepted = item_of(list_in(wanted, "conditions"), "type", "Accepted");
      json features = json::array();
      if (accepted != nullptr && string_at(*accepted, "status") == "True") {
        for (const std::string_view name : supported_features()) features.push_back({{"name", name}});
      }
      set("supportedFeatures", std::move(features));
    }
  }

  void shared_list(const json& wanted, const char* field, const char* reference, std::size_t most) {
    const bool has_controllers = kind_ != api::kind_of<api::EnvoyProxy>();
    const json& ours = list_in(wanted, field);
    std::vector<const json*> left;
    for (const json& entry : ours) left.push_back(&entry);
    json list = json::array();
    const auto add = [&](json entry, const json& before) {
      entry["conditions"] = with_times(entry["conditions"], list_in(before, "conditions"));
      if (!has_controllers) entry.erase("controllerName");
      list.push_back(std::move(entry));
    };
    for (const json& entry : list_in(present_, field)) {
      if (has_controllers && string_at(entry, "controllerName") != controller_name_) {
        list.push_back(entry);
        continue;
      }
      const auto same = std::ranges::find_if(
          left, [&](const json* one) { return named(*one, reference) == named(entry, reference); });
      if (same == left.end()) continue;
      add(**same, entry);
      left.erase(same);
    }
    for (const json* entry : left) add(*entry, json());
    if (list.size() > most) list.erase(list.begin() + static_cast<std::ptrdiff_t>(most), list.end());
    if (set(field, std::move(list))) patch_.shared = true;
  }

  std::optional<Patch> take() && {
    if (patch_.status.empty()) return std::nullopt;
    return std::move(patch_);
  }

 private:
  // A reference with its defaults.
  static json named(const json& entry, const char* reference) {
    json ref = entry.value(reference, json::object());
    if (!ref.contains("group")) ref["group"] = "gateway.networking.k8s.io";
    if (!ref.contains("kind")) ref["kind"] = "Gateway";
    return ref;
  }

  json with_times(json conditions, const json& before) const {
    for (json& condition : conditions) {
      const json* const was = item_of(before, "type", string_at(condition, "type"));
      const bool same = was != nullptr && string_at(*was, "status") == string_at(condition, "status");
      const std::string time = same ? string_at(*was, kTime) : std::string();
      condition[kTime] = time.empty() ? std::string(now_) : time;
      condition["message"] = limited(string_at(condition, "message"));
    }
    return conditions;
  }

  json listeners(json list) const {
    for (json& listener : list) {
      const json* const was = item_of(list_in(present_, "listeners"), "name", string_at(listener, "name"));
      listener["conditions"] =
          with_times(listener["conditions"], was == nullptr ? json::array() : list_in(*was, "conditions"));
    }
    return list;
  }

  // True where it is a change. An empty list is nothing.
  bool set(const char* field, json value) {
    const json* const there = member(present_, field);
    const bool nothing = value.is_null() || (value.is_array() && value.empty());
    if (there == nullptr || there->is_null() || (there->is_array() && there->empty())) {
      if (nothing) return false;
    } else if (!nothing && (value == *there || plain(value) == plain(*there))) {
      return false;
    }
    patch_.status[field] = std::move(value);
    return true;
  }

  const GroupKind kind_;
  const json& present_;
  const std::string& controller_name_;
  const std::string_view now_;
  Patch patch_{.status = json::object()};
};

// Of the suite v1.6.1, but for those of service meshes.
constexpr std::array kFeatures = std::to_array<std::string_view>({
    "BackendTLSPolicy",
    "BackendTLSPolicySANValidation",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayBackendClientCertificate",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayInfrastructurePropagation",
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetry",
    "HTTPRouteRetryBackendTimeout",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
    "UDPRoute",
});

}  // namespace

std::span<const std::string_view> supported_features() { return kFeatures; }

json without_times(json status) { return plain(std::move(status)); }

std::optional<Patch> patch(const GroupKind& kind, const translate::ObjectStatus* row, const json& present,
                           const std::string& controller_name, std::string_view now) {
  Patcher patcher(kind, present, controller_name, now);
  json wanted = json::object();
  if (row != nullptr) {
    const json whole = document({kind, {}}, *row, controller_name);
    wanted = whole.at("status");
    patcher.own_fields(wanted);
  }
  patcher.shared_list(wanted, "parents", "parentRef", kMaxParents);
  patcher.shared_list(wanted, "ancestors", "ancestorRef", kMaxAncestors);
  return std::move(patcher).take();
}

}  // namespace sluice::status
