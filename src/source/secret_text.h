// Which lines of a document nobody may see, told from its text alone: a text with a mistake in it may be no
// YAML, and a misspelt Secret no Secret, but what is in it is a secret all the same. So a line may be seen
// only where it is plain that it belongs to something else.
//
// Threads: pure function.
#pragma once

#include <string_view>
#include <vector>

namespace sluice::source {

// The parts of the document that may be a Secret, or a Secret's data: all of it where it does not say plainly
// that it is of another kind; else what is under a key like `data` or `stringData`, which no other kind has
// but a ConfigMap.
std::vector<std::string_view> secret_parts(std::string_view document);

}  // namespace sluice::source
