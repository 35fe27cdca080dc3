#include "base/interned.h"

#include <mutex>
#include <unordered_set>

namespace sluice {
namespace {

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

}  // namespace

Interned::Interned() {
  static const Interned empty{std::string_view()};
  *this = empty;
}

Interned::Interned(std::string_view text) {
  static std::mutex mutex;
  static auto* const texts = new std::unordered_set<std::string, Hash, std::equal_to<>>();
  const std::lock_guard lock(mutex);
  auto it = texts->find(text);
  if (it == texts->end()) it = texts->emplace(text).first;
  text_ = &*it;
}

}  // namespace sluice
