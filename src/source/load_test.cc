#include "source/load.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "source/scratch_folder.h"
#include "tree/parse.h"

namespace sluice::source {
namespace {

LoadedFile load(const std::string& file) { return load_files({{.file = file}}).at(0); }

TEST(LoadFiles, OfAFileThatIsTooLargeJustEnoughToSaySo) {
  const ScratchFolder folder;
  folder.write("sparse.yaml", "a: 1\n");
  std::filesystem::resize_file(folder / "sparse.yaml", std::uintmax_t{1} << 40);
  // The second one never ends.
  for (const std::string& file : {folder / "sparse.yaml", std::string("/dev/zero")}) {
    const LoadedFile loaded = load(file);
    EXPECT_EQ(loaded.error, 0);
    ASSERT_NE(loaded.text, nullptr);
    EXPECT_EQ(loaded.text->size(), kMaxTextBytes + 1);
    ASSERT_EQ(loaded.manifest.value().problems.size(), 1U);
    EXPECT_EQ(loaded.manifest->problems[0].code, "syntax/too-large");
    EXPECT_EQ(loaded.manifest->problems[0].where.file, file);
  }
}

TEST(LoadFiles, AFileIsReadWhole) {
  const ScratchFolder folder;
  const std::string text = "a: " + std::string(100'000, 'x') + "\n";
  folder.write("a.yaml", text);
  EXPECT_EQ(*load(folder / "a.yaml").text, text);
}

}  // namespace
}  // namespace sluice::source
