#include "source/text_lines.h"

#include <gtest/gtest.h>

namespace sluice::source {
namespace {

TextLines lines_of(std::string text) {
  return TextLines(std::make_shared<const std::string>(std::move(text)));
}

TEST(TextLines, ALineIsWithoutItsEnd) {
  const TextLines lines = lines_of("a\r\n\nb");
  EXPECT_EQ(lines.line(1), "a");
  EXPECT_EQ(lines.line(2), "");
  EXPECT_EQ(lines.line(3), "b");
  for (const std::uint32_t none : {0U, 4U, ~0U}) EXPECT_EQ(lines.line(none), "") << none;
  EXPECT_EQ(lines_of("").line(1), "");
  EXPECT_EQ(lines_of("a\n").line(2), "");
}

TEST(TextLines, SeveralAreAsTheyStandInTheText) {
  const TextLines lines = lines_of("a\nb\r\nc\n");
  EXPECT_EQ(lines.lines(1, 3), "a\nb\r\n");
  EXPECT_EQ(lines.lines(2, 0), "b\r\nc\n");
  EXPECT_EQ(lines.lines(2, 9), "b\r\nc\n");
  EXPECT_EQ(lines.lines(3, 2), "");
  EXPECT_EQ(lines.lines(9, 0), "");
}

TEST(TextLines, ADocumentEndsBeforeASeparator) {
  const std::string first = "a: 1\nb: 2\n";
  const std::string second = "---\nc: 3\n";
  const std::string third = "--- # next\nd: 4";
  const TextLines lines = lines_of(first + second + third);
  for (std::uint32_t line = 1; line <= 6; ++line) {
    EXPECT_EQ(lines.document_around(line), line <= 2 ? first : line <= 4 ? second : third) << line;
  }
  EXPECT_EQ(lines.document_around(0), "");
  EXPECT_EQ(lines.document_around(7), "");
}

}  // namespace
}  // namespace sluice::source
