// The two sources of files.h. A FileSource reads once; a LiveFiles reads, then watches.
//
// A LiveFiles' thread waits for events and for quiet, then looks at the files that were named, or, where
// folders or links may have changed, scans all paths again (which costs a stat a file, and reads only what
// looks different). A file that is written and not closed yet is not read: it may be half of itself, and half
// a YAML file is YAML.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "source/file_set.h"
#include "source/file_watch.h"
#include "source/last_good.h"
#include "source/load.h"
#include "source/paths.h"
#include "source/source.h"

namespace sluice::source {

class FileSource : public Source {
 public:
  explicit FileSource(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // Reads everything.
  Batch read();
  void locate(Problem& problem) const override;
  std::string line(const std::string& file, std::uint32_t line) const;

 protected:
  // Scans all paths.
  Scan scan(Lookups* lookups) { return scan_paths(paths_, lookups); }
  // Takes in the difference to what was read before, and gives what it changed.
  std::optional<Batch> apply(std::vector<LoadedFile> loaded, const std::vector<std::string>& removed);
  // What the next batch says of the paths.
  void set_scan_result(std::vector<Problem> problems, bool partial) {
    scan_problems_ = std::move(problems);
    scan_is_partial_ = partial;
  }
  Text text(const std::string& file) const;
  std::optional<TextHash> text_hash(const std::string& file) const;
  void forget();

  // Called when locate() or line() begin to remember something; on their thread.
  virtual void on_remembering() const {}

 private:
  const std::vector<std::string> paths_;
  std::vector<Problem> scan_problems_;
  bool scan_is_partial_ = false;
  std::map<std::string, Problem> unreadable_;

  mutable std::mutex mutex_;  // guards what follows
  mutable FileSet files_{read_again};
  mutable bool remembering_ = false;
};

// How long to wait for what; tests wait less.
struct Patience {
  std::chrono::milliseconds quiet{10};    // without events before files are read
  std::chrono::milliseconds latest{100};  // after the first event they are read anyway
  // A program that wrote to a file and keeps it open is not waited for longer than this after its last write,
  // unless the file is blank.
  std::chrono::milliseconds open{1'000};
  std::chrono::milliseconds poll{1'000};  // between two scans, where inotify does not help
  bool always_poll = false;
};

class LiveFiles final : public FileSource, private FileWatch::Listener {
 public:
  // `journal` as in watch_files.
  LiveFiles(std::vector<std::string> paths, std::string journal, Patience patience, Batch* first,
            std::function<void(Batch)> on_batch);
  ~LiveFiles() override;

 private:
  using Clock = std::chrono::steady_clock;

  void on_file(const std::string& file, FileWatch::Change change) override;
  void on_structure() override;
  void on_overflow() override;
  void on_remembering() const override;

  void run();
  void wake() const;
  void note();
  std::optional<Clock::time_point> next_deadline() const;
  bool polls() const { return patience_.always_poll || watch_.must_poll(); }
  bool is_open(const std::string& file) const;
  // Reads what is due; nothing when it changes nothing.
  std::optional<Batch> refresh();
  // Scans again; adds the files that look different to `due`, and gives those that are gone.
  std::vector<std::string> rescan(std::set<std::string>& due);
  LastGood& last_good();
  // At the start: has the last good texts stand in for what the files do not show.
  void recall(Batch* first);
  // Brings the last good texts up to date with what was read.
  void update_last_good();
  // Whether looking at this file alone is enough; false asks for a scan.
  bool is_plain_change(const std::string& file) const;
  // A file that we know was touched and is not there.
  bool has_vanished() const;
  bool may_be_ours(const std::string& file) const;

  struct Touched {
    bool open = false;  // written to and not closed
    Clock::time_point last_write;
    bool blank = false;  // and blank, when it was last looked at
  };

  const Patience patience_;
  const std::function<void(Batch)> on_batch_;
  const std::string journal_;
  std::optional<LastGood> last_good_;  // opened when needed: a start without trouble does not wait for it
  FileWatch watch_;
  std::map<std::string, FoundFile> known_;
  bool any_name_ = false;

  // Since the last update_last_good(), or what it could not write.
  // To remember, for they were read and have no errors; and what was read, which is not there any more by
  // then.
  std::map<std::string, Text> good_;
  std::map<std::string, int> bad_;   // other files that were read, and errno
  std::vector<std::string> unseen_;  // remembered files that are unknown at the start
  std::set<std::string> gone_;       // files to forget
  bool starting_ = true;

  // Events since the last refresh.
  std::map<std::string, Touched> touched_;
  bool rescan_ = false;
  bool reread_ = false;
  std::optional<Clock::time_point> first_event_;
  Clock::time_point last_event_;
  Clock::time_point next_poll_;
  std::optional<Clock::time_point> forget_at_;

  int wake_fd_ = -1;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace sluice::source
