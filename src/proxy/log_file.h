// The files that Envoys write their output to.
//
// An Envoy keeps its file open for its whole life, and appends. So a file that has become too long is copied
// to
// "<path>.1" and emptied in place; a line that is written in between may be lost.
//
// Threads: any, one at a time for a path.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::proxy {

std::uint64_t file_size(const std::string& path);

// Keeps the last max_bytes of a longer file as "<path>.1".
void rotate_log(const std::string& path, std::uint64_t max_bytes);

// The last lines, at most `lines`, of what has been written since the file had the size `from`; without the
// line end of the last one.
std::string last_lines(const std::string& path, std::uint64_t from, int lines);

// The last bytes, at most `bytes`.
std::string last_bytes(const std::string& path, std::uint64_t bytes);

}  // namespace sluice::proxy
