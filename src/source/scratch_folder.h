// For tests: a folder of its own under /tmp, gone afterwards. Paths are relative to it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace sluice::source {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-source-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string operator/(std::string_view name) const {
    return name.empty() ? path_ : path_ + "/" + std::string(name);
  }
  // In place: truncated, then written.
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(*this / name, std::ios::binary | std::ios::trunc) << text;
  }
  void make_folder(std::string_view name) const { std::filesystem::create_directories(*this / name); }
  void rename(std::string_view from, std::string_view to) const {
    std::filesystem::rename(*this / from, *this / to);
  }
  void remove(std::string_view name) const { std::filesystem::remove_all(*this / name); }
  // `target` is as it will be read: relative to the link.
  void link(std::string_view target, std::string_view name) const {
    std::filesystem::create_symlink(target, *this / name);
  }
  // Puts a link where another link may be, in one step.
  void swap_link(std::string_view target, std::string_view name) const {
    link(target, std::string(name) + "_tmp");
    rename(std::string(name) + "_tmp", name);
  }

 private:
  std::string path_;
};

}  // namespace sluice::source
