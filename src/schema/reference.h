// A Type as a reference page in Markdown.
//
// Threads: a pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/type.h"

namespace sluice::schema {

// The page of a kind: what it is, its versions, and a section for each object in it, with its fields and
// rules. Objects that are alike have one section.
std::string reference_page(std::string_view kind, const std::vector<std::string>& api_versions,
                           bool is_namespaced, const Type& type);

}  // namespace sluice::schema
