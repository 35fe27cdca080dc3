#include "xds/filters/order.h"

#include <set>

#include <gtest/gtest.h>

namespace sluice::xds {
namespace {

TEST(FilterOrder, EachTypeOnceAndTheRouterLast) {
  std::set<std::string_view> types;
  for (const HttpFilter& filter : http_filters())
    EXPECT_TRUE(types.insert(filter.type).second) << filter.type;
  EXPECT_EQ(http_filters().back().type, "envoy.filters.http.router");
  EXPECT_NE(http_filters().back().add, nullptr);
}

}  // namespace
}  // namespace sluice::xds
