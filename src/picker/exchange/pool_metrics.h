// What pools count, as a page for Prometheus.
//
// Threads: pure function; the pools may be used meanwhile.
#pragma once

#include <span>
#include <string>
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

}  // namespace sluice::picker
