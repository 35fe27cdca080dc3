// A mutator for texts that are objects: most of what it makes is YAML, and of the declared Types or nearly
// so. Bytes changed at random hardly ever are.
//
// A text is read, a few nodes of its trees are changed, and it is written again. What is put in comes from
// the Types (fields that are not there yet, values at the edge of what is allowed), from other places of the
// text (so that names meet), and from libFuzzer, which knows what the program compared strings with.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "declared.h"
#include "fuzz.h"
#include "tree/parse.h"
#include "tree/write.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace sluice::fuzz {
namespace {

using schema::Field;
using schema::Type;

constexpr std::string_view kWords[] = {"",
                                       "a",
                                       "*",
                                       "*.example.com",
                                       "a.example.com",
                                       "example.com.",
                                       "-a",
                                       "A",
                                       "a/b",
                                       "/",
                                       "//",
                                       "/a%2Fb",
                                       "/../a",
                                       "/%",
                                       "^(a|b)$",
                                       "(",
                                       ".*",
                                       "\\1",
                                       "a b",
                                       "é",
                                       "\x7f",
                                       "a\nb",
                                       "a\tb",
                                       "%START(%s)",
                                       "10.0.0.1",
                                       "::1",
                                       "fe80::1%eth0",
                                       "10.0.0.0/8",
                                       "256.1.1",
                                       "localhost",
                                       "0s",
                                       "1h",
                                       "-1s",
                                       "999999h",
                                       "1ns",
                                       "1Gi",
                                       "1e3",
                                       "0",
                                       "65536",
                                       "default",
                                       "Service",
                                       "HTTP"};
constexpr std::int64_t kNumbers[] = {
    0,   1,      -1,         2,           80,
    443, 8080,   65'535,     65'536,      100,
    599, 86'400, 1'000'000,  -2147483648, 2147483647,
    600, 15'000, 4294967296, 5'000'000,   std::numeric_limits<std::int64_t>::max()};

class Mutator {
 public:
  Mutator(std::vector<Document>& documents, unsigned seed) : documents_(documents), random_(seed) {
    for (const Document& document : documents_) collect(document.tree);
  }

  void run() {
    for (std::size_t i = pick(4) + 1; i > 0; --i) mutate();
  }

 private:
  static constexpr std::size_t kMostPool = 2'000;
  static constexpr int kMostMade = 5;  // levels

  std::size_t pick(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return pick(n) == 0; }
  template <typename Range>
  const auto& any_of(const Range& range) {
    return *std::next(std::begin(range), static_cast<std::ptrdiff_t>(pick(std::size(range))));
  }

  void collect(const Tree& tree) {
    if (pool_.size() >= kMostPool) return;
    pool_.push_back(tree);
    if (tree.is_string()) strings_.push_back(tree.as_string());
    if (tree.is_list()) {
      for (const Tree& item : tree.items()) collect(item);
    }
    if (tree.is_map()) {
      for (const Tree::Member& member : tree.members()) collect(member.value);
    }
  }

  void mutate() {
    if (documents_.empty() || one_in(24)) {
      documents_.push_back({make_object(), 0});
      return;
    }
    const std::size_t at = pick(documents_.size());
    if (one_in(24) && documents_.size() > 1) {
      documents_.erase(documents_.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
    Document changed = documents_[at];
    changed.tree = descend(changed.tree, declared_type(changed.tree), 0);
    if (one_in(16)) {
      documents_.push_back(std::move(changed));
    } else {
      documents_[at] = std::move(changed);
    }
  }

  // The tree with a change somewhere in it; `type` may be null.
  Tree descend(const Tree& tree, const Type* type, int depth) {
    const bool has_children =
        (tree.is_list() && !tree.items().empty()) || (tree.is_map() && !tree.members().empty());
    if (!has_children || (depth > 0 && one_in(5))) return change(tree, type);
    if (tree.is_list()) {
      std::vector<Tree> items = tree.items();
      Tree& item = items[pick(items.size())];
      item = descend(item, item_type(type), depth + 1);
      return Tree::list(std::move(items));
    }
    std::vector<Tree::Member> members = tree.members();
    Tree::Member& member = members[pick(members.size())];
    member.value = descend(member.value, member_type(type, member.key), depth + 1);
    return Tree::map(std::move(members));
  }

  static const Type* item_type(const Type* type) { return type == nullptr ? nullptr : type->item.get(); }
  static const Type* member_type(const Type* type, std::string_view key) {
    if (type == nullptr || type->kind == Type::Kind::kMap) return item_type(type);
    const Field* field = type->find(key);
    return field == nullptr ? nullptr : field->type.get();
  }

  Tree change(const Tree& tree, const Type* type) {
    if (tree.is_map() && !one_in(6)) return change_map(tree, type);
    if (tree.is_list() && !one_in(6)) return change_list(tree, type);
    if (tree.is_string() && one_in(2)) return Tree::string(change_string(tree.as_string()));
    if (type != nullptr && !one_in(4)) return make(*type, 0);
    return one_in(3) ? make_any() : any_of(pool_);
  }

  Tree change_map(const Tree& tree, const Type* type) {
    std::vector<Tree::Member> members = tree.members();
    if (!members.empty() && one_in(3)) {
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(pick(members.size())));
    } else if (type != nullptr && !type->fields.empty() && !one_in(8)) {
      const Field& field = any_of(type->fields);
      put(members, field.name, make(*field.type, 0));
    } else {
      put(members, make_string(), type != nullptr && type->item ? make(*type->item, 0) : make_any());
    }
    return Tree::map(std::move(members));
  }

  static void put(std::vector<Tree::Member>& members, const std::string& key, Tree value) {
    const auto found = std::ranges::find(members, key, &Tree::Member::key);
    if (found != members.end()) {
      found->value = std::move(value);
    } else {
      members.push_back({key, 0, 0, std::move(value)});
    }
  }

  Tree change_list(const Tree& tree, const Type* type) {
    std::vector<Tree> items = tree.items();
    if (items.empty() || one_in(3)) {
      items.push_back(type != nullptr && type->item ? make(*type->item, 0) : any_of(pool_));
    } else if (one_in(3)) {
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(pick(items.size())));
    } else if (one_in(2)) {
      items.push_back(any_of(items));
    } else {
      std::swap(items[pick(items.size())], items.back());
    }
    return Tree::list(std::move(items));
  }

  std::string change_string(const std::string& text) {
    if (one_in(2)) return make_string();
    std::vector<std::uint8_t> bytes(text.size() + 16);
    std::memcpy(bytes.data(), text.data(), text.size());
    bytes.resize(LLVMFuzzerMutate(bytes.data(), text.size(), bytes.size()));
    std::string changed(bytes.begin(), bytes.end());
    // Trees hold text.
    for (char& c : changed) {
      if (static_cast<unsigned char>(c) >= 0x80) c = static_cast<char>(c & 0x7F);
    }
    return changed;
  }

  std::string make_string() {
    if (!strings_.empty() && !one_in(3)) return any_of(strings_);
    if (one_in(16)) return std::string(std::size_t{1} << pick(11), 'a');
    return std::string(any_of(kWords));
  }

  Tree make_any() {
    switch (pick(6)) {
      case 0:
        return Tree();
      case 1:
        return Tree::boolean(one_in(2));
      case 2:
        return Tree::integer(any_of(kNumbers));
      case 3:
        return one_in(2) ? Tree::list({}) : Tree::map({});
      default:
        return Tree::string(make_string());
    }
  }

  // A value of the Type, or nearly.
  Tree make(const Type& type, int depth) {
    if (one_in(40)) return make_any();
    switch (type.kind) {
      case Type::Kind::kObject:
        return make_map(type, depth);
      case Type::Kind::kMap: {
        std::vector<Tree::Member> members;
        if (depth < kMostMade) put(members, make_string(), make(*type.item, depth + 1));
        return Tree::map(std::move(members));
      }
      case Type::Kind::kList: {
        std::vector<Tree> items;
        if (depth < kMostMade) {
          for (std::size_t i = pick(3) + type.min_size.value_or(0); i > 0; --i) {
            items.push_back(make(*type.item, depth + 1));
          }
        }
        return Tree::list(std::move(items));
      }
      case Type::Kind::kString:
        return Tree::string(type.values.empty() ? make_string() : any_of(type.values));
      case Type::Kind::kBool:
        return Tree::boolean(one_in(2));
      case Type::Kind::kInteger:
        return Tree::integer(make_integer(type));
      case Type::Kind::kNumber:
        return one_in(2) ? Tree::number(0.5) : Tree::integer(make_integer(type));
      case Type::Kind::kIntOrString:
        return one_in(2) ? Tree::integer(make_integer(type)) : Tree::string(make_string());
      case Type::Kind::kAny:
        break;
    }
    return make_any();
  }

  std::int64_t make_integer(const Type& type) {
    if (!type.int_values.empty() && !one_in(4)) return any_of(type.int_values);
    if (type.minimum && one_in(3)) return *type.minimum;
    if (type.maximum && one_in(2)) return *type.maximum;
    return any_of(kNumbers);
  }

  Tree make_map(const Type& type, int depth) {
    std::vector<Tree::Member> members;
    if (depth < kMostMade) {
      for (const Field& field : type.fields) {
        const bool wanted = field.is_required ? !one_in(40) : one_in(4);
        if (wanted) put(members, field.name, make(*field.type, depth + 1));
      }
    }
    return Tree::map(std::move(members));
  }

  Tree make_object() {
    const api::KindInfo& info = any_of(api::kinds());
    const std::string_view version = any_of(info.versions);
    const Tree made = make_map(api::type_of(info, version), 0);
    std::vector<Tree::Member> members = made.members();
    put(members, "apiVersion", Tree::string(info.api_version(version)));
    put(members, "kind", Tree::string(std::string(info.kind)));
    std::vector<Tree::Member> metadata;
    put(metadata, "name", Tree::string(make_string()));
    if (info.is_namespaced && one_in(2)) put(metadata, "namespace", Tree::string(make_string()));
    put(members, "metadata", Tree::map(std::move(metadata)));
    return Tree::map(std::move(members));
  }

  std::vector<Document>& documents_;
  std::minstd_rand random_;
  std::vector<Tree> pool_;
  std::vector<std::string> strings_;
};

// The first line where it is a comment: targets may read settings there.
std::string_view first_comment(std::string_view text) {
  return text.starts_with('#') ? text.substr(0, text.find('\n')) : std::string_view();
}

}  // namespace
}  // namespace sluice::fuzz

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed) {
  using namespace sluice;
  const std::string_view text = fuzz::text_of(data, size);
  std::vector<Problem> problems;
  std::vector<Document> documents;
  if (seed % 8 != 0) documents = parse(text, "fuzz.yaml", &problems);
  if (documents.empty() || !problems.empty()) return LLVMFuzzerMutate(data, size, max_size);
  std::string written(fuzz::first_comment(text));
  if (!written.empty()) written += '\n';
  fuzz::Mutator(documents, seed).run();
  for (const Document& document : documents) written += "---\n" + to_yaml(document.tree);
  if (written.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, written.data(), written.size());
  return written.size();
}
