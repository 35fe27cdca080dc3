#include "picker/batch_limit.h"

#include <vector>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

struct Scrape {
  std::uint32_t running;
  std::uint32_t waiting;
  std::uint32_t ended;
};

TEST(BatchLimit, ShowsWhereAsManyRunWhileOthersWaitAndABatchEnds) {
  struct Case {
    const char* what;
    std::vector<Scrape> scrapes;
    std::uint32_t limit;
  };
  const Case cases[] = {
      {"nobody waits", {{8, 0, 0}, {8, 0, 4}, {8, 0, 4}, {8, 0, 4}}, 0},
      {"half of them ended", {{8, 3, 0}, {8, 3, 2}, {8, 3, 2}}, 0},
      {"all ended, and others run", {{8, 3, 0}, {8, 3, 4}, {8, 3, 4}}, 8},
      {"they end with the step", {{8, 3, 0}, {7, 3, 4}, {8, 3, 4}}, 8},
      {"what ended before the first scrape does not count", {{8, 3, 20}, {8, 3, 4}}, 0},
      {"ever fewer run: something else holds them up", {{8, 3, 0}, {6, 3, 4}, {4, 3, 4}, {2, 3, 4}}, 0},
      {"now more run, now fewer: so it is with prefills", {{90, 3, 0}, {93, 3, 50}, {90, 3, 50}}, 0},
      {"a prompt is long: nobody ends", {{1, 9, 0}, {1, 9, 0}, {1, 9, 0}}, 0},
      {"in between nobody waited", {{8, 3, 0}, {8, 3, 4}, {8, 0, 4}, {8, 3, 4}}, 0},
      {"it stays when the rush is over", {{8, 3, 0}, {8, 3, 8}, {5, 0, 9}, {0, 0, 5}}, 8},
      {"more run: it was none", {{8, 3, 0}, {8, 3, 8}, {9, 0, 0}}, 0},
      {"more run while others wait: it is another", {{8, 3, 0}, {8, 3, 8}, {16, 3, 9}, {16, 3, 16}}, 16},
      {"the server was restarted with less", {{8, 3, 0}, {8, 3, 8}, {4, 3, 8}, {4, 3, 4}}, 4},
  };
  for (const Case& c : cases) {
    BatchLimit limit;
    for (const Scrape& scrape : c.scrapes) limit.seen(scrape.running, scrape.waiting, scrape.ended);
    EXPECT_EQ(limit.value(), c.limit) << c.what;
  }
}

}  // namespace
}  // namespace sluice::picker
