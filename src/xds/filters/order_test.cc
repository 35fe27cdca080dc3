#include "xds/filters/order.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

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

TEST(FilterOrder, AllPositionsHoldWhateverTheirOrder) {
  const std::string lua = "envoy.filters.http.lua";
  const std::string service = "envoy.filters.http.ext_proc";
  const std::string module = "envoy.filters.http.dynamic_modules";
  const std::vector<ir::FilterMove> moves{{.filter = lua, .other = service},
                                          {.filter = service, .other = module}};
  std::vector<std::string_view> users;
  for (const HttpFilter* filter : http_filters(moves)) {
    if (filter->type == lua || filter->type == service || filter->type == module)
      users.push_back(filter->type);
  }
  EXPECT_EQ(users, (std::vector<std::string_view>{module, service, lua}));
}

}  // namespace
}  // namespace sluice::xds
