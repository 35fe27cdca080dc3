#include "base/object_key.h"

#include <mutex>
#include <set>
#include <tuple>

namespace sluice {

struct GroupKind::Entry {
  std::string group;
  std::string kind;
};

namespace {

struct EntryLess {
  using is_transparent = void;
  using View = std::pair<std::string_view, std::string_view>;
  template <typename E>
  static View view(const E& e) {
    if constexpr (std::is_same_v<E, View>) {
      return e;
    } else {
      return {e.group, e.kind};
    }
  }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return view(a) < view(b);
  }
};

}  // namespace

GroupKind::GroupKind() {
  static const GroupKind empty("", "");
  *this = empty;
}

GroupKind::GroupKind(std::string_view group, std::string_view kind) {
  static std::mutex mutex;
  static auto* const entries = new std::set<Entry, EntryLess>();
  const std::lock_guard lock(mutex);
  auto it = entries->find(EntryLess::View(group, kind));
  if (it == entries->end()) it = entries->insert(Entry{std::string(group), std::string(kind)}).first;
  entry_ = &*it;
}

const std::string& GroupKind::group() const { return entry_->group; }
const std::string& GroupKind::kind() const { return entry_->kind; }

std::strong_ordering GroupKind::operator<=>(const GroupKind& other) const {
  if (entry_ == other.entry_) return std::strong_ordering::equal;
  return std::tie(entry_->group, entry_->kind) <=> std::tie(other.entry_->group, other.entry_->kind);
}

std::string NamespacedName::to_string() const { return namespace_.empty() ? name : namespace_ + "/" + name; }

std::string ObjectKey::to_string() const { return kind.kind() + " " + name.to_string(); }

}  // namespace sluice
