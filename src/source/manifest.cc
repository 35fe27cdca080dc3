#include "source/manifest.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "tree/parse.h"

namespace sluice::source {

namespace {

constexpr std::string_view kList = "List";

const std::string* string_member(const Tree& map, std::string_view key) {
  const Tree* value = map.find(key);
  return value != nullptr && value->is_string() ? &value->as_string() : nullptr;
}

// The items of a List; null for anything else. A plain List without items is an empty one.
const Tree* list_items(const Tree& tree) {
  const std::string* kind = string_member(tree, "kind");
  if (kind == nullptr || !kind->ends_with(kList)) return nullptr;
  const Tree* items = tree.find("items");
  if (items != nullptr && (items->is_list() || items->is_null())) return items;
  static const Tree kNone = Tree::list({});
  // Without `items` it is empty, or has them under another name.
  const bool has_others = std::ranges::any_of(tree.members(), [](const Tree::Member& member) {
    return member.key != "apiVersion" && member.key != "kind" && member.key != "metadata";
  });
  return *kind == kList && items == nullptr && !has_others ? &kNone : nullptr;
}

// An item of a HTTPRouteList is an HTTPRoute also when it does not say so.
Tree with_type_of_list(const Tree& item, const Tree& list) {
  const std::string& kind = *string_member(list, "kind");
  if (!item.is_map() || kind == kList || item.find("kind") != nullptr) return item;
  std::vector<Tree::Member> members;
  const auto add = [&](std::string key, Tree value) {
    members.push_back({std::move(key), item.line(), item.column(), std::move(value)});
  };
  const std::string* version = string_member(list, "apiVersion");
  if (item.find("apiVersion") == nullptr && version != nullptr) {
    add("apiVersion", Tree::string(*version, item.line(), item.column()));
  }
  add("kind", Tree::string(kind.substr(0, kind.size() - kList.size()), item.line(), item.column()));
  members.insert(members.end(), item.members().begin(), item.members().end());
  return Tree::map(std::move(members), item.line(), item.column());
}

// The objects of a document, in the order of the text.
void collect_objects(const Tree& tree, std::vector<Tree>& objects) {
  const Tree* items = list_items(tree);
  if (items == nullptr) {
    objects.push_back(tree);
  } else if (items->is_list()) {
    for (const Tree& item : items->items()) collect_objects(with_type_of_list(item, tree), objects);
  }
}

bool is_error(const Problem& problem) { return problem.severity == Severity::kError; }

// Reads the objects of one file, one after the other.
class ManifestReader {
 public:
  explicit ManifestReader(const std::string& file, Manifest& manifest) : file_(file), manifest_(manifest) {}

  void read(const Tree& tree, std::uint32_t document, std::uint32_t ordinal) {
    const bool brief = reported_ >= kMaxProblems;
    api::ReadObject read = api::read_object(tree, brief ? api::Trust::kCheckBriefly : api::Trust::kCheck);
    const bool refused = std::ranges::any_of(read.problems, is_error);
    for (Problem& problem : read.problems) report(tree, read.key, std::move(problem));
    if (read.key.name.name.empty() || !(refused || read.bound)) return;
    manifest_.objects.push_back({.key = std::move(read.key),
                                 .line = tree.line(),
                                 .column = tree.column(),
                                 .document = document,
                                 .ordinal = ordinal,
                                 .bound = std::move(read.bound)});
  }

  void finish() {
    if (others_) manifest_.problems.push_back(*std::move(others_));
  }

 private:
  void report(const Tree& tree, const ObjectKey& object, Problem problem) {
    if (reported_ >= kMaxProblems && others_ && (is_error(*others_) || !is_error(problem))) return;
    if (problem.where.line == 0) problem.where = find_field(tree, problem.path);
    problem.where.file = file_;
    if (reported_ >= kMaxProblems) {
      others_ =
          Problem{.code = "schema/many-problems",
                  .severity = problem.severity,
                  .where = problem.where,
                  .object = object,
                  .message = fmt::format("from here on there are more problems than the {} of this file "
                                         "that are told",
                                         kMaxProblems),
                  .suggestion = "mend some of them"};
      return;
    }
    ++reported_;
    for (Related& related : problem.also) related.where.file = file_;
    if (problem.object == ObjectKey()) problem.object = object;
    manifest_.problems.push_back(std::move(problem));
  }

  const std::string& file_;
  Manifest& manifest_;
  std::size_t reported_ = 0;
  std::optional<Problem> others_;  // stands for all that are not reported, an error if one of them is
};

// One step of a path.
struct Step {
  Where where;
  const Tree* value = nullptr;
  std::string_view rest;
};

Where place(const Tree& tree) { return {"", tree.line(), tree.column()}; }

Step to_member(const Tree::Member& member, std::string_view rest) {
  const Tree& value = member.value;
  const bool at_key = value.is_map() || value.is_list() || value.is_null() || value.line() == 0;
  return {at_key ? Where{"", member.line, member.column} : place(value), &value, rest};
}

// Keys may hold dots ("tls.crt"), so the longest member that the path begins with is meant.
Step step_into_map(const Tree& map, std::string_view path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  std::string_view bracketed;
  if (path.starts_with('[')) {
    const bool quoted = path.size() > 1 && (path[1] == '"' || path[1] == '\'');
    const std::string_view close = !quoted ? "]" : path[1] == '"' ? "\"]" : "']";
    const std::size_t begin = quoted ? 2 : 1;
    const std::size_t end = path.find(close, begin);
    if (end == path.npos) return {};
    bracketed = path.substr(begin, end - begin);
    path.remove_prefix(end + close.size());
    for (const Tree::Member& member : map.members()) {
      if (member.key == bracketed) return to_member(member, path);
    }
    return {};
  }
  const Tree::Member* found = nullptr;
  for (const Tree::Member& member : map.members()) {
    const std::size_t length = member.key.size();
    if (!path.starts_with(member.key) || (found != nullptr && found->key.size() >= length)) continue;
    if (path.size() == length || path[length] == '.' || path[length] == '[') found = &member;
  }
  if (found == nullptr) return {};
  return to_member(*found, path.substr(found->key.size()));
}

Step step_into_list(const Tree& list, std::string_view path) {
  const std::size_t end = path.find(']');
  if (!path.starts_with('[') || end == path.npos) return {};
  std::size_t index = 0;
  const auto [stop, error] = std::from_chars(path.data() + 1, path.data() + end, index);
  if (error != std::errc() || stop != path.data() + end || index >= list.items().size()) return {};
  const Tree& item = list.items()[index];
  return {place(item), &item, path.substr(end + 1)};
}

}  // namespace

Manifest read_manifest(std::string_view text, const std::string& file) {
  Manifest manifest;
  const std::vector<Document> documents = parse(text, file, &manifest.problems);
  manifest.broken = std::ranges::any_of(manifest.problems, is_error);
  manifest.document_lines.reserve(documents.size());
  ManifestReader reader(file, manifest);
  std::vector<Tree> objects;
  for (std::uint32_t d = 0; d < documents.size(); ++d) {
    manifest.document_lines.push_back(documents[d].line);
    objects.clear();
    collect_objects(documents[d].tree, objects);
    for (std::uint32_t o = 0; o < objects.size(); ++o) reader.read(objects[o], d, o);
  }
  reader.finish();
  return manifest;
}

namespace {

// As far as the path leads.
Step follow(const Tree& object, std::string_view path) {
  Step at{place(object), &object, path};
  while (!at.rest.empty()) {
    Step next;
    if (at.value->is_map()) next = step_into_map(*at.value, at.rest);
    if (at.value->is_list()) next = step_into_list(*at.value, at.rest);
    if (next.value == nullptr) break;
    if (next.where.line == 0) next.where = at.where;
    at = next;
  }
  return at;
}

// Where `path` stands in a text that is a document of its own, if it is the literal block of the key in this
// place: then each of its lines is one of the file. Else that place.
Where find_in_block(const std::string& text, std::string_view path, Where key, const TextLines& lines) {
  const std::string_view header = lines.line(key.line);
  const std::size_t bar = header.rfind('|');
  if (bar == header.npos || header.find_first_not_of("+-0123456789 \t\r", bar + 1) != header.npos) return key;
  std::vector<Problem> ignored;
  const std::vector<Document> documents = parse(text, "", &ignored);
  if (documents.size() != 1) return key;
  const Tree& document = documents.front().tree;
  if (!document.is_map() && !document.is_list()) return key;
  const Where within = find_field(document, path);
  const TextLines own_lines(std::make_shared<const std::string>(text));
  const std::string_view own = own_lines.line(within.line);
  const std::string_view written = lines.line(key.line + within.line);
  if (within.line == 0 || !written.ends_with(own)) return key;
  const auto indentation = static_cast<std::uint32_t>(written.size() - own.size());
  return {"", key.line + within.line, within.column + indentation};
}

}  // namespace

Where find_field(const Tree& object, std::string_view path) { return follow(object, path).where; }

std::pair<Tree, std::uint32_t> Locator::parse_again(const std::string& file, const TextLines& lines,
                                                    const std::vector<std::uint32_t>& document_lines,
                                                    std::uint32_t document) {
  std::vector<Problem> problems;
  if (whole_.empty()) {
    // The document's own lines first. They may not be all of it (an anchor beside `---`), or hold more than
    // it.
    const std::uint32_t line = document_lines[document];
    const std::uint32_t first = document == 0 ? 1 : line;
    const std::uint32_t end = document + 1 == document_lines.size() ? 0 : document_lines[document + 1];
    const std::vector<Document> own = parse(lines.lines(first, end), file, &problems);
    if (!own.empty() && own.front().line + first - 1 == line && (end == 0 || line < end) &&
        (document == 0 || document_lines[document - 1] < line)) {
      return {own.front().tree, first - 1};
    }
    whole_ = parse(*lines.text(), file, &problems);
  }
  return {document < whole_.size() ? whole_[document].tree : Tree(), 0};
}

Where Locator::find(const std::string& file, const TextLines& lines,
                    const std::vector<std::uint32_t>& document_lines, std::uint32_t document,
                    std::uint32_t ordinal, std::string_view path) {
  if (document >= document_lines.size()) return {};
  if (text_ != lines.text()) {
    forget();
    text_ = lines.text();
  }
  if (document_ != document) {
    const auto [tree, lines_before] = parse_again(file, lines, document_lines, document);
    document_ = document;
    lines_before_ = lines_before;
    objects_.clear();
    collect_objects(tree, objects_);
  }
  if (ordinal >= objects_.size()) return {};
  const Step at = follow(objects_[ordinal], path);
  Where where = at.where;
  if (where.line == 0) return where;
  where.line += lines_before_;
  const bool goes_on = !at.rest.empty() && at.value->is_string();
  return goes_on ? find_in_block(at.value->as_string(), at.rest, where, lines) : where;
}

void Locator::forget() {
  text_ = nullptr;
  document_.reset();
  objects_.clear();
  whole_.clear();
}

}  // namespace sluice::source
