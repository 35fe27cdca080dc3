// The conditions of all objects as a file of YAML documents, for people and scripts to look at.
//
// The file is made on a thread of its own, from rows that nobody changes any more: of thousands of objects
// that takes longer than a commit, and a disk may be slow. Who hands rows over waits for neither.
//
// Threads: write() from one thread at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "control/pipeline.h"
#include "observe/snapshot.h"

namespace sluice::control {

// The rows of the last commit.
std::vector<observe::Snapshot::Statuses> status_rows(const Pipeline& pipeline);

class StatusFile {
 public:
  using Rows = std::vector<observe::Snapshot::Statuses>;

  StatusFile(std::string file, std::string controller_name);
  // Waits until what was handed over last is in the file.
  ~StatusFile();
  StatusFile(const StatusFile&) = delete;
  StatusFile& operator=(const StatusFile&) = delete;

  // Replaces the file as a whole, soon: of several calls the last one counts. Where it cannot be written, as
  // on a full disk, the old one stays. The first of such failures is logged, and the end of them: what is
  // served does not depend on it. `then` is called on the file's thread afterwards.
  void write(Rows rows, std::function<void()> then = nullptr);

 private:
  struct Job {
    Rows rows;
    std::function<void()> then;
  };
  void run();
  void replace(Rows rows);

  const std::string file_;
  const std::string controller_name_;
  bool failing_ = false;  // of the thread

  std::mutex mutex_;
  std::condition_variable news_;
  std::optional<Job> next_;
  bool ending_ = false;

  std::thread thread_;  // last: it uses the rest
};

}  // namespace sluice::control
