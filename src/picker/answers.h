// What a profile needs to see of the answers of model servers.
//
// A profile that reckons in work and time (our own, the scorers of tokens and of open requests, the queue)
// learns from bodies: when the first token was there, how many tokens there were, and when the answer ended.
// llm-d's scorers of what servers say of themselves need to know no more than that the answer has begun:
// until then the request counts as one that was sent since the last scrape, afterwards the server says it.
// And what does not look at load at all needs nothing.
//
// Threads: pure functions.
#pragma once

#include <cstdint>

#include "picker/profile.h"

namespace sluice::picker {

enum class Answers : std::uint8_t {
  kNone,     // a request counts as ended once it is sent
  kHeaders,  // ... with the headers of its answer
  kBodies,   // ... with its answer
};

Answers needed_answers(const Profile& profile);

}  // namespace sluice::picker
