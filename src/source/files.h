// Resources from files: YAML and JSON, several documents a file, List kinds, folders and what is in them,
// patterns. What each path means is in paths.h.
//
// - Where a document of a file is no YAML or JSON, the objects that the file had and that cannot be seen now
//   keep their last good version; the other documents count. An object that the schema refuses keeps its last
//   good version; one that never was good is absent. Either way it is reported. Live, last good
//   versions outlive restarts.
// - The same object twice: the first by path, then by place, wins; the others are "conflict/duplicate"
//   problems that name both places. When the first goes, the next takes its place.
// - Live, a file that goes away from a folder that can be listed takes its objects with it. One of which it
//   cannot be seen whether it is there (paths.h) keeps them.
// - Live: inotify on folders, so that atomic renames, editors' temporary files and symlink swaps (Kubernetes'
//   ..data) are seen; a path that does not exist is waited for. Changes are read after 10 ms of quiet,
//   100 ms at most; 100 ms when a file went away. A file that a program has written to and not closed is read
//   when it closes it, or, unless it is blank, 1 s after the last write. A file whose content did not change
//   posts nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "source/source.h"

namespace sluice::source {

// Reads everything once. "-" is standard input, called "<stdin>" in problems. A path that leads to nothing is
// a problem ("syntax/no-such-file"). The returned source only locates.
std::unique_ptr<Source> read_files(const std::vector<std::string>& paths, Batch* batch);

// Reads everything into *first, then watches and hands every further batch to on_batch, on a thread of its
// own, one at a time. `journal` is a file that remembers the last good text of each file for the next start
// (last_good.h), in a folder that nobody else may look into; empty: nothing is remembered.
std::unique_ptr<Source> watch_files(const std::vector<std::string>& paths, const std::string& journal,
                                    Batch* first, std::function<void(Batch)> on_batch);

// The text of line `line` (from 1) of a file as the source last read it, for printing under a problem; empty
// when there is none. Any thread.
std::string source_line(const Source& source, const std::string& file, unsigned line);

}  // namespace sluice::source
