#include "picker/exchange/endpoints_file.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace sluice::picker {
namespace {

using testing::ElementsAre;

std::vector<std::string> addresses(const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> list;
  for (const Endpoint& endpoint : endpoints) list.push_back(endpoint.address);
  return list;
}

class AFile : public testing::Test {
 protected:
  ~AFile() override { std::filesystem::remove(path_); }
  void write(const std::string& text) { std::ofstream(path_) << text; }

  const std::string path_ =
      std::filesystem::temp_directory_path() / ("endpoints_file_test." + std::to_string(::getpid()));
  Loop loop_;  // has the file's timer
  EndpointsFile file_{{Endpoint{.address = "10.0.0.1:1"}, Endpoint{.address = "10.0.0.2:1"}}, path_};
};

TEST_F(AFile, AddsToWhatIsGiven) {
  write("10.0.0.3:1\n10.0.0.2:1 zone=a\n");
  EXPECT_THAT(addresses(*file_.read()), ElementsAre("10.0.0.3:1", "10.0.0.2:1", "10.0.0.1:1"));
}

TEST_F(AFile, ThatIsNotThereIsAProblem) {
  EXPECT_EQ(file_.read().error().message, "the file of endpoints cannot be read");
}

TEST_F(AFile, IsReadAgainWhenItChanges) {
  write("10.0.0.3:1");
  ASSERT_TRUE(file_.read());
  std::vector<std::string> told;
  file_.watch(
      loop_,
      [&](const std::vector<Endpoint>& endpoints) {
        told.push_back(endpoints.front().address);
        loop_.quit();
      },
      [&](const Problem& problem) {
        told.push_back(problem.message);
        write("10.0.0.44:1");
      });
  write("10.0.0.4:1 none");
  const Loop::Timer late = loop_.after(std::chrono::seconds(20), [&] { loop_.quit(); });
  loop_.run();
  EXPECT_THAT(told, ElementsAre("`none` is no label", "10.0.0.44:1"));
}

}  // namespace
}  // namespace sluice::picker
