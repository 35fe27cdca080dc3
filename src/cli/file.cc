#include "cli/file.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "base/error_text.h"

namespace sluice::cli {

bool write_file(const std::filesystem::path& file, const std::string& text, Console& console, Access access) {
  errno = 0;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (access == Access::kOwner) {
    using std::filesystem::perms;
    std::error_code error;  // what is wrong, writing will tell
    std::filesystem::permissions(file, perms::owner_read | perms::owner_write, error);
  }
  out << text;
  out.close();
  if (out) return true;
  console.err << paint("error:", kRed, console.err_color)
              << fmt::format(" cannot write {}\n", error_text(file.string(), errno));
  return false;
}

}  // namespace sluice::cli
