// Resources from files: YAML and JSON, several documents a file, List kinds, folders (recursively: *.yaml, *.yml,
// *.json; hidden files and editors' backups are left out), globs.
//
// - A file that is no YAML or JSON keeps the last good version of its objects, and is a problem. An object that the
//   schema refuses keeps its last good version; one that never was good is absent. Either way it is reported.
// - The same object twice: the first by path, then by line, wins; the others are "conflict/duplicate" problems that
//   name both places. When the first goes, the next takes its place.
// - Live: inotify on folders, so that atomic renames, editors' temporary files and symlink swaps (Kubernetes'
//   ..data) are seen; a path that does not exist yet is waited for. Changes are read after 10 ms of quiet, 100 ms at
//   most. A file whose content did not change posts nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "source/source.h"

namespace sluice::source {

// Reads everything once. "-" is standard input. A path that leads to nothing is a problem ("syntax/no-such-file").
// The returned source only locates.
std::unique_ptr<Source> read_files(const std::vector<std::string>& paths, Batch* batch);

// Reads everything into *first, then watches and hands every further batch to on_batch, on a thread of its own,
// one at a time.
std::unique_ptr<Source> watch_files(const std::vector<std::string>& paths, Batch* first,
                                    std::function<void(Batch)> on_batch);

// The text of line `line` (from 1) of a file as the source last read it, for printing under a problem; empty when
// there is none. Any thread.
std::string source_line(const Source& source, const std::string& file, unsigned line);

}  // namespace sluice::source
