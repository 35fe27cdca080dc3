#include "picker/adapters.h"

#include <array>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

// Each step is a letter: an upper case letter begins a request of an adapter, a lower case letter ends one.
struct Case {
  const char* steps;
  const char* loaded;     // afterwards
  const char* loads;      // would be loaded at once
  const char* must_wait;  // would wait for a slot
};

TEST(AdapterSlots, FollowWhatWasSentAndWhatEnded) {
  const Case cases[] = {
      // steps    loaded  loads   must wait
      {"", "", "ABC", ""},         {"A", "A", "BC", ""},
      {"Aa", "A", "BC", ""},                                   // stays when its request has ended
      {"AaBb", "AB", "C", ""},     {"AaBbCc", "BC", "A", ""},  // A was used longest ago
      {"AaBbAaCc", "AC", "B", ""}, {"AB", "AB", "", "C"},      // both slots are in use
      {"ABC", "AB", "", "C"},                                  // C is sent nevertheless
      {"ABCa", "BC", "", "A"},                                 // A's slot is C's now
      {"AABa", "AB", "", "C"},                                 // one of A's requests goes on
      {"ABb", "AB", "C", ""},
  };
  for (const Case& c : cases) {
    AdapterSlots slots;
    slots.set_slots(2);
    for (const char* step = c.steps; *step != 0; ++step) {
      if (*step < 'a') {
        slots.begin(static_cast<std::uint64_t>(*step));
      } else {
        slots.end(static_cast<std::uint64_t>(*step - 'a' + 'A'));
      }
    }
    std::map<Residency, std::string> found;
    for (const char adapter : std::string("ABC")) {
      found[slots.residency(static_cast<std::uint64_t>(adapter))] += adapter;
    }
    EXPECT_EQ(found[Residency::kLoaded], c.loaded) << c.steps;
    EXPECT_EQ(found[Residency::kLoads], c.loads) << c.steps;
    EXPECT_EQ(found[Residency::kMustWait], c.must_wait) << c.steps;
  }
}

TEST(AdapterSlots, BelieveThePodThatAnAdapterIsLoaded) {
  AdapterSlots slots;
  slots.set_slots(2);
  slots.begin('A');
  slots.seen(std::array<std::uint64_t, 1>{'B'});
  EXPECT_EQ(slots.residency('B'), Residency::kLoaded);
}

}  // namespace
}  // namespace sluice::picker
