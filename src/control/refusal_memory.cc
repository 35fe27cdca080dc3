#include "control/refusal_memory.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "tree/parse.h"

namespace sluice::control {
namespace {

using nlohmann::json;

// An object in a document that write_object() made; nothing when another version of us made it.
std::optional<api::BoundObject> read_version(const Tree* tree) {
  if (tree == nullptr || !tree->is_map()) return std::nullopt;
  return api::read_object(*tree, api::Trust::kFromServer).bound;
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
      std::optional<api::BoundObject> refused = read_version(entry.find("refused"));
      if (!refused) continue;
      Refusal refusal{.refused = std::move(refused->object), .last_good = std::nullopt, .message = ""};
      if (auto last = read_version(entry.find("lastGood")); last && last->key == refused->key) {
        refusal.last_good = std::move(last->object);
      }
      const Tree* message = entry.find("message");
      if (message != nullptr && message->is_string()) refusal.message = message->as_string();
      refusals_[refused->key] = std::make_shared<const Refusal>(std::move(refusal));
    }
  }
}

void RefusalMemory::set(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  if (refusal == nullptr) {
    changed_ |= refusals_.erase(object) > 0;
  } else {
    refusals_[object] = std::move(refusal);
    changed_ = true;
  }
}

bool RefusalMemory::holds(const ObjectKey& key, const api::Object& object) const {
  const auto at = refusals_.find(key);
  return at != refusals_.end() && api::equal(at->second->refused, object);
}

void RefusalMemory::save() {
  if (!std::exchange(changed_, false)) return;
  json list = json::array();
  const auto version = [](const api::Object& object) { return json::parse(api::write_object(object)); };
  for (const auto& [key, refusal] : refusals_) {
    list.push_back({{"refused", version(refusal->refused)},
                    {"lastGood", refusal->last_good ? version(*refusal->last_good) : json()},
                    {"message", refusal->message}});
  }
  {
    std::ofstream out(file_ + ".new", std::ios::trunc);
    out << list.dump(1) << '\n';
  }
  std::error_code error;
  std::filesystem::rename(file_ + ".new", file_, error);
  if (error) log(Level::kWarning, "cannot write refusals", {{"file", file_}, {"error", error.message()}});
}

}  // namespace sluice::control
