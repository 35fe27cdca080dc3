#include "control/refusal_memory.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

using nlohmann::json;

template <typename T>
void put(RefusalMemory::Refusals<T>& refusals, const NamespacedName& name,
         std::shared_ptr<const Refusal<T>> refusal) {
  if (refusal == nullptr) {
    refusals.erase(name);
  } else {
    refusals[name] = std::move(refusal);
  }
}

template <typename T>
bool holds_version(const RefusalMemory::Refusals<T>& refusals, const NamespacedName& name,
                   const std::shared_ptr<const T>& object) {
  const auto at = refusals.find(name);
  return at != refusals.end() && object != nullptr && *at->second->refused == *object;
}

template <typename T>
json version_of(const std::shared_ptr<const T>& object) {
  return object == nullptr ? json() : json::parse(api::write_object(api::Object(object)));
}

template <typename T>
void write(const RefusalMemory::Refusals<T>& refusals, json& list) {
  for (const auto& [name, refusal] : refusals) {
    list.push_back({{"refused", version_of(refusal->refused)},
                    {"lastGood", version_of(refusal->last_good)},
                    {"message", refusal->message}});
  }
}

// The object in a document that write_object() made; null when it is of another kind, or of another version
// of us.
template <typename T>
std::shared_ptr<const T> read_version(const Tree* tree, NamespacedName* name) {
  if (tree == nullptr || !tree->is_map()) return nullptr;
  api::ReadObject read = api::read_object(*tree, api::Trust::kFromServer);
  if (!read.bound) return nullptr;
  const auto* object = std::get_if<std::shared_ptr<const T>>(&read.bound->object);
  if (object == nullptr) return nullptr;
  *name = read.key.name;
  return *object;
}

template <typename T>
void read(const Tree& entry, RefusalMemory::Refusals<T>& refusals) {
  NamespacedName name;
  const auto refused = read_version<T>(entry.find("refused"), &name);
  if (refused == nullptr) return;
  const auto last_good = read_version<T>(entry.find("lastGood"), &name);
  const Tree* message = entry.find("message");
  refusals[name] = std::make_shared<const Refusal<T>>(
      Refusal<T>{refused, last_good, message != nullptr && message->is_string() ? message->as_string() : ""});
}

}  // namespace

RefusalMemory::RefusalMemory(std::string file) : file_(std::move(file)) {
  std::ifstream in(file_);
  if (!in) return;
  std::ostringstream text;
  text << in.rdbuf();
  std::vector<Problem> problems;
  for (const Document& document : parse(text.str(), file_, &problems)) {
    if (!document.tree.is_list()) continue;
    for (const Tree& entry : document.tree.items()) {
      read(entry, routes_);
      read(entry, gateways_);
    }
  }
}

void RefusalMemory::set(const NamespacedName& route, std::shared_ptr<const Refusal<api::HTTPRoute>> refusal) {
  put(routes_, route, std::move(refusal));
}

void RefusalMemory::set(const NamespacedName& gateway, std::shared_ptr<const Refusal<api::Gateway>> refusal) {
  put(gateways_, gateway, std::move(refusal));
}

bool RefusalMemory::holds(const NamespacedName& name,
                          const std::shared_ptr<const api::HTTPRoute>& route) const {
  return holds_version(routes_, name, route);
}

bool RefusalMemory::holds(const NamespacedName& name,
                          const std::shared_ptr<const api::Gateway>& gateway) const {
  return holds_version(gateways_, name, gateway);
}

void RefusalMemory::save() const {
  json list = json::array();
  write(routes_, list);
  write(gateways_, list);
  {
    std::ofstream out(file_ + ".new", std::ios::trunc);
    out << list.dump(1) << '\n';
  }
  std::error_code error;
  std::filesystem::rename(file_ + ".new", file_, error);
  if (error) log(Level::kWarning, "cannot write refusals", {{"file", file_}, {"error", error.message()}});
}

}  // namespace sluice::control
