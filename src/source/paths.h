// What the paths of a command line lead to.
//
//   file       that file, whatever its name; a pipe too
//   folder     all manifests (*.yaml, *.yml, *.json) in it and in the folders in it, symbolic links too
//   pattern    with * ? [..] within a name, and ** for any number of folders
//   -          standard input
//
// What a path leads to is unknown, which is not nothing, when the path itself is missing or cannot be looked
// at; of a pattern, when that is so of the folder that comes before the first wildcard. The same goes for
// what is in a folder that cannot be listed.
//
// A pattern that does not end in an extension means manifests only; a folder that it leads to counts as a
// folder. A path that exists is no pattern.
//
// Hidden files and folders and editors' backups are left out unless a path names them. A file that is reached
// by two ways counts once, under the name that sorts first.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "base/problem.h"

namespace sluice::source {

// How standard input is called in problems.
inline constexpr std::string_view kStandardInput = "<stdin>";

// Two equal signatures: most probably the same content.
struct Signature {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // nanoseconds since 1970
  std::int64_t changed = 0;

  bool operator==(const Signature&) const = default;
};

Signature signature_of(const struct stat& status);

struct FoundFile {
  Signature signature;
  bool symlink = false;
  bool once = false;    // a pipe or standard input: can be read once only
  bool linked = false;  // has another name, by which it may be written to
};

struct Scan {
  std::map<std::string, FoundFile> files;
  std::vector<Problem> problems;     // paths that lead to nothing, what cannot be looked at
  std::vector<std::string> unknown;  // where it could not be seen what is there: paths, folders, files
  bool any_name = false;             // there are patterns: files may be called anything

  // True for a file that is not in `files`, and may be there all the same: it is at one of `unknown`, or
  // below. Other files that are not found are gone.
  bool is_unknown(std::string_view file) const;
};

// Hears which folders a scan goes through, each before it is looked at: who starts to watch there and then
// misses nothing.
class Lookups {
 public:
  virtual ~Lookups() = default;
  // The scan depends on what `name` is in `folder`: whether it is there, and where it leads as a symbolic
  // link.
  virtual void look_up(const std::string& folder, const std::string& name) = 0;
  // The scan lists `folder`.
  virtual void list(const std::string& folder) = 0;
  // The content of `file` is that of `name` in `folder`.
  virtual void content(const std::string& folder, const std::string& name, const std::string& file) = 0;
};

// `lookups` may be null.
Scan scan_paths(const std::vector<std::string>& paths, Lookups* lookups);

// True for names that a folder's listing takes as manifests.
bool is_manifest_name(std::string_view name);
// True for hidden names and editors' backups and locks.
bool is_left_out(std::string_view name);

}  // namespace sluice::source
