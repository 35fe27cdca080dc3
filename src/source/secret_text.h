// Which documents are nobody's business, told from the text alone: a text with a mistake in it may be no
// YAML, but it is a Secret all the same.
//
// Threads: pure function.
#pragma once

#include <string_view>

namespace sluice::source {

// Whether the document is a Secret, or may have one in it.
bool may_be_secret(std::string_view document);

}  // namespace sluice::source
