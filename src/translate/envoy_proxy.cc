#include "translate/envoy_proxy.h"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "tree/parse.h"

namespace sluice::translate {
namespace {

using nlohmann::json;
using Pointer = std::shared_ptr<const api::EnvoyProxy>;

json document_of(const Pointer& envoy_proxy) {
  json document = json::parse(api::write_object(envoy_proxy), nullptr, /*allow_exceptions=*/false);
  return document.is_object() ? std::move(document) : json::object();
}

}  // namespace

Pointer merge_envoy_proxies(Pointer of_class, Pointer own) {
  using Type = api::EnvoyProxyMerge;
  if (of_class == nullptr || own->spec.merge_type.value_or(Type::kReplace) == Type::kReplace) return own;
  json patch = document_of(own);
  json merged = document_of(of_class);
  merged["metadata"] = patch["metadata"];
  merged["spec"].merge_patch(patch["spec"]);
  std::vector<Problem> problems;
  const std::string text = merged.dump();
  const std::vector<Document> documents = parse(text, "", &problems);
  if (documents.size() != 1) return own;  // of what cannot be written: numbers that JSON has not
  api::ReadObject read = api::read_object(documents.front().tree, api::Trust::kFromServer);
  if (!read.bound) return own;
  return std::get<Pointer>(std::move(read.bound->object));
}

}  // namespace sluice::translate
