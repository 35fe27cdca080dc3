#include "picker/flow_queue.h"

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

Time at(int milliseconds) { return Time(std::chrono::milliseconds(milliseconds)); }

// "a0": flow a, priority 0. The ticket is the place in the text.
std::vector<Waiting> read(const std::string& text) {
  std::vector<Waiting> made;
  for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
    Waiting waiting;
    waiting.ticket = made.size() + 1;
    waiting.request.fairness_id = text.substr(i, 1);
    waiting.request.priority = text[i + 1] - '5';
    waiting.deadline = at(1000);
    made.push_back(std::move(waiting));
  }
  return made;
}

std::string write(const Waiting& waiting) {
  return waiting.request.fairness_id + static_cast<char>(waiting.request.priority + '5') +
         std::to_string(waiting.ticket);
}

std::string drain(FlowQueue& queue) {
  std::string order;
  while (const auto waiting = queue.next(100, [](const Waiting&) { return true; })) {
    order += (order.empty() ? "" : " ") + write(*waiting);
  }
  return order;
}

TEST(FlowQueue, ServesPrioritiesStrictlyAndFlowsInTurn) {
  // A flow, its priority (5 is none), and where it stands.
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"a5 a5 a5", "a51 a52 a53"},
      {"a5 a5 a5 b5", "a51 b54 a52 a53"},
      {"a5 a5 b5 b5 c5", "a51 b53 c55 a52 b54"},
      {"a5 a6 a4 a6", "a62 a64 a51 a43"},
      {"a5 a5 b6 b5 a5", "b63 a51 b54 a52 a55"},
  };
  for (const auto& [come, served] : cases) {
    FlowQueue queue(100, 1 << 20);
    std::vector<Waiting> shed;
    for (Waiting& waiting : read(come)) EXPECT_TRUE(queue.push(std::move(waiting), shed));
    EXPECT_EQ(drain(queue), served) << come;
    EXPECT_TRUE(shed.empty());
    EXPECT_EQ(queue.bytes(), 0);
  }
}

TEST(FlowQueue, ServesThoseWhoAreLateAfterTheOthersOfTheirPriority) {
  struct Case {
    const char* come;
    std::vector<int> wanted;  // milliseconds; it is 100
    const char* served;
  };
  const Case cases[] = {
      {"a5 a5 a5", {50, 150, 150}, "a52 a53 a51"},
      {"a5 a5 a5", {150, 50, 150}, "a51 a53 a52"},  // whoever is before them
      {"a5 a5 a5", {70, 50, 60}, "a52 a53 a51"},    // all are late: as they became so
      {"a5 a5 b5 b5", {50, 150, 50, 150}, "a52 b54 a51 b53"},
      {"a5 a6 a4", {150, 50, 150}, "a62 a51 a43"},  // a priority is above all
      {"a5 a5", {100, 150}, "a51 a52"},             // it can be in time still
  };
  for (const Case& c : cases) {
    FlowQueue queue(100, 1 << 20);
    std::vector<Waiting> shed;
    for (Waiting& waiting : read(c.come)) {
      waiting.wanted = at(c.wanted[waiting.ticket - 1]);
      queue.push(std::move(waiting), shed);
    }
    queue.outdate(at(100));
    EXPECT_EQ(drain(queue), c.served) << c.come;
  }
}

TEST(FlowQueue, ShedsWhoMattersLeastWhenItIsFull) {
  struct Case {
    const char* come;  // to a queue of three
    const char* shed;
    const char* served;
  };
  const Case cases[] = {
      {"a5 a5 a5 a5", "a54", "a51 a52 a53"},  // who comes last
      {"a5 a4 a5 a5", "a42", "a51 a53 a54"},  // a lower priority
      {"a5 a5 a5 a4", "a44", "a51 a52 a53"}, {"a4 a4 a4 a5", "a43", "a54 a41 a42"},
      {"a5 a5 a5 b5", "a53", "a51 b54 a52"},  // a flow that has more
      {"a5 a5 b5 b5", "b54", "a51 b53 a52"},  // but not one that has as many then
      {"a6 a6 a6 b5", "b54", "a61 a62 a63"},
  };
  for (const Case& c : cases) {
    FlowQueue queue(3, 1 << 20);
    std::string gone;
    for (Waiting& waiting : read(c.come)) {
      const std::string name = write(waiting);
      std::vector<Waiting> shed;
      if (!queue.push(std::move(waiting), shed)) gone += name;
      for (const Waiting& one : shed) gone += write(one);
    }
    EXPECT_EQ(gone, c.shed) << c.come;
    EXPECT_EQ(drain(queue), c.served) << c.come;
  }
}

TEST(FlowQueue, HasABoundInBytes) {
  FlowQueue queue(1'000'000, 1 << 20);
  std::size_t in = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    Waiting waiting;
    waiting.ticket = i;
    waiting.request.prompt.resize(1000);
    std::vector<Waiting> shed;
    in += queue.push(std::move(waiting), shed);
  }
  EXPECT_LE(queue.bytes(), 1 << 20);
  EXPECT_EQ(in, queue.size());
  EXPECT_GT(in, 100);
}

TEST(FlowQueue, OffersTheNextFlowWhereTheFirstOfOneCannotGo) {
  FlowQueue queue(100, 1 << 20);
  std::vector<Waiting> shed;
  for (Waiting& waiting : read("a5 a5 b5")) queue.push(std::move(waiting), shed);
  const auto only_b = [](const Waiting& waiting) { return waiting.request.fairness_id == "b"; };
  EXPECT_EQ(write(*queue.next(100, only_b)), "b53");
  EXPECT_FALSE(queue.next(100, only_b));
  EXPECT_EQ(queue.size(), 2);
}

TEST(FlowQueue, GivesUpThoseWhoseTimeIsOver) {
  FlowQueue queue(100, 1 << 20);
  std::vector<Waiting> shed;
  int deadline = 300;
  for (Waiting& waiting : read("a5 a5 a5")) {
    waiting.deadline = at(deadline -= 100);
    queue.push(std::move(waiting), shed);
  }
  EXPECT_EQ(queue.first_deadline(), at(0));
  EXPECT_EQ(queue.expired(at(150)).size(), 2);
  EXPECT_EQ(drain(queue), "a51");
  EXPECT_EQ(queue.first_deadline(), std::nullopt);
}

TEST(FlowQueue, ForgetsWhoseClientIsGone) {
  FlowQueue queue(100, 1 << 20);
  std::vector<Waiting> shed;
  for (Waiting& waiting : read("a5 b5 a5")) queue.push(std::move(waiting), shed);
  EXPECT_TRUE(queue.erase(1));
  EXPECT_FALSE(queue.erase(1));
  EXPECT_EQ(drain(queue), "a53 b52");
}

TEST(FlowQueue, KnowsTheWorkBeforeANewcomer) {
  FlowQueue queue(100, 1 << 20);
  std::vector<Waiting> shed;
  for (Waiting& waiting : read("a5 b6 a4 a5 b6")) {
    const bool late = waiting.ticket > 3;
    waiting.work = Duration(1 << waiting.ticket);
    if (late) waiting.wanted = at(50);
    queue.push(std::move(waiting), shed);
  }
  queue.outdate(at(100));
  EXPECT_EQ(queue.work_before(2), Duration(0));
  EXPECT_EQ(queue.work_before(1), Duration(4));
  EXPECT_EQ(queue.work_before_late(1), Duration(4 + 32));
  EXPECT_EQ(queue.work_before(0), Duration(4 + 32 + 2));
  EXPECT_EQ(queue.work_before_late(0), Duration(4 + 32 + 2 + 16));
  EXPECT_EQ(queue.work_before(-1), Duration(4 + 32 + 2 + 16 + 8));
}

TEST(FlowQueue, ShedsTheLateFirstOfAFlow) {
  FlowQueue queue(2, 1 << 20);
  std::vector<Waiting> shed;
  for (Waiting& waiting : read("a5 a5 a6")) {
    if (waiting.ticket == 1) waiting.wanted = at(50);
    if (waiting.ticket == 3) queue.outdate(at(100));
    EXPECT_TRUE(queue.push(std::move(waiting), shed));
  }
  ASSERT_EQ(shed.size(), 1);
  EXPECT_EQ(write(shed[0]), "a51");
  EXPECT_EQ(drain(queue), "a63 a52");
}

}  // namespace
}  // namespace sluice::picker
