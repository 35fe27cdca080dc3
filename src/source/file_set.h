// What a set of files says, as one set of objects.
//
// Texts go in file by file, batches of changes come out. No clock, and no I/O but the reader's: which objects
// there are depends only on the texts that went in, and where the text of an object is bad, on the last good
// version of it.
//
// - Every object in a file is a claim. The first claim of a key, by file, then by place, wins; the others are
//   "conflict/duplicate" problems.
// - A winner that the schema refuses keeps the version that was handed out last, if there is one.
// - A file of which some document is no YAML or JSON keeps the objects that it had and that cannot be seen
//   now.
// - An object whose value is what it was is not handed out again.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/manifest.h"
#include "source/source.h"
#include "source/text_lines.h"

namespace sluice::source {

using Text = std::shared_ptr<const std::string>;
using TextHash = std::size_t;  // the same in one process only
TextHash hash_of(std::string_view text);

class FileSet {
 public:
  // Gives the text that the file has now, or null.
  using Reader = std::function<Text(const std::string& file)>;

  // With a reader texts are not kept: they are read again when somebody asks for a place in them, and are of
  // no use if they have changed.
  explicit FileSet(Reader reader = nullptr) : reader_(std::move(reader)) {}

  // The file has this text now. `manifest` is read_manifest(*text, file): made by the caller, who may do so
  // on several threads. `keep` a text that the reader could not give again.
  void put(const std::string& file, Text text, Manifest manifest, bool keep = false);
  // The file is gone, and its objects with it.
  void remove(const std::string& file);
  // Replaces the problems that are of no text: paths that lead nowhere, files that cannot be read. `partial`
  // as in Batch.
  void set_path_problems(std::vector<Problem> problems, bool partial) {
    path_problems_ = std::move(problems);
    partial_ = partial;
  }

  // What changed since the last take; nothing when no object did, no problem, and not whether it is partial.
  std::optional<Batch> take();

  // Null when there is no such file, or its text cannot be had again.
  Text text(const std::string& file) const;
  // Of the text that the file was put with; nothing when there is no such file.
  std::optional<TextHash> text_hash(const std::string& file) const;
  std::size_t object_count() const { return posted_count_; }

  // As Source::locate. An object of a document that is broken now has a file and no line, a field of a text
  // that cannot be had again the line of its object.
  void locate(Problem& problem);
  // Line `line` (from 1) without its end; empty when there is none, and where it is or may be of a Secret.
  std::string line(const std::string& file, std::uint32_t line);
  // Lets go of what locate() and line() remember to be quick.
  void forget();

 private:
  struct Version {
    const std::string* api_version = nullptr;  // interned: there are few
    api::Object object;
  };
  struct File;
  // One object in one file.
  struct Claim {
    const File* file = nullptr;
    std::uint32_t line = 0;  // 0 when it is in no document that can be read now
    std::uint32_t column = 0;
    std::uint32_t document = 0;
    std::uint32_t ordinal = 0;
    std::optional<Version> version;  // absent when refused
  };
  struct Entry {
    std::vector<Claim> claims;      // the winner first
    std::optional<Version> posted;  // what was handed out last
    bool changed = false;           // since the last take
  };
  using Entries = std::map<ObjectKey, Entry>;
  struct File {
    std::string name;
    Text text;  // null: it is the reader's
    TextHash hash = 0;
    std::vector<std::uint32_t> document_lines;
    std::vector<Entries::iterator> objects;  // one a claim
    std::vector<Problem> problems;
  };

  static bool same(const Version& a, const Version& b);
  static bool before(const Claim& a, const Claim& b);
  void mark(Entries::iterator entry);
  void drop_claims(const File& file, Entries::iterator entry);
  std::vector<Problem> duplicates() const;
  void locate(const ObjectKey& object, const std::string& path, Where& where);

  Text text_of(const File& file) const;

  Reader reader_;
  std::map<std::string, std::unique_ptr<File>> files_;
  std::set<std::string> troubled_;  // files with problems
  Entries entries_;
  std::vector<Entries::iterator> changed_;
  std::set<ObjectKey> contested_;  // keys with several claims
  std::set<std::string, std::less<>> api_versions_;
  std::size_t posted_count_ = 0;
  std::vector<Problem> path_problems_;
  bool partial_ = false;
  std::vector<Problem> problems_;  // of the last take
  bool was_partial_ = false;       // so was that

  const TextLines& lines_of(const File& file);

  // What is remembered to be quick: problems come in the order of their places.
  Locator locator_;
  std::optional<TextLines> lines_;
  std::pair<std::string, TextHash> lines_of_;  // the file and its text
  std::string_view document_;                  // of lines_, around the last line that was asked for
  std::vector<std::string_view> secrets_;      // what secret_parts() says of it
};

}  // namespace sluice::source
