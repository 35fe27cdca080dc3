// From files to manifests.
//
// Threads: load_files uses a second thread when there is enough to do; it returns when both are done.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "source/file_set.h"
#include "source/paths.h"

namespace sluice::source {

struct LoadRequest {
  std::string file;
  Text before;                // what it was when it was last read; null when it never was
  bool ignore_blank = false;  // a text of nothing but blanks counts as not written yet
};

struct LoadedFile {
  std::string file;
  Signature signature;               // from before it was read
  int error = 0;                     // errno
  bool ignored = false;              // as ignore_blank says
  Text text;                         // null after an error
  std::optional<Manifest> manifest;  // absent when the text is what it was before
};

// In the order of the requests.
std::vector<LoadedFile> load_files(std::vector<LoadRequest> requests);

// "The file cannot be read", for the errno of a LoadedFile.
Problem unreadable(const LoadedFile& loaded);

}  // namespace sluice::source
