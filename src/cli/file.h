// Files that commands write.
#pragma once

#include <filesystem>
#include <string>

#include "cli/console.h"

namespace sluice::cli {

// kOwner: nobody else may read the file, for private keys may be in it.
enum class Access { kAll, kOwner };

// Replaces what is there. False, and said so, where the file cannot be written.
bool write_file(const std::filesystem::path& file, const std::string& text, Console& console,
                Access access = Access::kAll);

}  // namespace sluice::cli
