#include "control/module_store.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

TEST(ModuleStore, TellsWhatBecameOfASource) {
  const source::ScratchFolder folder;
  std::atomic<int> changes = 0;
  auto store = start_module_store({.cache{.folder = folder / "wasm"}}, [&] { ++changes; });
  ASSERT_TRUE(store) << store.error().message;
  // Nobody listens at port 1.
  const wasm::Source source = wasm::HttpSource{.url = "http://127.0.0.1:1/a.wasm"};
  (*store)->want({source});
  while (changes == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const wasm::State state = (*store)->state(source);
  ASSERT_TRUE(std::holds_alternative<wasm::Failed>(state));
  EXPECT_EQ(std::get<wasm::Failed>(state).failure.reason, wasm::Reason::kUnreachable);
}

TEST(ModuleStore, DoesNotStartWhereItsFolderCannotBe) {
  const source::ScratchFolder folder;
  folder.write("file", "in the way");
  const auto store = start_module_store({.cache{.folder = folder / "file"}}, [] {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, wasm::Reason::kStorage);
}

}  // namespace
}  // namespace sluice::control
