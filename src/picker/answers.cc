#include "picker/answers.h"

#include <algorithm>

namespace sluice::picker {
namespace {

Answers needed_by(Score score) {
  switch (score) {
    case Score::kPrefixCache:
      return Answers::kNone;
    case Score::kQueue:
    case Score::kRunning:
    case Score::kKvUsage:
    case Score::kLoraAffinity:
    case Score::kLoadAware:
    case Score::kSession:  // the answer's headers tell the client where it was served
      return Answers::kHeaders;
    case Score::kActiveRequests:
    case Score::kTokenLoad:
      return Answers::kBodies;
  }
  return Answers::kBodies;
}

Answers needed_by(const Stage& stage) {
  Answers needed = stage.choice == Choice::kLowestCost ? Answers::kBodies : Answers::kNone;
  for (const Scorer& scorer : stage.scorers) needed = std::max(needed, needed_by(scorer.by));
  return needed;
}

}  // namespace

Answers needed_answers(const Profile& profile) {
  const bool counts_tokens =
      std::ranges::any_of(profile.limits, [](const RateLimit& limit) { return limit.tokens_per_second > 0; });
  if (profile.admission.queue || counts_tokens) return Answers::kBodies;
  const Answers needed = needed_by(profile.serve);
  return profile.prefill ? std::max(needed, needed_by(*profile.prefill)) : needed;
}

}  // namespace sluice::picker
