// ir::Duration → google.protobuf.Duration.
#pragma once

#include "google/protobuf/duration.pb.h"

#include "ir/ir.h"

namespace sluice::xds {

inline void fill_duration(ir::Duration from, google::protobuf::Duration* to) {
  to->set_seconds(from.count() / 1'000);
  to->set_nanos(static_cast<std::int32_t>(from.count() % 1'000) * 1'000'000);
}

}  // namespace sluice::xds
