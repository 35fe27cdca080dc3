#include "xds/document.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "google/protobuf/util/json_util.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "envoy/config/route/v3/route.pb.h"

#include "base/closest.h"
#include "base/quote.h"
#include "patch/pointer.h"
#include "xds/message_json.h"
#include "xds/resource_message.h"
#include "xds/wire.h"

namespace sluice::xds {

namespace pb = google::protobuf;

using nlohmann::json;

namespace {

json document_of(const pb::Message& message) {
  const std::optional<std::string> text = message_to_json(message, FieldNames::kProto);
  if (!text) std::abort();  // everything in it came from classes
  return json::parse(*text);
}

// ---- what is wrong -------------------------------------------------------------------------------

// Messages that protobuf's mapping writes as something else than their fields.
bool is_plain(const pb::Descriptor& type) { return type.file()->package() != "google.protobuf"; }

// A field that the message has not. Of other faults protobuf's own words are good.
class FieldCheck {
 public:
  std::optional<DocumentError> check(const json& value, const pb::Descriptor& type) {
    if (!value.is_object()) return std::nullopt;
    if (type.full_name() == "google.protobuf.Any") return check_any(value);
    if (!is_plain(type)) return std::nullopt;
    for (const auto& [name, member] : value.items()) {
      if (name == "@type") continue;
      place_.push_back(name);
      const pb::FieldDescriptor* field = type.FindFieldByName(name);
      if (field == nullptr) field = type.FindFieldByCamelcaseName(name);
      if (field == nullptr) return unknown(name, type);
      if (auto error = check_field(member, *field)) return error;
      place_.pop_back();
    }
    return std::nullopt;
  }

 private:
  std::optional<DocumentError> check_any(const json& value) {
    if (value.empty()) return std::nullopt;  // of no message at all, which some fields may be
    const auto url = value.find("@type");
    if (url == value.end() || !url->is_string()) {
      return DocumentError{fmt::format("{} has no `@type`", where()), "write which message it is"};
    }
    const std::string& text = url->get_ref<const std::string&>();
    const pb::Descriptor* type =
        pb::DescriptorPool::generated_pool()->FindMessageTypeByName(text.substr(text.rfind('/') + 1));
    if (type == nullptr) {
      return DocumentError{fmt::format("{} is of the type {}, which is unknown here", where(), quote(text)),
                           {}};
    }
    return check(value, *type);
  }

  std::optional<DocumentError> check_field(const json& value, const pb::FieldDescriptor& field) {
    if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return std::nullopt;
    const bool map = field.is_map();
    const pb::FieldDescriptor* of_map = map ? field.message_type()->FindFieldByName("value") : nullptr;
    if (map && of_map->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) return std::nullopt;
    const pb::Descriptor& type = map ? *of_map->message_type() : *field.message_type();
    if (!field.is_repeated()) return check(value, type);
    if (!value.is_array() && !(map && value.is_object())) return std::nullopt;
    std::size_t index = 0;
    for (const auto& [name, member] : value.items()) {
      place_.push_back(value.is_array() ? std::to_string(index++) : name);
      if (auto error = check(member, type)) return error;
      place_.pop_back();
    }
    return std::nullopt;
  }

  DocumentError unknown(const std::string& name, const pb::Descriptor& type) const {
    std::vector<std::string_view> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    return {fmt::format("{} is no field of {}", where(), type.full_name()),
            did_you_mean(closest(name, names))};
  }

  std::string where() const { return place_.empty() ? "the resource" : quote(patch::to_string(place_)); }

  patch::Pointer place_;
};

// Protobuf says "(a.b): invalid value "x" for type TYPE_BOOL". Of a Secret the value is not for everybody.
std::string in_words(std::string_view why, ResourceType type) {
  while (why.ends_with('.')) why.remove_suffix(1);
  if (type == ResourceType::kSecret) why = why.substr(0, why.find(':'));
  return fmt::format("the result is no {}: {}", type_url(type).substr(type_url(type).rfind('.') + 1), why);
}

// ---- what it names -------------------------------------------------------------------------------

// By the names of the fields, wherever they stand.
void find_names(const json& value, bool in_weighted, std::set<std::string>& clusters,
                std::set<std::string>& route_tables) {
  if (!value.is_structured()) return;
  for (const auto& [name, member] : value.items()) {
    if (member.is_string() && value.is_object()) {
      const bool cluster = name == "cluster" || name == "cluster_name" || (in_weighted && name == "name");
      if (cluster) clusters.insert(member.get<std::string>());
      if (name == "route_config_name") route_tables.insert(member.get<std::string>());
    }
    const bool goes_on = in_weighted && (value.is_array() || name == "clusters");
    find_names(member, name == "weighted_clusters" || goes_on, clusters, route_tables);
  }
}

}  // namespace

json to_document(ResourceType type, std::string_view bytes) {
  const std::unique_ptr<pb::Message> message = new_message(type);
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) std::abort();
  return document_of(*message);
}

json to_named_document(std::string_view bytes, const NamesByDomain& names) {
  envoy::config::route::v3::RouteConfiguration table;
  if (!table.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) std::abort();
  for (auto& host : *table.mutable_virtual_hosts()) {
    const auto named = names.find(host.domains(0));
    if (named == names.end()) continue;
    host.set_name(named->second.name);
    const std::vector<std::string>& routes = named->second.routes;
    for (int i = 0; i < host.routes_size() && static_cast<std::size_t>(i) < routes.size(); ++i) {
      host.mutable_routes(i)->set_name(routes[static_cast<std::size_t>(i)]);
    }
  }
  return document_of(table);
}

std::expected<Resource, DocumentError> from_document(ResourceType type, const json& document) {
  const std::unique_ptr<pb::Message> message = new_message(type);
  if (!document.is_object()) return std::unexpected(DocumentError{"the result is no object", {}});
  if (auto error = FieldCheck().check(document, *message->GetDescriptor())) {
    return std::unexpected(*std::move(error));
  }
  const std::string text = document.dump(-1, ' ', false, json::error_handler_t::replace);
  const pb::util::Status status = pb::util::JsonStringToMessage(text, message.get());
  if (!status.ok()) {
    return std::unexpected(
        DocumentError{in_words({status.message().data(), status.message().size()}, type), {}});
  }
  Resource resource;
  resource.bytes = serialize(*message);
  const pb::FieldDescriptor* name =
      message->GetDescriptor()->FindFieldByName(type == ResourceType::kEndpoints ? "cluster_name" : "name");
  resource.name = message->GetReflection()->GetString(*message, name);
  if (type == ResourceType::kListener || type == ResourceType::kRoutes) {
    std::set<std::string> clusters;
    std::set<std::string> route_tables;
    // As protobuf spells it, for users may spell fields in two ways.
    find_names(document_of(*message), false, clusters, route_tables);
    resource.clusters.assign(clusters.begin(), clusters.end());
    resource.route_tables.assign(route_tables.begin(), route_tables.end());
  }
  return resource;
}

}  // namespace sluice::xds
