#include "source/file_set.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "source/secret_text.h"

namespace sluice::source {

namespace {

// Of one object's definitions. Who mends them sees the others then.
constexpr std::size_t kMaxDuplicates = 100;

// "a.yaml:3", or "a.yaml" where the line is not known.
std::string place_name(const std::string& file, std::uint32_t line) {
  return line == 0 ? file : fmt::format("{}:{}", file, line);
}

}  // namespace

TextHash hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

bool FileSet::same(const Version& a, const Version& b) {
  return a.api_version == b.api_version && a.object.index() == b.object.index() &&
         std::visit(
             [&b]<typename T>(const std::shared_ptr<const T>& object) {
               const auto& other = std::get<std::shared_ptr<const T>>(b.object);
               return object == other || *object == *other;
             },
             a.object);
}

// What stands in no readable document comes after what does.
bool FileSet::before(const Claim& a, const Claim& b) {
  if (a.file != b.file) return a.file->name < b.file->name;
  const bool a_hidden = a.line == 0;
  const bool b_hidden = b.line == 0;
  return std::tie(a_hidden, a.document, a.ordinal) < std::tie(b_hidden, b.document, b.ordinal);
}

void FileSet::mark(Entries::iterator entry) {
  if (std::exchange(entry->second.changed, true)) return;
  changed_.push_back(entry);
}

void FileSet::drop_claims(const File& file, Entries::iterator entry) {
  std::erase_if(entry->second.claims, [&](const Claim& claim) { return claim.file == &file; });
  mark(entry);
}

void FileSet::put(const std::string& name, Text text, Manifest manifest, bool keep) {
  std::unique_ptr<File>& slot = files_[name];
  if (slot == nullptr) slot = std::make_unique<File>();
  File& file = *slot;
  file.name = name;
  file.hash = hash_of(*text);
  file.text = keep || !reader_ ? std::move(text) : nullptr;
  file.document_lines = std::move(manifest.document_lines);
  file.document_lines.shrink_to_fit();
  file.problems = std::move(manifest.problems);
  if (file.problems.empty()) {
    troubled_.erase(name);
  } else {
    troubled_.insert(name);
  }

  // The old claims: gone, or kept out of sight until the file can be read as a whole.
  std::vector<Entries::iterator> kept;
  if (manifest.broken) {
    std::set<ObjectKey> seen;
    std::set<ObjectKey> unseen;
    for (const Manifest::Object& object : manifest.objects) seen.insert(object.key);
    for (const Entries::iterator entry : std::exchange(file.objects, {})) {
      if (seen.contains(entry->first)) {
        drop_claims(file, entry);
        continue;
      }
      // Where the file named it twice, only the first is kept.
      if (!unseen.insert(entry->first).second) continue;
      std::vector<Claim>& claims = entry->second.claims;
      Claim hidden = std::move(*std::ranges::find(claims, &file, &Claim::file));
      hidden.line = hidden.column = 0;
      drop_claims(file, entry);
      claims.insert(std::ranges::upper_bound(claims, hidden, before), std::move(hidden));
      kept.push_back(entry);
    }
  } else {
    for (const Entries::iterator entry : std::exchange(file.objects, {})) drop_claims(file, entry);
  }

  file.objects.reserve(manifest.objects.size() + kept.size());
  for (Manifest::Object& object : manifest.objects) {
    Claim claim{&file, std::max(object.line, 1U), object.column, object.document, object.ordinal, {}};
    if (object.bound) {
      claim.version = {&*api_versions_.insert(std::move(object.bound->api_version)).first,
                       std::move(object.bound->object)};
    }
    const auto entry = entries_.try_emplace(std::move(object.key)).first;
    std::vector<Claim>& claims = entry->second.claims;
    claims.insert(std::ranges::upper_bound(claims, claim, before), std::move(claim));
    mark(entry);
    file.objects.push_back(entry);
  }
  file.objects.insert(file.objects.end(), kept.begin(), kept.end());
}

void FileSet::remove(const std::string& name) {
  const auto file = files_.find(name);
  if (file == files_.end()) return;
  for (const Entries::iterator entry : file->second->objects) drop_claims(*file->second, entry);
  troubled_.erase(name);
  files_.erase(file);
}

std::optional<Batch> FileSet::take() {
  Batch batch;
  for (const Entries::iterator entry : std::exchange(changed_, {})) {
    auto& [key, object] = *entry;
    object.changed = false;
    object.claims.shrink_to_fit();
    if (object.claims.size() > 1) {
      contested_.insert(key);
    } else if (!contested_.empty()) {
      contested_.erase(key);
    }
    if (object.claims.empty()) {
      if (object.posted) {
        --posted_count_;
        batch.deleted.push_back(key);
      }
      entries_.erase(entry);
      continue;
    }
    std::optional<Version>& version = object.claims.front().version;
    if (!version) continue;
    if (object.posted && same(*object.posted, *version)) {
      version = object.posted;  // one value in memory, not two
      continue;
    }
    if (!object.posted) ++posted_count_;
    object.posted = version;
    batch.upserted.push_back({key, *version->api_version, version->object});
  }
  std::ranges::sort(batch.upserted, {}, &api::BoundObject::key);
  std::ranges::sort(batch.deleted);

  batch.problems = duplicates();
  batch.problems.insert(batch.problems.end(), path_problems_.begin(), path_problems_.end());
  for (const std::string& name : troubled_) {
    const std::vector<Problem>& problems = files_.at(name)->problems;
    batch.problems.insert(batch.problems.end(), problems.begin(), problems.end());
  }
  sort_by_place(batch.problems);
  batch.partial = partial_;
  const bool same_objects = batch.upserted.empty() && batch.deleted.empty();
  if (same_objects && batch.problems == problems_ && partial_ == was_partial_) return std::nullopt;
  was_partial_ = partial_;
  problems_ = batch.problems;
  return batch;
}

std::vector<Problem> FileSet::duplicates() const {
  std::vector<Problem> problems;
  for (const ObjectKey& key : contested_) {
    if (key.kind.kind().empty()) continue;  // of documents that do not say what they are
    const std::vector<Claim>& claims = entries_.at(key).claims;
    const Claim& winner = claims.front();
    for (std::size_t i = 1; i < std::min(claims.size(), kMaxDuplicates); ++i) {
      const Claim& claim = claims[i];
      problems.push_back({.code = "conflict/duplicate",
                          .where = {claim.file->name, claim.line, claim.column},
                          .object = key,
                          .message = fmt::format("{} is defined twice, and {} comes first", key.to_string(),
                                                 place_name(winner.file->name, winner.line)),
                          .suggestion = "remove one of the two, or give it another name",
                          .also = {{.where = {winner.file->name, winner.line, winner.column},
                                    .object = key,
                                    .path = "",
                                    .message = "the first is here"}}});
    }
  }
  return problems;
}

Text FileSet::text(const std::string& file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? nullptr : text_of(*found->second);
}

Text FileSet::text_of(const File& file) const {
  if (file.text != nullptr || !reader_) return file.text;
  Text text = reader_(file.name);
  return text != nullptr && hash_of(*text) == file.hash ? text : nullptr;
}

std::optional<TextHash> FileSet::text_hash(const std::string& file) const {
  const auto found = files_.find(file);
  return found == files_.end() ? std::nullopt : std::optional(found->second->hash);
}

void FileSet::locate(Problem& problem) {
  locate(problem.object, problem.path, problem.where);
  for (Related& related : problem.also) locate(related.object, related.path, related.where);
}

void FileSet::locate(const ObjectKey& object, const std::string& path, Where& where) {
  const auto found = entries_.find(object);
  if (found == entries_.end() || found->second.claims.empty()) return;
  const Claim& claim = found->second.claims.front();
  const File& file = *claim.file;
  if (claim.line == 0) {
    where = {file.name, 0, 0};
    return;
  }
  where = locator_.find(file.name, lines_of(file), file.document_lines, claim.document, claim.ordinal, path);
  if (where.line == 0) where = {"", claim.line, claim.column};
  where.file = file.name;
}

const TextLines& FileSet::lines_of(const File& file) {
  std::pair<std::string, TextHash> of(file.name, file.hash);
  if (!lines_ || lines_of_ != of) {
    static const Text kNothing = std::make_shared<const std::string>();
    const Text text = text_of(file);
    lines_.emplace(text == nullptr ? kNothing : text);
    lines_of_ = std::move(of);
    document_ = {};
  }
  return *lines_;
}

std::string FileSet::line(const std::string& name, std::uint32_t line) {
  const auto found = files_.find(name);
  if (found == files_.end()) return {};
  const TextLines& lines = lines_of(*found->second);
  const std::string_view text = lines.line(line);
  if (text.empty()) return {};
  const bool same_document =
      text.data() >= document_.data() && text.data() < document_.data() + document_.size();
  if (!same_document) {
    document_ = lines.document_around(line);
    secrets_ = secret_parts(document_);
  }
  const bool secret = std::ranges::any_of(secrets_, [&](std::string_view part) {
    return text.data() >= part.data() && text.data() < part.data() + part.size();
  });
  return secret ? std::string() : std::string(text);
}

void FileSet::forget() {
  locator_.forget();
  lines_.reset();
  document_ = {};
}

}  // namespace sluice::source
