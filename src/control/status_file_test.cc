#include "control/status_file.h"

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/file_size_limit.h"
#include "control/sample_objects.h"
#include "source/scratch_folder.h"

namespace sluice::control {
namespace {

using namespace sample;  // NOLINT: its words are ours

class StatusFileTest : public ::testing::Test {
 protected:
  StatusFileTest() { add("b"); }

  void add(const std::string& route) {
    pipeline_.upsert(gateway());
    pipeline_.upsert(bound(route, http_route({route + ".example.com"}, {rule("/", {{"s"}})})));
    pipeline_.commit();
  }
  // Has it written, and waits.
  void write(StatusFile& file) const {
    std::promise<void> written;
    file.write(status_rows(pipeline_), [&written] { written.set_value(); });
    written.get_future().get();
  }
  std::string text() const { return read_file(path_).value_or(""); }
  bool has(const std::string& name) const { return text().contains("name: " + name + "\n  namespace:"); }

  source::ScratchFolder folder_;
  const std::string path_ = folder_ / "status.yaml";
  Pipeline pipeline_{settings()};
};

TEST_F(StatusFileTest, HasAllObjectsByKindAndName) {
  StatusFile file(path_, "controller");
  write(file);
  EXPECT_TRUE(has("gateway") && has("b")) << text();
  add("a");
  write(file);
  const std::size_t a = text().find("  name: a\n");
  EXPECT_LT(text().find("  name: gateway\n"), a);
  EXPECT_LT(a, text().find("  name: b\n"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(StatusFileTest, HasWhatWasHandedOverLastWhenItEnds) {
  {
    StatusFile file(path_, "controller");
    for (const char* name : {"c", "d", "e"}) {
      add(name);
      file.write(status_rows(pipeline_));
    }
  }
  EXPECT_TRUE(has("e")) << text();
}

TEST_F(StatusFileTest, WhereItCannotBeWrittenTheOldOneStays) {
  StatusFile file(path_, "controller");
  write(file);
  const std::string before = text();
  add("c");
  {
    const FileSizeLimit full(before.size());
    write(file);
  }
  EXPECT_EQ(text(), before);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
  write(file);
  EXPECT_TRUE(has("c")) << text();
}

}  // namespace
}  // namespace sluice::control
