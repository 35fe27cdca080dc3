// Whole files, as state is kept in them: read at once, and replaced at once.
//
// Threads: any. Of two that replace one file at the same time, either may fail.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace sluice {

// The file's text; nothing where it cannot be read.
std::optional<std::string> read_file(const std::string& path);

// Which end of the machine a written file outlives.
enum class Lasting {
  // Any. So writing waits for the disk; it is not for what happens often.
  kForGood,
  // None: after a crash of the machine the file may be empty. Nobody waits.
  kWhileUp,
};

// Replaces the file, or makes it, with mode 0600. Whoever reads it finds the old text or the new one, whole,
// at any time and after this process has crashed at any time. Once it has returned it is the new one. The
// error is a sentence.
//
// On the way there is a file `<path>.new`; one that a crash has left is overwritten.
std::expected<void, std::string> write_file(const std::string& path, std::string_view text,
                                            Lasting lasting = Lasting::kForGood);

}  // namespace sluice
