// What pools count, as a page for Prometheus.
//
// Threads: pure function; the pools may be used meanwhile.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "picker/exchange/pool.h"
#include "picker/exchange/scraper.h"

namespace sluice::picker {

struct PoolReading {
  // The label `pool` of all its series; empty: they have none.
  std::string name;
  Pool& pool;
  std::vector<Scraper::Server> servers;
};

// A family stands there once, with the series of all pools.
std::string metrics_page(std::span<const PoolReading> pools);

// A page of somebody who is one of several, each of which has pools of its own.
struct NamedPage {
  std::string name;
  std::string page;
};

// One page of these, with a family once. The series of a page with a name get it as this label. What is no
// series of a family that has been described is left out.
std::string join_pages(std::string_view label, std::span<const NamedPage> pages);

}  // namespace sluice::picker
