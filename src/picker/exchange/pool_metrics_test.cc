#include "picker/exchange/pool_metrics.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sluice::picker {
namespace {

std::string joined(const std::vector<NamedPage>& pages) { return join_pages("proxy", pages); }

TEST(JoinPages, AFamilyStandsOnceAndItsSeriesSayWhose) {
  EXPECT_EQ(
      joined({{"", "# HELP a All.\n# TYPE a counter\na{pool=\"x\"} 1\n# HELP b Now.\n# TYPE b gauge\nb 2\n"},
              {"default/web",
               "# HELP a All.\n# TYPE a counter\na{pool=\"y\"} 3\n# HELP b Now.\n# TYPE b gauge\nb 4\n"}}),
      "# HELP a All.\n# TYPE a counter\na{pool=\"x\"} 1\na{proxy=\"default/web\",pool=\"y\"} 3\n"
      "# HELP b Now.\n# TYPE b gauge\nb 2\nb{proxy=\"default/web\"} 4\n");
}

TEST(JoinPages, AFamilyThatOnlyOneHasIsThereToo) {
  EXPECT_EQ(joined({{"a", "# TYPE one gauge\none 1\n"}, {"b", "# TYPE two gauge\ntwo{} 2\n"}}),
            "# TYPE one gauge\none{proxy=\"a\"} 1\n# TYPE two gauge\ntwo{proxy=\"b\"} 2\n");
}

TEST(JoinPages, WhatIsNoSeriesOfADescribedFamilyIsLeftOut) {
  EXPECT_EQ(joined({{"a", "stray 1\n# TYPE one gauge\nother 1\none_more 1\n\none 1\none 2 and no end"}}),
            "# TYPE one gauge\none{proxy=\"a\"} 1\n");
}

TEST(JoinPages, NothingOfNothing) { EXPECT_EQ(joined({}), ""); }

}  // namespace
}  // namespace sluice::picker
