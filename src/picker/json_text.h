// Texts in JSON's strings and back.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace sluice::picker {

// What stands between the quotes for `text`: quotes, backslashes and control characters are escaped, and all
// else stays as it is.
std::string escape_json(std::string_view text);

// What a string says. `raw` is what stands between its quotes and has been read as JSON. Halves of a pair of
// UTF-16 that stand alone become U+FFFD.
std::string unescape_json(std::string_view raw);

}  // namespace sluice::picker
