#include "base/program_pages.h"

#include <cstdint>
#include <string_view>

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

namespace sluice {
namespace {

std::size_t drop_pages_of(const dl_phdr_info& object) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  std::size_t dropped = 0;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    // A page that is shared with the segment behind is left to that one.
    const std::uintptr_t begin = (object.dlpi_addr + segment.p_vaddr) / page * page;
    const std::uintptr_t end = (object.dlpi_addr + segment.p_vaddr + segment.p_memsz) / page * page;
    if (begin >= end) continue;
    // Of a mapping of a file that is private, but was never written to, this is the file's content again.
    if (::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0) dropped += end - begin;
  }
  return dropped;
}

// Such an object has relocations in segments that may not be written to: its pages are not those of the file.
bool has_text_relocations(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

}  // namespace

std::size_t drop_program_pages() {
  std::size_t dropped = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* sum) {
        // The program has no name; the kernel's own object has one without a folder, and is no file.
        const std::string_view name = object->dlpi_name;
        if (!name.empty() && !name.contains('/')) return 0;
        if (!has_text_relocations(*object)) *static_cast<std::size_t*>(sum) += drop_pages_of(*object);
        return 0;
      },
      &dropped);
  return dropped;
}

}  // namespace sluice
