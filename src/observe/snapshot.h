// One commit as people look at it. The control thread hands out rows, which nobody changes any more; what is
// made of them is made by whoever asked.
//
// Threads: a plain value; its rows are shared and constant.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "translate/rows.h"

namespace sluice::observe {

struct Snapshot {
  std::uint64_t commit = 0;
  std::string controller_name;

  struct Statuses {
    GroupKind kind;
    std::vector<std::pair<NamespacedName, std::shared_ptr<const translate::ObjectStatus>>> rows;
  };
  std::vector<Statuses> statuses;
  std::vector<std::pair<ObjectKey, std::shared_ptr<const translate::RouteResult>>> routes;
  std::vector<std::shared_ptr<const translate::ProxyPlan>> proxies;
  std::shared_ptr<const std::vector<Problem>> problems;  // some without a place; never null
};

}  // namespace sluice::observe
