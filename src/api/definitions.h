// The schemas of the kinds in the forms of others: CustomResourceDefinitions, JSON Schemas, reference pages.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.h"
#include "tree/tree.h"

namespace sluice::api {

// The CustomResourceDefinition as upstream's, with our descriptions and messages; null for the kinds of
// other groups.
Tree custom_resource_definition(const KindInfo& kind);

// The plural name of a kind that has a CustomResourceDefinition: "httproutes". Else empty.
std::string_view plural_of(const KindInfo& kind);

// What an API server calls the kind in its paths, whoever defines it: "httproutes", "pods".
std::string_view resource_name_of(const KindInfo& kind);

// The kind that `word` means to kubectl: its name, plural or short name, with or without its group, in any
// letter case. Null where there is none.
const KindInfo* kind_called(std::string_view word);

// For a file that holds any number of objects of these kinds.
Tree json_schema_of(const std::vector<KindInfo>& kinds);

// Markdown.
std::string reference_page_of(const KindInfo& kind);
// The list of the pages, each as "<kind>.md" in lower case.
std::string reference_index(const std::vector<KindInfo>& kinds);

}  // namespace sluice::api
