#include "extproc/frame.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::extproc {
namespace {

using Result = FrameReader::Result;

std::string frame_of(std::string_view message) {
  std::string out;
  const std::size_t begin = begin_frame(out);
  out.append(message);
  end_frame(out, begin);
  return out;
}

// However the bytes are cut, the messages are the same.
TEST(FrameReader, AnyCutGivesTheSameMessages) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> messages;
    std::string stream;
    for (unsigned i = random() % 6; i > 0; --i) {
      messages.push_back(std::string(random() % 300, static_cast<char>('a' + i)));
      stream += frame_of(messages.back());
    }
    FrameReader reader;
    std::vector<std::string> got;
    for (std::string_view rest = stream; !rest.empty();) {
      std::string_view chunk = rest.substr(0, 1 + random() % 40 * (random() % 40));
      rest.remove_prefix(chunk.size());
      while (!chunk.empty()) {
        std::string_view message;
        if (reader.next(chunk, 1000, message) == Result::kMessage) got.emplace_back(message);
      }
    }
    ASSERT_EQ(got, messages);
    ASSERT_EQ(reader.partial_bytes(), 0U);
  }
}

TEST(FrameReader, AWholeMessageIsNotCopied) {
  const std::string bytes = frame_of("hello");
  FrameReader reader;
  std::string_view chunk = bytes;
  std::string_view message;
  ASSERT_EQ(reader.next(chunk, 100, message), Result::kMessage);
  EXPECT_EQ(message.data(), bytes.data() + kFramePrefix);
}

TEST(FrameReader, ALargeMessageIsRefusedByItsPrefix) {
  const std::string bytes = frame_of(std::string(101, 'x')).substr(0, kFramePrefix);
  FrameReader reader;
  std::string_view chunk = bytes;
  std::string_view message;
  EXPECT_EQ(reader.next(chunk, 100, message), Result::kTooLarge);
}

TEST(FrameReader, ACompressedMessageIsRefused) {
  FrameReader reader;
  std::string_view chunk("\1\0\0\0\0", 5);
  std::string_view message;
  EXPECT_EQ(reader.next(chunk, 100, message), Result::kCompressed);
}

TEST(FrameReader, AClaimedLengthTakesNoMemory) {
  FrameReader reader;
  const std::string prefix("\0\x7f\xff\xff\xff", 5);
  std::string_view chunk = prefix;
  std::string_view message;
  EXPECT_EQ(reader.next(chunk, 0xffffffff, message), Result::kMore);
  EXPECT_EQ(reader.partial_bytes(), 5U);
}

}  // namespace
}  // namespace sluice::extproc
