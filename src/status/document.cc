#include "status/document.h"

#include <nlohmann/json.hpp>

#include "api/kinds.h"
#include "translate/addresses.h"
#include "tree/write.h"

namespace sluice::status {
namespace {

using nlohmann::json;

json conditions_of(const translate::Conditions& conditions, std::int64_t generation) {
  json list = json::array();
  for (const translate::Condition& c : conditions) {
    json condition{{"type", c.type},
                   {"status", c.status ? "True" : "False"},
                   {"reason", c.reason},
                   {"message", c.message}};
    if (generation > 0) condition["observedGeneration"] = generation;
    list.push_back(std::move(condition));
  }
  return list;
}

nlohmann::ordered_json place(const Where& where, const ObjectKey& object, const std::string& path) {
  nlohmann::ordered_json named;
  if (object != ObjectKey()) {
    named = {{"group", object.kind.group()},
             {"kind", object.kind.kind()},
             {"namespace", object.name.namespace_},
             {"name", object.name.name}};
  }
  return {{"file", where.file},
          {"line", where.line},
          {"column", where.column},
          {"object", std::move(named)},
          {"path", path}};
}

json reference(const api::ParentReference& ref) {
  json out{{"group", ref.group}, {"kind", ref.kind}, {"name", ref.name}};
  if (ref.namespace_) out["namespace"] = *ref.namespace_;
  if (ref.section_name) out["sectionName"] = *ref.section_name;
  if (ref.port) out["port"] = *ref.port;
  return out;
}

std::string scalar(const json& value) {
  if (value.is_string() && is_plain_in_yaml(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  // A JSON scalar is a YAML scalar. What an Envoy said need not be UTF-8.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

void write(const json& value, std::size_t indent, bool in_list, std::string& out) {
  const std::string margin(indent, ' ');
  bool first = in_list;  // "- " has been written: the first line needs no margin
  const auto start = [&] {
    if (!first) out += margin;
    first = false;
  };
  if (value.is_object() && !value.empty()) {
    for (const auto& [key, member] : value.items()) {
      start();
      out += key + ":";
      if (member.is_structured() && !member.empty()) {
        out += '\n';
        write(member, member.is_array() ? indent : indent + 2, false, out);
      } else {
        out += " " + scalar(member) + "\n";
      }
    }
  } else if (value.is_array() && !value.empty()) {
    for (const json& item : value) {
      start();
      out += "- ";
      write(item, indent + 2, true, out);
    }
  } else {
    start();
    out += scalar(value) + "\n";
  }
}

}  // namespace

json document(const ObjectKey& object, const translate::ObjectStatus& status,
              const std::string& controller_name) {
  json out{{"apiVersion", api::api_version_of(object.kind)},
           {"kind", object.kind.kind()},
           {"name", object.name.name}};
  if (!object.name.namespace_.empty()) out["namespace"] = object.name.namespace_;
  json& fields = out["status"] = json::object();
  if (!status.conditions.empty()) fields["conditions"] = conditions_of(status.conditions, status.generation);
  for (const std::string& address : status.addresses) {
    fields["addresses"].push_back(
        {{"type", translate::is_ip_address(address) ? "IPAddress" : "Hostname"}, {"value", address}});
  }
  if (status.attached_listener_sets > 0) fields["attachedListenerSets"] = status.attached_listener_sets;
  for (const translate::ListenerStatus& listener : status.listeners) {
    json kinds = json::array();
    for (const api::RouteGroupKind& kind : listener.supported_kinds) {
      kinds.push_back({{"group", kind.group}, {"kind", kind.kind}});
    }
    json row{{"name", listener.name},
             {"attachedRoutes", listener.attached_routes},
             {"conditions", conditions_of(listener.conditions, status.generation)}};
    // A Gateway's has them even if there are none.
    if (!kinds.empty() || object.kind == api::kind_of<api::Gateway>()) {
      row["supportedKinds"] = std::move(kinds);
    }
    fields["listeners"].push_back(std::move(row));
  }
  for (const auto& [ref, conditions] : status.parents) {
    fields["parents"].push_back({{"parentRef", reference(ref)},
                                 {"controllerName", controller_name},
                                 {"conditions", conditions_of(conditions, status.generation)}});
  }
  // The status of a policy that nobody met has the field all the same, as Envoy Gateway writes it.
  if (status.is_policy) fields["ancestors"] = nullptr;
  for (const auto& [ref, conditions] : status.ancestors) {
    fields["ancestors"].push_back({{"ancestorRef", reference(ref)},
                                   {"controllerName", controller_name},
                                   {"conditions", conditions_of(conditions, status.generation)}});
  }
  return out;
}

nlohmann::ordered_json problem(const Problem& problem) {
  nlohmann::ordered_json also = nlohmann::ordered_json::array();
  for (const Related& related : problem.also) {
    also.push_back(place(related.where, related.object, related.path));
    also.back()["message"] = related.message;
  }
  nlohmann::ordered_json out{{"code", problem.code},
                             {"severity", problem.severity == Severity::kError ? "error" : "warning"}};
  out.update(place(problem.where, problem.object, problem.path));
  out["message"] = problem.message;
  out["suggestion"] = problem.suggestion;
  out["also"] = std::move(also);
  return out;
}

std::string to_yaml(const json& value) {
  std::string out;
  write(value, 0, false, out);
  return out;
}

}  // namespace sluice::status
