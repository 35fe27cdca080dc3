#include "picker/exchange/models_list.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ReadModels, TellsAdaptersByTheirParents) {
  EXPECT_THAT(read_models(R"({"object":"list","data":[{"id":"base","permission":[{"id":"p","parent":"x"}]},)"
                          R"({"parent":"base","id":"a\"b"}]})"),
              ElementsAre(ServedModel{"base", false}, ServedModel{"a\"b", true}));
}

TEST(ReadModels, TakesWhatIsThere) {
  EXPECT_THAT(read_models("no json"), IsEmpty());
  EXPECT_THAT(read_models("{\"data\":[{\"id\":\"a\"}]"), IsEmpty());
  EXPECT_THAT(read_models("{\"data\":{}}"), IsEmpty());
  EXPECT_THAT(read_models("{\"data\":{\"x\":{\"id\":\"a\"}}}"), IsEmpty());
  EXPECT_THAT(read_models("{\"other\":[{\"id\":\"a\"}]}"), IsEmpty());
  EXPECT_THAT(read_models("{\"data\":[1,[{\"id\":\"b\"}],{\"id\":2},{\"id\":\"a\",\"parent\":null}]}"),
              ElementsAre(ServedModel{"a", false}));
}

TEST(ReadModels, EndsWithTheLastEntryThatItReads) {
  std::string page = R"({"data":[{"id":"m"})";
  for (std::size_t i = 1; i < kMaxModels + 10; ++i) page += fmt::format(R"(,{{"id":"m{}"}})", i);
  EXPECT_EQ(read_models(page + "]}").size(), kMaxModels);
}

}  // namespace
}  // namespace sluice::picker
