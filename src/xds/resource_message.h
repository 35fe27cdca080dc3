// The protobuf message of a type of resources.
#pragma once

#include <memory>

#include "google/protobuf/message.h"

#include "xds/render.h"

namespace sluice::xds {

std::unique_ptr<google::protobuf::Message> new_message(ResourceType type);

}  // namespace sluice::xds
