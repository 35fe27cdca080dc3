#include "wasm/content.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/letter_case.h"
#include "base/quote.h"
#include "wasm/library.h"

namespace sluice::wasm {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kWasm = "\0asm"sv;
constexpr std::string_view kPluginName = "plugin.wasm";
constexpr std::size_t kNamesShown = 5;
constexpr std::uint64_t kRatioFrom = 1U << 20U;

bool printable(std::string_view text) {
  return std::ranges::none_of(
      text, [](unsigned char c) { return c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'); });
}

bool begins_with_tag(std::string_view text, std::string_view tag) {
  return equal_but_for_case(text.substr(0, tag.size()), tag);
}

// Of what is not a WebAssembly module.
std::string_view description(Content content) {
  switch (content) {
    case Content::kComponent:
      return "it is a WebAssembly component; Envoy runs core modules: build it for wasm32-wasip1 or "
             "wasm32-unknown-unknown, not for wasm32-wasip2";
    case Content::kOtherVersion:
      return "it is WebAssembly of another version than 1";
    case Content::kGzip:
    case Content::kZstandard:
    case Content::kTar:
      return "it is an archive within an archive";
    case Content::kHtml:
      return "it is an HTML page";
    case Content::kJson:
      return "it is JSON";
    case Content::kElf:
    case Content::kNative:
      return "it is a program or library for a processor, not for WebAssembly";
    case Content::kText:
      return "it is text";
    case Content::kEmpty:
      return "it is empty";
    case Content::kModule:
    case Content::kUnknown:
      break;
  }
  return "it does not begin as one";
}

// The processor that this program, and so Envoy beside it, is built for.
#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "the ELF machine of this processor is to be named here"
#endif

std::string machine_name(Elf64_Half machine) {
  constexpr std::array kNames{
      std::pair<Elf64_Half, std::string_view>{EM_X86_64, "x86-64"},
      std::pair<Elf64_Half, std::string_view>{EM_AARCH64, "AArch64"},
      std::pair<Elf64_Half, std::string_view>{EM_386, "x86 of 32 bits"},
      std::pair<Elf64_Half, std::string_view>{EM_ARM, "ARM of 32 bits"},
      std::pair<Elf64_Half, std::string_view>{EM_RISCV, "RISC-V"},
      std::pair<Elf64_Half, std::string_view>{EM_PPC64, "POWER"},
      std::pair<Elf64_Half, std::string_view>{EM_S390, "S/390"},
  };
  const auto* const known = std::ranges::find(kNames, machine, [](const auto& name) { return name.first; });
  return known == kNames.end() ? fmt::format("a processor of number {}", machine)
                               : std::string(known->second);
}

template <typename T>
T read_at(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// That all the file has which is loaded, as far as its head tells.
bool is_whole(const Elf64_Ehdr& header, std::string_view head, std::uint64_t size) {
  for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
    const std::uint64_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
    if (at < header.e_phoff || at + sizeof(Elf64_Phdr) < at) return false;
    if (at + sizeof(Elf64_Phdr) > size) return false;
    if (at + sizeof(Elf64_Phdr) > head.size()) continue;
    const auto part = read_at<Elf64_Phdr>(head, at);
    if (part.p_type == PT_LOAD && (part.p_offset > size || part.p_filesz > size - part.p_offset))
      return false;
  }
  return true;
}

bool is_archive(Content content) {
  return content == Content::kGzip || content == Content::kZstandard || content == Content::kTar;
}

// Why it is no shared library for this machine; empty where it is one.
std::string library_fault(const Spool& download) {
  const std::string_view head = download.head();
  const Content content = recognise(head);
  if (content == Content::kModule || content == Content::kComponent || content == Content::kOtherVersion) {
    return "it is WebAssembly, which belongs in `wasm` of a policy";
  }
  if (is_archive(content)) return "it is an archive, and the URL has to be that of the library itself";
  if (content == Content::kNative) return "it is for another system than Linux";
  if (content != Content::kElf) return std::string(description(content));
  if (head.size() < sizeof(Elf64_Ehdr)) return "it is cut off";
  constexpr unsigned char kData = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  const auto header = read_at<Elf64_Ehdr>(head, 0);
  if (header.e_ident[EI_DATA] == kData && header.e_machine != kMachine) {
    return fmt::format("it is for {}, and Envoy runs on {}", machine_name(header.e_machine),
                       machine_name(kMachine));
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != kData) {
    return fmt::format("it is for another processor than {}", machine_name(kMachine));
  }
  if (header.e_type == ET_EXEC) return "it is a program; link it with `-shared`";
  if (header.e_type == ET_REL) return "it is an object file; link it with `-shared`";
  if (header.e_type != ET_DYN || header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return "it is an ELF file of another kind";
  }
  return is_whole(header, head, download.size()) ? "" : "it is cut off";
}

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

// Reads an archive once, from its beginning to its end, and keeps the module.
class Unpacking {
 public:
  Unpacking(Spool packed, std::string folder, const ContentLimits& limits)
      : packed_(std::move(packed)),
        folder_(std::move(folder)),
        limits_(limits),
        reader_(archive_read_new()) {}

  Result<Spool> run() {
    archive* reader = reader_.get();
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_zstd(reader);
    archive_read_support_format_tar(reader);
    archive_read_support_format_raw(reader);  // a stream that is no tar file: one entry
    constexpr std::size_t kBlock = 64U << 10U;
    if (archive_read_open_fd(reader, packed_.rewind(), kBlock) != ARCHIVE_OK) return broken();
    while (true) {
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(reader, &entry);
      if (status == ARCHIVE_EOF) break;
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return broken();
      if (++entries_ > limits_.max_entries) {
        return fail(Reason::kTooLarge,
                    fmt::format("the archive has more than {} entries", limits_.max_entries));
      }
      if (auto read = take(entry); !read) return std::unexpected(read.error());
    }
    return result();
  }

 private:
  std::unexpected<Failure> broken() const {
    return fail(Reason::kMalformed, "the archive is damaged or cut off");
  }

  Result<void> take(archive_entry* entry) {
    const char* path = archive_entry_pathname(entry);
    const std::string name = path != nullptr ? path : "";
    const std::string_view base = std::string_view(name).substr(name.rfind('/') + 1);
    const bool raw = archive_format(reader_.get()) == ARCHIVE_FORMAT_RAW;
    const bool file =
        raw || (archive_entry_filetype(entry) == AE_IFREG && archive_entry_hardlink(entry) == nullptr);
    const bool plugin = file && !plugin_ && (raw || base == kPluginName);
    const bool candidate = file && !plugin && base.ends_with(".wasm");
    if (candidate) names_.push_back(name);
    std::optional<Spool> copy;
    if (plugin || (candidate && !module_)) {
      auto spool = Spool::create(folder_);
      if (!spool) return std::unexpected(spool.error());
      copy = std::move(*spool);
    }
    if (auto read = read_entry(copy ? &*copy : nullptr); !read) return read;
    if (copy) module_ = std::move(*copy);
    plugin_ = plugin_ || plugin;
    return {};
  }

  // To its end, wanted or not: what is only skipped is unpacked all the same, and must count.
  Result<void> read_entry(Spool* copy) {
    std::int64_t expected = 0;
    while (true) {
      if (auto within = check_size(); !within) return within;
      const void* data = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int status = archive_read_data_block(reader_.get(), &data, &size, &offset);
      if (status == ARCHIVE_EOF) return {};
      if (status != ARCHIVE_OK) return broken();
      if (copy == nullptr) continue;
      if (offset != expected) return fail(Reason::kMalformed, "the module in the archive is a sparse file");
      expected += static_cast<std::int64_t>(size);
      if (auto appended = copy->append({static_cast<const char*>(data), size}); !appended) return appended;
    }
  }

  Result<void> check_size() const {
    const auto unpacked = static_cast<std::uint64_t>(archive_filter_bytes(reader_.get(), 0));
    if (unpacked > limits_.max_bytes) {
      return fail(Reason::kTooLarge,
                  fmt::format("the archive unpacks to more than the limit of {} bytes", limits_.max_bytes));
    }
    if (unpacked > kRatioFrom && unpacked / std::max<std::uint64_t>(packed_.size(), 1) > limits_.max_ratio) {
      return fail(Reason::kTooLarge,
                  fmt::format("the archive unpacks to more than {} times its size", limits_.max_ratio));
    }
    return {};
  }

  Result<Spool> result() {
    if (!plugin_ && names_.size() > 1) {
      const std::size_t shown = std::min(names_.size(), kNamesShown);
      return fail(
          Reason::kNotModule,
          fmt::format("the archive has several modules and none is named `{}`: {}{}", kPluginName,
                      fmt::join(names_ | std::views::take(shown) | std::views::transform(quote), ", "),
                      shown < names_.size() ? ", …" : ""));
    }
    if (!module_) return fail(Reason::kNotModule, "the archive has no `*.wasm` file");
    return std::move(*module_);
  }

  Spool packed_;
  std::string folder_;
  const ContentLimits& limits_;
  std::unique_ptr<archive, FreeArchive> reader_;
  std::size_t entries_ = 0;
  std::optional<Spool> module_;
  bool plugin_ = false;             // module_ is the one with the name
  std::vector<std::string> names_;  // of the others
};

}  // namespace

Content recognise(std::string_view head) {
  if (head.empty()) return Content::kEmpty;
  if (head.starts_with(kWasm)) {
    const auto version = head.substr(kWasm.size(), 4);
    if (version == "\x01\0\0\0"sv) return Content::kModule;
    // Of components the last two bytes are the layer.
    return version.size() == 4 && version[2] == 1 ? Content::kComponent : Content::kOtherVersion;
  }
  if (head.starts_with("\x1f\x8b")) return Content::kGzip;
  if (head.starts_with("\x28\xb5\x2f\xfd")) return Content::kZstandard;
  if (head.size() > 262 && head.substr(257, 5) == "ustar") return Content::kTar;
  if (head.starts_with(ELFMAG)) return Content::kElf;
  if (head.starts_with("MZ") || head.starts_with("\xcf\xfa\xed\xfe")) return Content::kNative;
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  const auto first = head.find_first_not_of(" \t\r\n");
  const auto text = first == std::string_view::npos ? std::string_view() : head.substr(first);
  if (begins_with_tag(text, "<!doctype html") || begins_with_tag(text, "<html")) return Content::kHtml;
  if (!printable(head)) return Content::kUnknown;
  return text.starts_with('{') || text.starts_with('[') ? Content::kJson : Content::kText;
}

Result<Spool> module_in(Spool download, Artifact artifact, const std::string& folder,
                        const ContentLimits& limits) {
  if (artifact == Artifact::kLibrary) {
    const std::string fault = library_fault(download);
    if (fault.empty()) return download;
    return fail(Reason::kNotModule,
                fmt::format("what the server sent is not a shared library for this machine: {}", fault));
  }
  std::string_view what = "what the server sent";
  if (is_archive(recognise(download.head()))) {
    if (!load_archive().empty()) return fail(Reason::kStorage, load_archive());
    auto unpacked = Unpacking(std::move(download), folder, limits).run();
    if (!unpacked) return unpacked;
    download = std::move(*unpacked);
    what = "what is in the archive";
  }
  const Content content = recognise(download.head());
  if (content != Content::kModule) {
    return fail(Reason::kNotModule,
                fmt::format("{} is not a WebAssembly module: {}", what, description(content)));
  }
  return download;
}

}  // namespace sluice::wasm
