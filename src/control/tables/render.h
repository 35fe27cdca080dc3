// Bytes as a row.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "control/tables/rows.h"
#include "xds/render.h"

namespace sluice::control::tables {

inline Rendered rendered(std::string bytes) {
  Rendered out;
  out.version = xds::content_hash(bytes);
  out.bytes = std::make_shared<const std::string>(std::move(bytes));
  return out;
}

}  // namespace sluice::control::tables
