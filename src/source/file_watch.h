// Hears of changes to the files of a scan, through inotify.
//
// It watches folders: a name in a folder is what stays the same when files are replaced by renaming, removed
// and made again, or moved in under a symbolic link. Only what is written through another hard link no folder
// of ours tells: a file that has any is watched, too. A scan says which folders and names it
// depends on (it is a Lookups), between begin_scan() and end_scan(); events on anything else are ignored.
//
// Where inotify cannot help (its limits are reached, or a folder is on a network), must_poll() says so.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "source/paths.h"

namespace sluice::source {

class FileWatch final : public Lookups {
 public:
  // What happened to a file, the last of it last.
  enum class Change : std::uint8_t {
    kReplaced,  // there is another file under this name, or none
    kWritten,   // and not closed yet
    kClosed,    // by a program that could write to it
    kTouched,   // its permissions or times changed
  };

  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_file(const std::string& file, Change change) = 0;
    // What the paths lead to may be something else now.
    virtual void on_structure() = 0;
    // Events were lost: anything may have changed.
    virtual void on_overflow() = 0;
  };

  FileWatch();
  ~FileWatch() override;
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Becomes readable when there are events; -1 when there is no inotify.
  int fd() const { return fd_; }
  bool must_poll() const { return !poll_reason_.empty(); }
  // Why, for people.
  const std::string& poll_reason() const { return poll_reason_; }

  void begin_scan();
  void end_scan();
  void look_up(const std::string& folder, const std::string& name) override;
  void list(const std::string& folder) override;
  void content(const std::string& folder, const std::string& name, const std::string& file) override;
  // `file` has other names. Within a scan, too.
  void linked(const std::string& file);

  // Hands all pending events to the listener.
  void drain(Listener& listener);

 private:
  // One inode. It may have several names.
  struct Watched {
    std::set<std::string> files;                           // it is a file: the names under which it was found
    std::set<std::string> listed;                          // the names under which it is listed
    std::set<std::string> looked_up;                       // names in it
    std::map<std::string, std::set<std::string>> content;  // name in it → files
    bool empty() const { return files.empty() && listed.empty() && looked_up.empty() && content.empty(); }
  };

  Watched* watch(const std::string& path, std::uint32_t events);
  void handle(int watch, std::uint32_t events, const std::string& name, Listener& listener);

  int fd_ = -1;
  std::unordered_map<int, Watched> watched_;  // by watch descriptor
  std::string poll_reason_;
};

}  // namespace sluice::source
