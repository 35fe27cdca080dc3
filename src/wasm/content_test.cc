#include "wasm/content.h"

#include <cstddef>
#include <cstring>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ModuleIn : public testing::Test {
 protected:
  Result<Spool> unpack(std::string_view bytes) {
    auto spool = Spool::create(folder_.path());
    EXPECT_TRUE(spool->append(bytes));
    return module_in(std::move(*spool), artifact_, folder_.path(), limits_);
  }
  // Of the module that is found.
  std::string digest(std::string_view bytes) {
    const auto module = unpack(bytes);
    return module ? module->sha256() : module.error().message;
  }
  Failure failure(std::string_view bytes) {
    const auto module = unpack(bytes);
    return module ? Failure{} : module.error();
  }

  Folder folder_;
  ContentLimits limits_;
  Artifact artifact_ = Artifact::kWasm;
  const std::string module_ = module_bytes("filter");
};

TEST_F(ModuleIn, AModuleIsTakenAsItIs) { EXPECT_EQ(digest(module_), sha256_of(module_)); }

TEST_F(ModuleIn, AModuleIsFoundInEachKindOfArchive) {
  EXPECT_EQ(digest(gzip_of(module_)), sha256_of(module_));
  EXPECT_EQ(digest(tar_of({{"plugin.wasm", module_}})), sha256_of(module_));
  EXPECT_EQ(digest(tar_gz_of({{"a/b/plugin.wasm", module_}})), sha256_of(module_));
}

TEST_F(ModuleIn, PluginWasmIsPreferredWhereverItStands) {
  const TarEntry other{"other.wasm", module_bytes("other")};
  const TarEntry plugin{"./plugin.wasm", module_};
  EXPECT_EQ(digest(tar_of({other, plugin})), sha256_of(module_));
  EXPECT_EQ(digest(tar_of({plugin, other})), sha256_of(module_));
}

TEST_F(ModuleIn, TheOnlyModuleIsTakenWhateverItsName) {
  EXPECT_EQ(digest(tar_gz_of({{"README.md", "read me"}, {"filter.wasm", module_}})), sha256_of(module_));
}

TEST_F(ModuleIn, OfSeveralModulesNoneIsGuessed) {
  const auto error = failure(tar_of({{"a.wasm", module_}, {"b.wasm", module_}}));
  EXPECT_EQ(error.reason, Reason::kNotModule);
  EXPECT_THAT(error.message, HasSubstr("`a.wasm`, `b.wasm`"));
}

TEST_F(ModuleIn, AnArchiveWithoutAModuleIsSaid) {
  EXPECT_THAT(failure(tar_of({{"README.md", "read me"}})).message, HasSubstr("no `*.wasm` file"));
}

TEST_F(ModuleIn, WhatIsNoModuleIsNamed) {
  EXPECT_THAT(failure("<!DOCTYPE html><html>").message, HasSubstr("an HTML page"));
  EXPECT_THAT(failure("\n<HTML>").message, HasSubstr("an HTML page"));
  EXPECT_THAT(failure(R"({"error": 1})").message, HasSubstr("it is JSON"));
  EXPECT_THAT(failure("not found").message, HasSubstr("it is text"));
  EXPECT_THAT(failure("").message, HasSubstr("it is empty"));
  EXPECT_THAT(failure("\x7f"
                      "ELF\x02")
                  .message,
              HasSubstr("for a processor"));
  EXPECT_THAT(failure(std::string("\0asm\x0d\0\x01\0", 8)).message, HasSubstr("component"));
  EXPECT_THAT(failure(std::string("\0asm\x02\0\0\0", 8)).message, HasSubstr("another version"));
  EXPECT_THAT(failure(std::string("\0as", 3)).message, HasSubstr("does not begin as one"));
  EXPECT_THAT(failure(gzip_of("text")).message, HasSubstr("what is in the archive"));
}

TEST_F(ModuleIn, ABombIsRefusedByItsRatio) {
  const auto error = failure(gzip_of(std::string(64U << 20U, 'x')));
  EXPECT_EQ(error.reason, Reason::kTooLarge);
  EXPECT_THAT(error.message, HasSubstr("200 times"));
}

TEST_F(ModuleIn, ABombBesideTheModuleCountsToo) {
  const auto bomb = tar_gz_of({{"plugin.wasm", module_}, {"zeros", std::string(64U << 20U, '\0')}});
  EXPECT_EQ(failure(bomb).reason, Reason::kTooLarge);
}

TEST_F(ModuleIn, AnArchiveUnpacksToALimitedSize) {
  limits_.max_bytes = 100'000;
  EXPECT_EQ(failure(tar_of({{"plugin.wasm", module_bytes(std::string(200'000, 'x'))}})).reason,
            Reason::kTooLarge);
}

TEST_F(ModuleIn, AnArchiveHasALimitedNumberOfEntries) {
  limits_.max_entries = 2;
  const auto error = failure(tar_of({{"a", ""}, {"b", ""}, {"plugin.wasm", module_}}));
  EXPECT_THAT(error.message, HasSubstr("more than 2 entries"));
}

TEST_F(ModuleIn, AnArchiveThatIsCutOffIsDamaged) {
  const std::string whole = tar_gz_of({{"plugin.wasm", module_bytes(std::string(5'000, 'x'))}});
  EXPECT_EQ(failure(std::string_view(whole).substr(0, whole.size() / 2)).reason, Reason::kMalformed);
}

TEST_F(ModuleIn, NothingIsLeftBehind) {
  failure(tar_gz_of({{"plugin.wasm", module_}, {"zeros", std::string(64U << 20U, '\0')}}));
  digest(gzip_of(module_));
  EXPECT_THAT(folder_.files(), IsEmpty());
}

TEST_F(ModuleIn, ASpoolThatIsMovedIsReadableByAll) {
  auto module = unpack(module_);
  ASSERT_TRUE(module->move_to(folder_.path() + "/x"));
  EXPECT_THAT(folder_.files(), ElementsAre("x"));
  EXPECT_EQ(read_file(folder_.path() + "/x"), module_);
}

// ---- shared libraries -----------------------------------------------------------------------------------

class LibraryIn : public ModuleIn {
 protected:
  LibraryIn() { artifact_ = Artifact::kLibrary; }
  // With this at its place in the header of ELF.
  template <typename T>
  static std::string with(std::size_t offset, T value) {
    std::string bytes = library_bytes();
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
    return bytes;
  }
};

TEST_F(LibraryIn, ALibraryForThisMachineIsTakenAsItIs) {
  EXPECT_EQ(digest(library_bytes("a")), sha256_of(library_bytes("a")));
  const std::string own = read_file("/proc/self/exe");  // position-independent: as a library to the loader
  EXPECT_EQ(digest(own), sha256_of(own));
}

TEST_F(LibraryIn, OneForAnotherMachineIsNot) {
  const auto error = failure(with<Elf64_Half>(offsetof(Elf64_Ehdr, e_machine), EM_RISCV));
  EXPECT_EQ(error.reason, Reason::kNotModule);
  EXPECT_THAT(error.message, HasSubstr("it is for RISC-V, and Envoy runs on "));
  EXPECT_THAT(failure(with<Elf64_Half>(offsetof(Elf64_Ehdr, e_machine), 4'711)).message,
              HasSubstr("a processor of number 4711"));
  EXPECT_THAT(failure(with<unsigned char>(EI_CLASS, ELFCLASS32)).message, HasSubstr("another processor"));
  EXPECT_THAT(failure(with<unsigned char>(EI_DATA, ELFDATA2MSB)).message, HasSubstr("another processor"));
}

TEST_F(LibraryIn, WhatIsElfAndNoLibraryIsNot) {
  EXPECT_THAT(failure(with<Elf64_Half>(offsetof(Elf64_Ehdr, e_type), ET_EXEC)).message,
              HasSubstr("it is a program; link it with `-shared`"));
  EXPECT_THAT(failure(with<Elf64_Half>(offsetof(Elf64_Ehdr, e_type), ET_REL)).message,
              HasSubstr("it is an object file"));
  EXPECT_THAT(failure(with<Elf64_Half>(offsetof(Elf64_Ehdr, e_type), ET_CORE)).message,
              HasSubstr("of another kind"));
}

TEST_F(LibraryIn, OneThatIsCutOffIsNot) {
  const std::string whole = library_bytes(std::string(5'000, 'x'));
  EXPECT_THAT(failure(whole.substr(0, 30)).message, HasSubstr("it is cut off"));
  EXPECT_THAT(failure(whole.substr(0, 80)).message, HasSubstr("it is cut off"));
  EXPECT_THAT(failure(whole.substr(0, 4'000)).message, HasSubstr("it is cut off"));
  EXPECT_THAT(failure(with<Elf64_Off>(offsetof(Elf64_Ehdr, e_phoff), ~Elf64_Off{0})).message,
              HasSubstr("it is cut off"));
}

TEST_F(LibraryIn, WhatIsSomethingElseIsSaid) {
  EXPECT_THAT(failure(module_).message, HasSubstr("it is WebAssembly, which belongs in `wasm` of a policy"));
  EXPECT_THAT(failure(gzip_of(library_bytes())).message, HasSubstr("it is an archive"));
  EXPECT_THAT(failure("<!DOCTYPE html><p>404").message, HasSubstr("it is an HTML page"));
  EXPECT_THAT(failure("MZ and more").message, HasSubstr("another system than Linux"));
  EXPECT_THAT(failure("").message, HasSubstr("it is empty"));
}

}  // namespace
}  // namespace sluice::wasm
