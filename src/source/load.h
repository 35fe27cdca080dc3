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
  std::optional<TextHash> before;  // of its text when it was last read; nothing when it never was
  bool once = false;               // it can be read once only
  bool ignore_blank = false;       // a text of nothing but blanks counts as not written yet
};

struct LoadedFile {
  std::string file;
  Signature signature;               // from before it was read
  int error = 0;                     // errno
  bool ignored = false;              // as ignore_blank says
  Text text;                         // null after an error
  bool keep = false;                 // the file does not give the text again
  std::optional<Manifest> manifest;  // absent when the text is what it was before
};

// In the order of the requests.
std::vector<LoadedFile> load_files(std::vector<LoadRequest> requests);

// The text that a file has now; null where it cannot be read, or only once.
Text read_again(const std::string& file);

// "The file cannot be read", for the errno of a LoadedFile.
Problem unreadable(const LoadedFile& loaded);

}  // namespace sluice::source
