#include "source/paths.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sluice::source {

namespace {

constexpr int kMaxSymlinks = 40;  // as the kernel
constexpr std::string_view kWildcards = "*?[";

bool is_pattern(std::string_view text) { return text.find_first_of(kWildcards) != text.npos; }

std::string join(const std::string& folder, const std::string& name) {
  if (folder.empty() || folder == ".") return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

// Names between slashes, without empty ones and ".".
std::deque<std::string> names_of(std::string_view path) {
  std::deque<std::string> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

std::string start_of(std::string_view path) { return path.starts_with('/') ? "/" : "."; }

// The path without "./", "//" and a slash at the end. ".." stays: it may lead back from behind a symbolic
// link.
std::string tidy(std::string_view path) {
  std::string tidied = start_of(path);
  for (const std::string& name : names_of(path)) tidied = join(tidied, name);
  return tidied;
}

// The part of a pattern before the first name with a wildcard.
std::string root_of(const std::string& pattern) {
  std::string root = start_of(pattern);
  for (const std::string& name : names_of(pattern)) {
    if (is_pattern(name)) break;
    root = join(root, name);
  }
  return root;
}

// With that error a name leads to nothing; with others it cannot be said what it leads to.
bool leads_nowhere(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

std::pair<std::uint64_t, std::uint64_t> id_of(const struct stat& status) {
  return {status.st_dev, status.st_ino};
}

bool is_at_or_below(std::string_view file, std::string_view path) {
  if (path == ".") return !file.starts_with('/');
  if (!file.starts_with(path)) return false;
  return file.size() == path.size() || path.ends_with('/') || file[path.size()] == '/';
}

std::int64_t nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

class Scanner {
 public:
  explicit Scanner(Lookups* lookups) : lookups_(lookups) {}

  void add(const std::string& argument) {
    if (argument == "-") {
      scan_.files[std::string(kStandardInput)].once = true;
      return;
    }
    const std::string path = tidy(argument);
    struct stat before;
    const bool pattern = is_pattern(path) && lstat(path.c_str(), &before) != 0;
    if (pattern) scan_.any_name = true;
    const std::string root = pattern ? root_of(path) : path;
    follow(root);
    if (stat(root.c_str(), &before) != 0) {
      const std::string error =
          errno == ENOENT ? "no such file or folder" : std::generic_category().message(errno);
      add_problem("syntax/no-such-file", path, pattern ? fmt::format("`{}`: {}", root, error) : error,
                  "`sluice run` serves on what was there last, until there is something again");
      scan_.unknown.push_back(root);
      return;
    }
    if (pattern) {
      add_pattern(path);
    } else {
      add_any(path, before);
    }
    // Where it was taken away meanwhile, what was not seen in it is not gone.
    struct stat after;
    if (stat(root.c_str(), &after) != 0 || id_of(after) != id_of(before)) scan_.unknown.push_back(root);
  }

  Scan finish() {
    // One file, one name.
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    std::erase_if(scan_.files, [&](const auto& file) {
      const Signature& signature = file.second.signature;
      return !file.second.once && !seen.emplace(signature.device, signature.inode).second;
    });
    return std::move(scan_);
  }

 private:
  void add_problem(std::string code, const std::string& path, std::string message,
                   std::string suggestion = "") {
    scan_.problems.push_back({.code = std::move(code),
                              .where = {path, 0, 0},
                              .message = std::move(message),
                              .suggestion = std::move(suggestion)});
  }

  // `path` is in a folder, and looking at it gave that error.
  void add_unseen(const std::string& path, std::string_view what, int error) {
    add_problem("syntax/unreadable-file", path,
                fmt::format("{}: {}", what, std::generic_category().message(error)));
    scan_.unknown.push_back(path);
  }

  // What `path` in a folder is, for a symbolic link what it leads to; false where it is nothing, or cannot be
  // looked at.
  bool look_at(const std::string& path, struct stat& status, bool& symlink) {
    bool seen = lstat(path.c_str(), &status) == 0;
    symlink = seen && S_ISLNK(status.st_mode);
    if (symlink) {
      follow(path);
      seen = stat(path.c_str(), &status) == 0;
    }
    if (!seen && !leads_nowhere(errno)) add_unseen(path, "what it is cannot be seen", errno);
    return seen;
  }

  // Tells lookups_ of every name on the way of `path`, through symbolic links.
  void follow(const std::string& path) {
    if (lookups_ == nullptr) return;
    std::string folder = start_of(path);
    std::deque<std::string> names = names_of(path);
    int links = 0;
    while (!names.empty()) {
      const std::string name = std::move(names.front());
      names.pop_front();
      const std::string here = join(folder, name);
      if (name == "..") {
        folder = folder == "." ? ".." : here;
        continue;
      }
      lookups_->look_up(folder, name);
      struct stat status;
      if (lstat(here.c_str(), &status) != 0) return;
      if (S_ISLNK(status.st_mode)) {
        std::array<char, 4096> target;
        const ssize_t length = readlink(here.c_str(), target.data(), target.size());
        if (length <= 0 || ++links > kMaxSymlinks) return;
        const std::string_view leads_to(target.data(), static_cast<std::size_t>(length));
        const std::deque<std::string> more = names_of(leads_to);
        names.insert(names.begin(), more.begin(), more.end());
        if (leads_to.starts_with('/')) folder = "/";
      } else if (S_ISDIR(status.st_mode)) {
        folder = here;
      } else {
        if (names.empty()) lookups_->content(folder, name, path);
        return;
      }
    }
  }

  void add_any(const std::string& path, const struct stat& status) {
    if (S_ISDIR(status.st_mode)) {
      add_folder(path, status);
    } else {
      struct stat link;
      add_file(path, status, lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode));
    }
  }

  void add_file(const std::string& path, const struct stat& status, bool symlink) {
    const bool regular = S_ISREG(status.st_mode);
    scan_.files[path] = {.signature = signature_of(status),
                         .symlink = symlink,
                         .once = !regular,
                         .linked = regular && status.st_nlink > 1};
  }

  struct Name {
    std::string name;
    unsigned char type;
  };

  // The names in a folder, sorted, hidden ones too; empty when it cannot be listed.
  std::vector<Name> names_in(const std::string& path) {
    if (lookups_ != nullptr) lookups_->list(path);
    std::vector<Name> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
    if (folder == nullptr) {
      // What is gone since was seen by the lookups, and there will be another scan.
      if (!leads_nowhere(errno)) add_unseen(path, "the folder cannot be listed", errno);
      return names;
    }
    while (const dirent* entry = readdir(folder.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.push_back({std::string(name), entry->d_type});
    }
    std::ranges::sort(names, {}, &Name::name);
    return names;
  }

  void add_folder(const std::string& path, const struct stat& folder) {
    // A symbolic link may lead back.
    const auto id = id_of(folder);
    if (std::ranges::find(inside_, id) != inside_.end()) return;
    inside_.push_back(id);
    for (const Name& entry : names_in(path)) {
      if (is_left_out(entry.name)) continue;
      const bool plain = entry.type == DT_REG;
      if (plain && !is_manifest_name(entry.name)) continue;
      const std::string inner = join(path, entry.name);
      struct stat status;
      bool symlink = false;
      if (!look_at(inner, status, symlink)) continue;
      if (S_ISDIR(status.st_mode)) {
        add_folder(inner, status);
      } else if (S_ISREG(status.st_mode) && is_manifest_name(entry.name)) {
        add_file(inner, status, symlink);
      }
    }
    inside_.pop_back();
  }

  void add_pattern(const std::string& pattern) {
    const std::deque<std::string> deque = names_of(pattern);
    const std::vector<std::string> names(deque.begin(), deque.end());
    // "*.conf" names an extension, "*" and "web*" do not.
    const std::string& last = names.back();
    const std::size_t dot = last.rfind('.');
    any_extension_ =
        !is_pattern(last) || (dot != last.npos && !is_pattern(std::string_view(last).substr(dot)));
    matched_ = false;
    match(start_of(pattern), names);
    if (!matched_) add_problem("syntax/no-such-file", pattern, "no file matches this pattern");
  }

  // What the names lead to from a folder.
  void match(const std::string& folder, std::span<const std::string> names) {
    struct stat status;
    if (names.empty() || !is_pattern(names.front())) {
      std::string path = folder;
      while (!names.empty() && !is_pattern(names.front())) {
        path = join(path, names.front());
        names = names.subspan(1);
      }
      follow(path);
      if (stat(path.c_str(), &status) != 0) {
        if (!leads_nowhere(errno)) add_unseen(path, "what it is cannot be seen", errno);
        return;
      }
      if (names.empty()) {
        matched_ = true;
        add_any(path, status);
      } else if (S_ISDIR(status.st_mode)) {
        match(path, names);
      }
      return;
    }
    const std::string& pattern = names.front();
    const bool anywhere = pattern == "**";
    const std::span<const std::string> rest = names.subspan(1);
    if (anywhere && !rest.empty()) match(folder, rest);
    for (const Name& entry : names_in(folder)) {
      if (anywhere
              ? is_left_out(entry.name)
              : fnmatch(pattern.c_str(), entry.name.c_str(), FNM_PERIOD) != 0 || entry.name.ends_with('~')) {
        continue;
      }
      const std::string path = join(folder, entry.name);
      bool symlink = false;
      if (!look_at(path, status, symlink)) continue;
      if (S_ISDIR(status.st_mode)) {
        // "**" goes through no symbolic links: they may lead back.
        if (anywhere && !symlink) match(path, names);
        if (!anywhere && !rest.empty()) match(path, rest);
        if (!anywhere && rest.empty()) {
          matched_ = true;
          add_folder(path, status);
        }
      } else if (rest.empty() && S_ISREG(status.st_mode) &&
                 (is_manifest_name(entry.name) || (any_extension_ && !anywhere))) {
        matched_ = true;
        add_file(path, status, symlink);
      }
    }
  }

  Lookups* lookups_;
  Scan scan_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> inside_;  // the folders that are being added
  bool any_extension_ = false;
  bool matched_ = false;
};

}  // namespace

Signature signature_of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = nanoseconds(status.st_mtim),
          .changed = nanoseconds(status.st_ctim)};
}

bool is_manifest_name(std::string_view name) {
  return !is_left_out(name) && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

bool is_left_out(std::string_view name) {
  return name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || name.ends_with(".swp");
}

bool Scan::is_unknown(std::string_view file) const {
  return std::ranges::any_of(unknown, [file](const std::string& path) { return is_at_or_below(file, path); });
}

Scan scan_paths(const std::vector<std::string>& paths, Lookups* lookups) {
  Scanner scanner(lookups);
  for (const std::string& path : paths) scanner.add(path);
  return scanner.finish();
}

}  // namespace sluice::source
