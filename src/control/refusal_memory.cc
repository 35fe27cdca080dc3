#include "control/refusal_memory.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/file.h"
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

Refusals read_refusals(std::string_view text, const std::string& file) {
  Refusals refusals;
  std::vector<Problem> problems;
  for (const Document& document : parse(text, file, &problems)) {
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
      const Tree* code = entry.find("code");
      if (code != nullptr && code->is_string()) refusal.code = code->as_string();
      refusals[refused->key] = std::make_shared<const Refusal>(std::move(refusal));
    }
  }
  return refusals;
}

std::string write_refusals(const Refusals& refusals, std::size_t longest) {
  const auto version = [](const api::Object& object) { return json::parse(api::write_object(object)); };
  const auto write = [&](bool with_last_good, std::size_t at_most) {
    json list = json::array();
    for (const auto& [key, refusal] : refusals) {
      if (!refusal->guilty) continue;
      if (list.size() == at_most) break;
      const bool last = with_last_good && refusal->last_good;
      list.push_back({{"refused", version(refusal->refused)},
                      {"lastGood", last ? version(*refusal->last_good) : json()},
                      {"message", refusal->message},
                      {"code", refusal->code}});
    }
    return list.dump(1) + "\n";
  };
  std::string text = write(true, refusals.size());
  if (text.size() > longest) text = write(false, refusals.size());
  for (std::size_t left = refusals.size(); text.size() > longest && left > 0;) text = write(false, left /= 2);
  return text;
}

RefusalMemory::RefusalMemory(std::string file)
    : file_(std::move(file)), refusals_(read_refusals(read_file(file_).value_or(""), file_)) {}

void RefusalMemory::set(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  const auto known = refusals_.find(object);
  changed_ |= (known != refusals_.end() && known->second->guilty) || (refusal != nullptr && refusal->guilty);
  if (refusal == nullptr) {
    refusals_.erase(object);
  } else {
    refusals_[object] = std::move(refusal);
  }
}

bool RefusalMemory::holds(const ObjectKey& key, const api::Object& object) const {
  const auto at = refusals_.find(key);
  return at != refusals_.end() && api::equal(at->second->refused, object);
}

void RefusalMemory::save() {
  if (!std::exchange(changed_, false)) return;
  if (const auto written = write_file(file_, write_refusals(refusals_)); !written) {
    log(Level::kWarning, "cannot write refusals", {{"file", file_}, {"error", written.error()}});
  }
}

}  // namespace sluice::control
