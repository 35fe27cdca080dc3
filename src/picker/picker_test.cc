#include "picker/picker.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice::picker {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

Time at(double s) { return Time(Duration(static_cast<std::int64_t>(s * 1e6))); }

// "a", "b", …
std::vector<Endpoint> pods(int n) {
  std::vector<Endpoint> made;
  for (int i = 0; i < n; ++i) made.push_back({.address = std::string(1, static_cast<char>('a' + i))});
  return made;
}

// `blocks` blocks that begin as all prompts of this seed do.
Request request(std::uint64_t seed, std::size_t blocks) {
  Request made;
  made.model = "m";
  made.prompt_tokens = static_cast<std::uint32_t>(blocks * kBlockTokens);
  std::uint64_t hash = seed * 0x9e3779b97f4a7c15;
  for (std::size_t i = 0; i < blocks; ++i) {
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9 + i;
    made.prompt.push_back(hash ^ (hash >> 32));
  }
  return made;
}

std::string first(const Decision& decision) {
  const auto* picked = std::get_if<Picked>(&decision);
  return picked == nullptr ? "none" : std::string(picked->addresses.front());
}
Ticket ticket(const Decision& decision) {
  if (const auto* queued = std::get_if<Queued>(&decision)) return queued->ticket;
  return std::get<Picked>(decision).ticket;
}
bool refused(const Decision& decision, Refusal reason) {
  const auto* refused = std::get_if<Refused>(&decision);
  return refused != nullptr && refused->reason == reason;
}

Load load(std::uint32_t waiting, std::uint32_t running, double kv) {
  Load made;
  made.waiting = waiting;
  made.running = running;
  made.kv_usage = kv;
  made.max_adapters = 2;
  return made;
}

Profile unqueued() {
  Profile profile = default_profile();
  profile.admission.queue = false;
  return profile;
}

Profile scores(std::vector<Scorer> scorers) {
  Profile profile = unqueued();
  profile.serve.choice = Choice::kMaxScore;
  profile.serve.scorers = std::move(scorers);
  return profile;
}

TEST(Picker, SpreadsRequestsBetweenTwoScrapes) {
  for (const Profile& profile : {default_profile(), scores({{Score::kQueue}}), scores({{Score::kRunning}})}) {
    Picker picker(profile);
    picker.set_endpoints(pods(3));
    for (const Endpoint& pod : pods(3)) picker.observe(pod.address, {});
    std::set<std::string> used;
    for (std::uint64_t i = 0; i < 3; ++i) used.insert(first(picker.decide(request(i, 10), at(0))));
    EXPECT_THAT(used, UnorderedElementsAre("a", "b", "c"));
  }
}

TEST(Picker, SaysWhyNobodyIsThere) {
  Picker picker(default_profile());
  EXPECT_TRUE(refused(picker.decide(request(1, 1), at(0)), Refusal::kNoEndpoint));
  picker.set_endpoints(pods(2));
  Request elsewhere = request(1, 1);
  elsewhere.subset = {"x", "y"};
  EXPECT_TRUE(refused(picker.decide(elsewhere, at(0)), Refusal::kNoEndpoint));
}

TEST(Picker, NamesOthersToFallBackOn) {
  Picker picker(default_profile());
  picker.set_endpoints(pods(6));
  const auto picked = std::get<Picked>(picker.decide(request(1, 1), at(0)));
  EXPECT_EQ(picked.addresses.size(), kMaxAddresses);
  EXPECT_EQ(std::set<std::string_view>(picked.addresses.begin(), picked.addresses.end()).size(),
            kMaxAddresses);
}

// What speaks for pod b in each case is all that tells the pods apart.
TEST(Picker, KnowsWhatSpeaksForAPod) {
  struct Case {
    const char* what;
    void (*before)(Picker& picker);
    Request request;
  };
  const auto busy_a = [](Picker& picker) {
    picker.observe("a", load(5, 5, 0));
    picker.observe("c", load(5, 5, 0));
  };
  Request adapter = request(3, 1);
  adapter.adapter = "french";
  Request subset = request(5, 1);
  subset.subset = {"b", "unknown"};
  Request session = request(6, 40);
  session.session = "b";
  Request listed = request(7, 1);
  listed.model = "other";
  const Case cases[] = {
      {"a shorter queue", busy_a, request(1, 1)},
      {"the prompt's beginning",
       [](Picker& picker) {
         Request before = request(2, 40);
         before.subset = {"b"};
         picker.finished(ticket(picker.decide(std::move(before), at(0))), {}, at(0));
       },
       request(2, 50)},
      {"the adapter",
       [](Picker& picker) {
         Request before = request(9, 1);
         before.adapter = "french";
         before.subset = {"b"};
         picker.finished(ticket(picker.decide(std::move(before), at(0))), {}, at(0));
       },
       adapter},
      {"the adapter, as the pod says",
       [](Picker& picker) {
         Load active = load(0, 1, 0);
         active.running_adapters = {"french"};
         picker.observe("b", active);
       },
       adapter},
      {"the gateway's subset", [](Picker&) {}, subset},
      {"the session", [](Picker&) {}, session},
      {"that it lists the model",
       [](Picker& picker) {
         std::vector<Endpoint> endpoints = pods(3);
         for (Endpoint& endpoint : endpoints) endpoint.models = {"m"};
         endpoints[1].models = {"m", "other"};
         picker.set_endpoints(endpoints);
       },
       listed},
      {"that the others do not answer",
       [](Picker& picker) {
         picker.lost("a");
         picker.lost("c");
       },
       request(8, 1)},
  };
  for (const Case& c : cases) {
    Picker picker(default_profile());
    picker.set_endpoints(pods(3));
    c.before(picker);
    EXPECT_EQ(first(picker.decide(c.request, at(1))), "b") << c.what;
  }
}

// A profile of one scorer: it decides as llm-d's plugin does.
TEST(Picker, ScoresAsThePluginsDo) {
  struct Case {
    const char* plugin;
    Score by;
    void (*before)(Picker& picker);
    const char* adapter;
    const char* best;
  };
  const Case cases[] = {
      {"queue-scorer", Score::kQueue,
       [](Picker& picker) {
         picker.observe("a", load(3, 0, 0));
         picker.observe("b", load(1, 9, 0.9));
         picker.observe("c", load(2, 0, 0));
       },
       "", "b"},
      {"running-requests-size-scorer", Score::kRunning,
       [](Picker& picker) {
         picker.observe("a", load(0, 3, 0));
         picker.observe("b", load(0, 2, 0));
         picker.observe("c", load(0, 1, 0.9));
       },
       "", "c"},
      {"kv-cache-utilization-scorer", Score::kKvUsage,
       [](Picker& picker) {
         picker.observe("a", load(5, 5, 0.2));
         picker.observe("b", load(0, 0, 0.3));
         picker.observe("c", load(0, 0, 0.4));
       },
       "", "a"},
      {"lora-affinity-scorer: active before free", Score::kLoraAffinity,
       [](Picker& picker) {
         Load active = load(0, 1, 0);
         active.running_adapters = {"french"};
         picker.observe("c", active);
       },
       "french", "c"},
      {"lora-affinity-scorer: free before waiting", Score::kLoraAffinity,
       [](Picker& picker) {
         Load full = load(0, 2, 0);
         full.running_adapters = {"x", "y"};
         picker.observe("a", full);
         full.waiting_adapters = {"french"};
         picker.observe("c", full);
         full.waiting_adapters.clear();
         full.running_adapters = {"x"};
         picker.observe("b", full);
       },
       "french", "b"},
      {"lora-affinity-scorer: waiting before full", Score::kLoraAffinity,
       [](Picker& picker) {
         Load full = load(0, 2, 0);
         full.running_adapters = {"x", "y"};
         picker.observe("a", full);
         picker.observe("b", full);
         full.waiting_adapters = {"french"};
         picker.observe("c", full);
       },
       "french", "c"},
  };
  for (const Case& c : cases) {
    Picker picker(scores({{c.by}}));
    picker.set_endpoints(pods(3));
    c.before(picker);
    Request asked = request(1, 1);
    asked.adapter = c.adapter;
    EXPECT_EQ(first(picker.decide(asked, at(1))), c.best) << c.plugin;
  }
}

TEST(Picker, AddsScoresByWeight) {
  // llm-d's default profile. Pod a has the prompt, pod b the shorter queue.
  const std::vector<Scorer> weights = {{Score::kQueue, 2}, {Score::kKvUsage, 2}, {Score::kPrefixCache, 3}};
  for (const auto& [cached_blocks, best] : {std::pair{10, "a"}, std::pair{5, "b"}}) {
    Picker picker(scores(weights));
    picker.set_endpoints(pods(2));
    Request before = request(1, static_cast<std::size_t>(cached_blocks));
    before.subset = {"a"};
    picker.finished(ticket(picker.decide(before, at(0))), {}, at(0));
    picker.observe("a", load(1, 0, 0));
    EXPECT_EQ(first(picker.decide(request(1, 10), at(1))), best) << cached_blocks;
  }
}

TEST(Picker, ChoosesAtRandomInProportionToScores) {
  Profile profile = scores({{Score::kKvUsage}});
  profile.serve.choice = Choice::kWeightedRandom;
  Picker picker(profile, 3);
  picker.set_endpoints(pods(2));
  picker.observe("b", load(0, 0, 0.75));
  std::map<std::string, int> counts;
  for (int i = 0; i < 10000; ++i) {
    const Decision decision = picker.decide(request(1, 1), at(0));
    ++counts[first(decision)];
    picker.dropped(ticket(decision), at(0));
  }
  EXPECT_NEAR(counts["a"], 8000, 200);
}

// As llm-d's prefill-filter and decode-filter have it.
LabelFilter for_role(const std::string& role) { return {std::string(kRoleLabel), {role, "both"}, true}; }

TEST(Picker, FiltersByLabelAndRole) {
  std::vector<Endpoint> endpoints = pods(4);
  endpoints[0].labels["tier"] = "slow";
  endpoints[1].labels["tier"] = "fast";
  endpoints[2].labels.emplace(kRoleLabel, "prefill");
  struct Case {
    Stage stage;
    std::vector<std::string> left;
  };
  const Case cases[] = {
      {{.filters = {{"tier", {"fast"}}}}, {"b"}},
      {{.filters = {{"tier", {}}}}, {"a", "b"}},
      {{.filters = {{"tier", {"fast"}, true}}}, {"b", "c", "d"}},
      {{.filters = {for_role("decode")}}, {"a", "b", "d"}},
      {{.filters = {{"tier", {"fast"}, true}, for_role("prefill")}}, {"b", "c", "d"}},
  };
  for (const Case& c : cases) {
    Profile profile = default_profile();
    profile.serve = c.stage;
    Picker picker(profile);
    picker.set_endpoints(endpoints);
    const auto picked = std::get<Picked>(picker.decide(request(1, 1), at(0)));
    std::vector<std::string> found(picked.addresses.begin(), picked.addresses.end());
    std::ranges::sort(found);
    EXPECT_EQ(found, c.left);
  }
}

TEST(Picker, HasLongPromptsPrefilledElsewhere) {
  Profile profile = default_profile();
  profile.serve.filters = {for_role("decode")};
  profile.prefill = Stage{.filters = {for_role("prefill")}};
  profile.prefill_threshold = 1000;
  std::vector<Endpoint> endpoints = pods(4);
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    endpoints[i].labels.emplace(kRoleLabel, i < 2 ? "prefill" : "decode");
  }
  Picker picker(profile);
  picker.set_endpoints(endpoints);

  const Decision long_one = picker.decide(request(1, 100), at(0));
  const auto& picked = std::get<Picked>(long_one);
  EXPECT_THAT(std::string(picked.prefiller), testing::AnyOf("a", "b"));
  EXPECT_THAT(first(long_one), testing::AnyOf("c", "d"));
  EXPECT_EQ(picker.reserved(picked.prefiller).prefill_tokens, 6400);
  EXPECT_EQ(picker.reserved(picked.addresses[0]).prefill_tokens, 0);
  EXPECT_GT(picker.reserved(picked.addresses[0]).kv_tokens, 6400);

  EXPECT_EQ(std::get<Picked>(picker.decide(request(2, 10), at(0))).prefiller, "") << "a short prompt";
  EXPECT_EQ(std::get<Picked>(picker.decide(request(1, 105), at(0))).prefiller, "") << "a cached prompt";
  picker.finished(picked.ticket, {}, at(1));
  EXPECT_EQ(picker.reserved(picked.prefiller), Reserved{});
}

TEST(Picker, LearnsHowLongPrefillsTake) {
  // Pod b needs ten times as long. After some responses it has about a tenth of the prompts that a has.
  Picker picker(default_profile());
  picker.set_endpoints(pods(2));
  std::map<std::string, double> free_at;
  std::map<std::string, int> counts;
  std::multimap<double, Ticket> first_tokens;
  const auto place = [&](const Decision& decision, double now) {
    if (!std::holds_alternative<Picked>(decision)) return;
    double& busy_until = free_at[first(decision)];
    busy_until = std::max(busy_until, now) + (first(decision) == "a" ? 0.08 : 0.8);
    first_tokens.emplace(busy_until, ticket(decision));
    if (now > 40) ++counts[first(decision)];
  };
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const double now = static_cast<double>(i) * 0.08;
    while (!first_tokens.empty() && first_tokens.begin()->first <= now) {
      const auto [when, ticket] = *first_tokens.begin();
      first_tokens.erase(first_tokens.begin());
      picker.first_token(ticket, at(when));
      picker.finished(ticket, {.completion_tokens = 10}, at(when + 0.001));
    }
    for (const auto& late : picker.advance(at(now))) place(late.decision, now);
    place(picker.decide(request(i + 100, 16), at(now)), now);
  }
  EXPECT_GT(counts["a"], 6 * counts["b"]) << counts["a"] << " " << counts["b"];
}

TEST(Picker, MovesAReservationToWhereTheGatewayWent) {
  Picker picker(default_profile());
  picker.set_endpoints(pods(2));
  const Decision decision = picker.decide(request(1, 10), at(0));
  const std::string other = first(decision) == "a" ? "b" : "a";
  const Reserved before = picker.reserved(first(decision));
  picker.served_by(ticket(decision), other);
  EXPECT_EQ(picker.reserved(first(decision)), Reserved{});
  EXPECT_EQ(picker.reserved(other), before);
  picker.served_by(ticket(decision), "elsewhere");
  EXPECT_EQ(picker.reserved(other), Reserved{});
  EXPECT_EQ(picker.open_tickets(), 0);
}

// A prompt of a second keeps each of two pods busy.
struct Overloaded {
  explicit Overloaded(Profile profile = default_profile()) : picker(std::move(profile)) {
    picker.set_endpoints(pods(2));
    for (std::uint64_t i = 0; i < 2; ++i) {
      Request long_one = request(i, 125);
      long_one.objective = std::chrono::hours(1);
      open.push_back(ticket(picker.decide(long_one, at(0))));
    }
  }
  Decision ask(int priority, const char* flow = "", std::size_t blocks = 10,
               Duration objective = std::chrono::hours(1)) {
    Request asked = request(1000 + ++asked_, blocks);
    asked.priority = priority;
    asked.fairness_id = flow;
    asked.objective = objective;
    return picker.decide(asked, at(0));
  }
  std::vector<Picker::Late> end_all(double now) {
    for (const Ticket ticket : open) picker.dropped(ticket, at(now));
    open.clear();
    return picker.advance(at(now));
  }
  Picker picker;
  std::vector<Ticket> open;
  std::uint64_t asked_ = 0;
};

TEST(Picker, QueuesWhileAllPodsAreBusyAndSendsWhenOneIsFree) {
  Overloaded pool;
  const Decision decision = pool.ask(0);
  ASSERT_TRUE(std::holds_alternative<Queued>(decision));
  EXPECT_TRUE(pool.picker.advance(at(0)).empty());
  EXPECT_TRUE(pool.picker.wake_at().has_value());
  const auto late = pool.end_all(0.1);
  ASSERT_EQ(late.size(), 1);
  EXPECT_EQ(late[0].ticket, ticket(decision));
  EXPECT_EQ(ticket(late[0].decision), ticket(decision));
  EXPECT_EQ(pool.picker.queued(), 0);
  EXPECT_EQ(pool.picker.wake_at(), std::nullopt);
}

TEST(Picker, ServesTheHighestPriorityFirst) {
  Overloaded pool;
  const Ticket low = ticket(pool.ask(0));
  const Ticket middle = ticket(pool.ask(1));
  const Ticket high = ticket(pool.ask(2));
  std::vector<Ticket> order;
  for (const auto& late : pool.end_all(0.1)) order.push_back(late.ticket);
  EXPECT_THAT(order, ElementsAre(high, middle, low));
}

TEST(Picker, RefusesWhatComesTooLateByItsLength) {
  Overloaded pool;
  // A second's wait is more than a short prompt may have, and less than a long one's share.
  Profile profile = default_profile();
  profile.admission.objective = profile.admission.patience = Duration(0);
  Overloaded strict(profile);
  EXPECT_TRUE(refused(strict.ask(0, "", 2, Duration(0)), Refusal::kOverloaded));
  EXPECT_TRUE(std::holds_alternative<Queued>(strict.ask(0, "", 600, Duration(0))));
}

TEST(Picker, SaysWhenToComeAgain) {
  Overloaded pool;
  const Decision decision = pool.ask(0, "", 10, Duration(1));
  ASSERT_TRUE(refused(decision, Refusal::kOverloaded));
  EXPECT_GE(std::get<Refused>(decision).retry_after, std::chrono::seconds(1));
}

// Where answers are not streamed, nothing is heard of a request before it ends. Prompts are of a tenth of a
// second.
TEST(Picker, BelievesAServerThatOursWaitThereIfNothingElseIsHeard) {
  struct Case {
    std::uint32_t waiting;
    bool streamed;
    bool sent;
  };
  for (const Case& c : {Case{0, false, true}, {2, false, true}, {20, false, false}, {20, true, true}}) {
    Picker picker(default_profile());
    picker.set_endpoints(pods(1));
    Request asked = request(1, 10);
    asked.streamed = c.streamed;
    for (int i = 0; i < 30; ++i) picker.first_token(ticket(picker.decide(asked, at(i))), at(i + 0.5));
    picker.observe("a", load(c.waiting, 30 - c.waiting, 0));
    EXPECT_EQ(std::holds_alternative<Picked>(picker.decide(asked, at(31))), c.sent) << c.waiting;
  }
}

// Five are with the pod at any time, each for five seconds.
TEST(Picker, HoldsRequestsBackWhereThePodRunsAsManyAsItCan) {
  struct Case {
    std::uint32_t running;  // of the five
    bool streamed;
    bool sent;  // one more
  };
  for (const Case& c : {Case{5, true, true}, {5, false, true}, {4, true, false}, {4, false, false}}) {
    Picker picker(default_profile());
    picker.set_endpoints(pods(1));
    Request asked = request(1, 1);
    asked.streamed = c.streamed;
    std::vector<Ticket> open;
    for (int second = 0; second < 12; ++second) {
      if (open.size() == 5) {
        picker.finished(open.front(), {}, at(second));
        open.erase(open.begin());
      }
      open.push_back(ticket(picker.decide(asked, at(second))));
      for (std::size_t i = 0; i < std::min<std::size_t>(open.size(), c.running); ++i) {
        picker.first_token(open[i], at(second + 0.1));
      }
      if (open.size() == 5) picker.observe("a", load(5 - c.running, c.running, 0));
    }
    EXPECT_EQ(std::holds_alternative<Picked>(picker.decide(asked, at(11.5))), c.sent)
        << c.running << " " << c.streamed;
    picker.finished(open.front(), {}, at(11.9));
    EXPECT_EQ(picker.advance(at(12)).size(), c.sent ? 0 : 1) << "one has ended: there is room";
  }
}

TEST(Picker, GivesUpOnARequestThatIsTooLate) {
  struct Case {
    const char* what;
    double objective;  // seconds, of the request
    double time_to_live;
    double until;
  };
  for (const Case& c : {Case{"it said when", 3, 0, 3},
                        {"it said when, whatever the profile says", 3, 4, 3},
                        {"two seconds, three prefills and some patience", 0, 0, 2 + 3 * 0.1 + 3},
                        {"what the profile says", 0, 4, 4}}) {
    for (const bool too_late : {false, true}) {
      Profile profile = default_profile();
      profile.admission.time_to_live = Duration(std::llround(c.time_to_live * 1e6));
      Overloaded pool(profile);
      ASSERT_TRUE(
          std::holds_alternative<Queued>(pool.ask(0, "", 10, Duration(std::llround(c.objective * 1e6)))));
      // Less what it takes itself, a tenth of a second.
      const auto late = pool.picker.advance(at(c.until - (too_late ? 0.05 : 0.15)));
      ASSERT_EQ(late.size(), 1) << c.what;
      EXPECT_EQ(refused(late[0].decision, Refusal::kOverloaded), too_late) << c.what;
    }
  }
}

// Each of two pods has a second's work. What a short prompt may wait, and has waited when it is decided upon.
TEST(Picker, ServesWhoIsInTimeBeforeWhoIsLate) {
  Overloaded pool;
  const Ticket late = ticket(pool.ask(0, "", 10, std::chrono::milliseconds(1900)));
  const Ticket in_time = ticket(pool.ask(0, "", 10, std::chrono::seconds(4)));
  const auto served = [](const std::vector<Picker::Late>& all) {
    std::vector<Ticket> order;
    for (const auto& one : all) {
      if (std::holds_alternative<Picked>(one.decision)) order.push_back(one.ticket);
    }
    return order;
  };
  EXPECT_THAT(served(pool.end_all(1.2)), ElementsAre(in_time, late));
}

TEST(Picker, RefusesWhoWouldBeTooLateWhereItIsBestSent) {
  // Pod a has the whole prompt, and so much to do that it comes too late; pod b is idle.
  Picker picker(default_profile());
  picker.set_endpoints(pods(2));
  Request known = request(1, 400);
  known.subset = {"a"};
  picker.finished(ticket(picker.decide(known, at(0))), {}, at(0));
  for (std::uint64_t i = 2; i < 4; ++i) {
    Request before = request(i, 90);
    before.subset = {"a"};
    picker.decide(before, at(0));
  }
  known.subset.reset();
  known.objective = std::chrono::seconds(5);
  EXPECT_EQ(first(picker.decide(known, at(0))), "a") << "it can wait for a";
  known.objective = std::chrono::milliseconds(500);
  EXPECT_TRUE(refused(picker.decide(known, at(0)), Refusal::kOverloaded));
}

TEST(Picker, RefusesWhatMayBeShedBeforeOthersHaveToWait) {
  // One pod, with ever more tokens to prefill: 8000 of them take a second.
  struct Case {
    std::size_t blocks;  // of a prompt before it
    int priority;
    bool sent;
  };
  for (const Case& c : {Case{40, -1, true}, {40, 0, true}, {80, -1, false}, {80, 0, true}, {120, 0, false}}) {
    Picker picker(default_profile());
    picker.set_endpoints(pods(1));
    picker.decide(request(1, c.blocks), at(0));
    Request asked = request(2, 10);
    asked.priority = c.priority;
    EXPECT_EQ(std::holds_alternative<Picked>(picker.decide(asked, at(0))), c.sent)
        << c.blocks << ", " << c.priority;
  }
}

TEST(Picker, ForgetsAQueuedRequestWhoseClientIsGone) {
  Overloaded pool;
  pool.picker.dropped(ticket(pool.ask(0)), at(0));
  EXPECT_EQ(pool.picker.queued(), 0);
  EXPECT_TRUE(pool.end_all(0.1).empty());
  EXPECT_EQ(pool.picker.open_tickets(), 0);
}

// Two pods that are idle, busy, or have been busy and are free now, which those that wait are not told yet.
TEST(Picker, RefusesWhatMayBeShedWhileThePodsHaveAsMuchAsTheyCanUse) {
  struct Case {
    const char* pods;
    std::vector<int> waiting;  // their priorities
    int comes;                 // the newcomer's
    const char* what;          // becomes of it
  };
  const Case cases[] = {
      {"idle", {}, -1, "sent"},       //
      {"idle", {}, 0, "sent"},        //
      {"busy", {}, -1, "refused"},    // it would wait
      {"busy", {}, 0, "waits"},       //
      {"busy", {0}, -1, "refused"},   //
      {"busy", {0}, -9, "refused"},   //
      {"busy", {5}, -1, "refused"},   //
      {"busy", {5}, 0, "waits"},      // a priority is low only below zero
      {"busy", {0}, 1, "waits"},      //
      {"freed", {0}, -1, "refused"},  // there is still somebody who waits
      {"freed", {0}, 0, "waits"},     // behind them
      {"freed", {0}, 1, "sent"},      // before them
      {"freed", {}, -1, "sent"},      //
  };
  for (const Case& c : cases) {
    const std::string pods = c.pods;
    Overloaded pool;
    for (const int priority : c.waiting) ASSERT_TRUE(std::holds_alternative<Queued>(pool.ask(priority)));
    if (pods != "busy") {
      for (const Ticket ticket : pool.open) pool.picker.dropped(ticket, at(0));
    }
    const std::size_t open = pool.picker.open_tickets();
    const Decision decision = pool.ask(c.comes);
    const char* const what = std::holds_alternative<Queued>(decision)   ? "waits"
                             : std::holds_alternative<Picked>(decision) ? "sent"
                             : refused(decision, Refusal::kOverloaded)  ? "refused"
                                                                        : "another refusal";
    EXPECT_STREQ(what, c.what) << c.pods << ", priority " << c.comes;
    if (const auto* refused = std::get_if<Refused>(&decision)) {
      EXPECT_GE(refused->retry_after, std::chrono::seconds(1));
      EXPECT_EQ(pool.picker.open_tickets(), open);
    }
  }
}

TEST(Picker, RefusesNobodyForWhatWaitsBelow) {
  // So many wait that the next one of their priority would come too late.
  Overloaded pool;
  const auto ask = [&](int priority) { return pool.ask(priority, "", 60, std::chrono::seconds(10)); };
  std::size_t waiting = 0;
  while (std::holds_alternative<Queued>(ask(0))) ASSERT_LT(++waiting, 1000);
  ASSERT_GT(waiting, 10);
  EXPECT_TRUE(refused(ask(0), Refusal::kOverloaded));
  EXPECT_TRUE(refused(ask(-1), Refusal::kOverloaded));
  // One of a higher priority is as near to its pod as if they were not there, and is the first to be sent.
  const Decision high = ask(1);
  ASSERT_TRUE(std::holds_alternative<Queued>(high));
  EXPECT_EQ(pool.picker.queued(), waiting + 1) << "nobody had to go for it";
  const auto late = pool.end_all(0.1);
  ASSERT_FALSE(late.empty());
  EXPECT_EQ(late[0].ticket, ticket(high));
  // A second later there is room for one of priority 0 again, and none for what may be shed.
  Request later = request(7, 60);
  later.objective = std::chrono::seconds(10);
  const Decision decision = pool.picker.decide(later, at(1.1));
  EXPECT_TRUE(std::holds_alternative<Queued>(decision));
  later.priority = -1;
  EXPECT_TRUE(refused(pool.picker.decide(later, at(1.1)), Refusal::kOverloaded));
}

TEST(Picker, HasTheLowestPriorityGoFirstWhenTheQueueIsFull) {
  struct Case {
    std::vector<int> come;  // to two busy pods and a queue of two
    std::vector<std::size_t> refused;
  };
  const Case cases[] = {
      {{0, 0}, {}},
      {{0, 0, 0}, {2}},        // who comes last
      {{0, 0, -1}, {2}},       //
      {{-1, 0, 0}, {0}},       // it did not even wait
      {{0, 1, 1}, {0}},        // the lowest
      {{0, 0, 1}, {1}},        // and of these the last
      {{0, 0, 1, 2}, {0, 1}},  //
      {{0, 0, 1, 2, 0}, {0, 1, 4}},
  };
  for (const Case& c : cases) {
    Profile profile = default_profile();
    profile.admission.max_queued = 2;
    Overloaded pool(profile);
    std::vector<Ticket> tickets;
    std::vector<std::size_t> gone;
    for (std::size_t i = 0; i < c.come.size(); ++i) {
      const Decision decision = pool.ask(c.come[i]);
      tickets.push_back(std::holds_alternative<Queued>(decision) ? ticket(decision) : Ticket{});
      if (refused(decision, Refusal::kOverloaded)) gone.push_back(i);
      for (const auto& late : pool.picker.advance(at(0))) {
        EXPECT_TRUE(refused(late.decision, Refusal::kOverloaded));
        gone.push_back(static_cast<std::size_t>(std::ranges::find(tickets, late.ticket) - tickets.begin()));
      }
    }
    std::ranges::sort(gone);
    EXPECT_EQ(gone, c.refused) << testing::PrintToString(c.come);
  }
}

TEST(Picker, RefusesOnlyWhatMayBeShedWhereNothingWaitsHere) {
  Overloaded pool(unqueued());
  EXPECT_TRUE(refused(pool.ask(-1), Refusal::kOverloaded));
  EXPECT_TRUE(std::holds_alternative<Picked>(pool.ask(0)));
}

TEST(Picker, LimitsRates) {
  Profile profile = default_profile();
  profile.limits = {{.requests_per_second = 1}};
  Picker picker(profile);
  picker.set_endpoints(pods(1));
  EXPECT_EQ(first(picker.decide(request(1, 1), at(0))), "a");
  const Decision decision = picker.decide(request(2, 1), at(0));
  EXPECT_TRUE(refused(decision, Refusal::kRateLimited));
  EXPECT_EQ(std::get<Refused>(decision).retry_after, std::chrono::seconds(1));
}

TEST(Picker, ChargesNobodyWhoIsRefusedBecausePodsAreBusy) {
  Profile profile = default_profile();
  profile.limits = {{.fairness_id = "free", .requests_per_second = 0.001}};  // one, and no more for long
  Overloaded pool(profile);
  EXPECT_TRUE(refused(pool.ask(-1, "free"), Refusal::kOverloaded));
  EXPECT_TRUE(refused(pool.ask(0, "free", 10, Duration(1)), Refusal::kOverloaded));
  const Decision decision = pool.ask(0, "free", 10, std::chrono::seconds(5));
  ASSERT_TRUE(std::holds_alternative<Queued>(decision));
  EXPECT_TRUE(refused(pool.ask(0, "free"), Refusal::kRateLimited));
  // Its time is over, so that another one may come.
  EXPECT_TRUE(refused(pool.picker.advance(at(5)).at(0).decision, Refusal::kOverloaded));
  EXPECT_TRUE(std::holds_alternative<Queued>(pool.ask(0, "free")));
}

TEST(Picker, DecidesByAnotherProfileFromNowOn) {
  Picker picker(default_profile());
  picker.set_endpoints(pods(2));
  picker.observe("a", load(0, 0, 0.9));
  picker.observe("b", load(9, 9, 0.1));
  EXPECT_EQ(first(picker.decide(request(1, 1), at(0))), "a");
  picker.set_profile(scores({{Score::kKvUsage}}));
  EXPECT_EQ(first(picker.decide(request(1, 1), at(0))), "b");
  Profile filtered = default_profile();
  filtered.serve.filters = {{.label = "tier", .allow_without = false}};
  picker.set_profile(filtered);
  EXPECT_TRUE(refused(picker.decide(request(1, 1), at(0)), Refusal::kNoEndpoint));
}

TEST(Picker, WhoWaitsWaitsOnUnderAnotherProfile) {
  Overloaded pool;
  const Decision decision = pool.ask(0);
  ASSERT_TRUE(std::holds_alternative<Queued>(decision));
  Profile limited = default_profile();
  limited.limits = {{.requests_per_second = 0.001}};
  limited.admission.max_queued = 0;
  pool.picker.set_profile(limited);
  EXPECT_EQ(pool.picker.queued(), 1);
  const auto late = pool.end_all(0.1);
  ASSERT_EQ(late.size(), 1);
  EXPECT_TRUE(std::holds_alternative<Picked>(late[0].decision));
}

TEST(Picker, LimitsThatStayKeepWhatHasBeenTaken) {
  Profile limited = default_profile();
  limited.limits = {{.requests_per_second = 0.001}};
  Picker picker(limited);
  picker.set_endpoints(pods(1));
  EXPECT_EQ(first(picker.decide(request(1, 1), at(0))), "a");
  limited.admission.busy = std::chrono::seconds(1);
  picker.set_profile(limited);
  EXPECT_TRUE(refused(picker.decide(request(2, 1), at(0)), Refusal::kRateLimited));
  limited.limits[0].model = "m";
  picker.set_profile(limited);
  EXPECT_EQ(first(picker.decide(request(3, 1), at(0))), "a");
}

// Ten times as much as the pods can do, for a minute, of three priorities.
TEST(Picker, ServesWhatMattersUnderTenTimesTheLoad) {
  Profile profile = default_profile();
  profile.admission.max_queued = 100;
  Picker picker(profile);
  picker.set_endpoints(pods(2));
  std::map<std::string, double> free_at;
  std::multimap<double, Ticket> ends;
  std::map<Ticket, int> priority_of;
  std::map<int, int> sent, came;
  std::size_t most_queued = 0;
  const auto place = [&](const Decision& decision, int priority, double now) {
    if (!std::holds_alternative<Picked>(decision)) return;
    ++sent[priority];
    double& busy_until = free_at[first(decision)];
    busy_until = std::max(busy_until, now) + 0.1;
    ends.emplace(busy_until, ticket(decision));
  };
  double now = 0;
  for (std::uint64_t i = 0; now < 60; ++i, now = static_cast<double>(i) * 0.005) {
    while (!ends.empty() && ends.begin()->first <= now) {
      const auto [when, ticket] = *ends.begin();
      ends.erase(ends.begin());
      picker.first_token(ticket, at(when));
      picker.finished(ticket, {}, at(when));
    }
    for (const auto& late : picker.advance(at(now))) place(late.decision, priority_of[late.ticket], now);
    // One in twenty matters most: half of what the pods can do. As many do not matter.
    const int priority = i % 20 == 0 ? 1 : i % 20 == 10 ? -1 : 0;
    Request asked = request(i, 12);
    asked.priority = priority;
    ++came[priority];
    const bool others_wait = picker.queued() > 0;
    const Decision decision = picker.decide(asked, at(now));
    if (priority < 0) {
      ASSERT_FALSE(std::holds_alternative<Queued>(decision));
      ASSERT_TRUE(!others_wait || refused(decision, Refusal::kOverloaded));
    }
    if (std::holds_alternative<Queued>(decision)) priority_of[ticket(decision)] = priority;
    place(decision, priority, now);
    most_queued = std::max(most_queued, picker.queued());
    ASSERT_LT(picker.open_tickets(), 300);
  }
  EXPECT_LE(most_queued, 110);  // and those that were shed and not told yet
  EXPECT_GT(sent[1], 0.98 * came[1]);
  EXPECT_GT(sent[0], 400);
  EXPECT_LT(sent[-1], 0.1 * came[-1]);
  EXPECT_GT(sent[1] + sent[0] + sent[-1], 1100) << "the pods were kept busy";

  // Recovery at once: when those that wait are done, a request goes straight through.
  while (picker.queued() > 0 || !ends.empty()) {
    now += 0.01;
    while (!ends.empty() && ends.begin()->first <= now) {
      picker.finished(ends.begin()->second, {}, at(now));
      ends.erase(ends.begin());
    }
    for (const auto& late : picker.advance(at(now))) place(late.decision, 0, now);
    ASSERT_LT(now, 100);
  }
  EXPECT_EQ(picker.open_tickets(), 0);
  EXPECT_TRUE(std::holds_alternative<Picked>(picker.decide(request(1, 1), at(now))));
}

// Random calls in random order, also wrong ones: when all tickets have ended, nothing is reserved.
TEST(Picker, ReservationsReturnToZero) {
  std::mt19937_64 random(11);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 60; ++round) {
    Profile profile = default_profile();
    profile.admission.queue = below(2) == 0;
    profile.admission.max_queued = 20;
    if (below(3) == 0) {
      profile.prefill = Stage{.filters = {for_role("prefill")}};
      profile.prefill_threshold = 500;
    }
    if (below(3) == 0) profile.limits = {{.requests_per_second = 50, .tokens_per_second = 100'000}};
    Picker picker(profile, random());
    std::vector<Endpoint> endpoints = pods(1 + static_cast<int>(below(6)));
    picker.set_endpoints(endpoints);
    std::vector<Ticket> tickets;
    double now = 0;
    for (int step = 0; step < 400; ++step) {
      now += static_cast<double>(below(100)) * 0.001;
      const std::string some(1, static_cast<char>('a' + below(7)));
      const Ticket known = tickets.empty() ? Ticket{below(100)} : tickets[below(tickets.size())];
      switch (below(12)) {
        case 0: {
          Load said = load(static_cast<std::uint32_t>(below(5)), 0, 0);
          said.block_size = 16;
          said.blocks = static_cast<std::uint32_t>(below(5000));
          picker.observe(some, said);
          break;
        }
        case 1:
          picker.lost(some);
          break;
        case 2: {
          std::vector<Endpoint> left = pods(7);
          std::erase_if(left, [&](const Endpoint&) { return below(3) == 0; });
          const std::array roles{"both", "prefill", "decode"};
          for (Endpoint& endpoint : left) endpoint.labels[std::string(kRoleLabel)] = roles.at(below(3));
          picker.set_endpoints(left);
          break;
        }
        case 3:
          picker.first_token(known, at(now));
          break;
        case 4:
          picker.finished(known, {.completion_tokens = static_cast<std::uint32_t>(below(50))}, at(now));
          break;
        case 5:
          picker.dropped(known, at(now));
          break;
        case 6:
          picker.served_by(known, some);
          break;
        case 7:
          picker.advance(at(now));
          break;
        default: {
          Request asked = request(below(10), below(60));
          asked.priority = static_cast<int>(below(3)) - 1;
          asked.fairness_id = some;
          asked.streamed = below(2) == 0;
          if (below(2) == 0) asked.adapter = some;
          if (below(4) == 0) asked.session = some;
          const Decision decision = picker.decide(asked, at(now));
          if (!std::holds_alternative<Refused>(decision)) tickets.push_back(ticket(decision));
        }
      }
    }
    std::ranges::shuffle(tickets, random);
    for (const Ticket ticket : tickets) {
      if (below(2) == 0) {
        picker.finished(ticket, {}, at(now));
      } else {
        picker.dropped(ticket, at(now));
      }
    }
    EXPECT_EQ(picker.open_tickets(), 0);
    EXPECT_EQ(picker.queued(), 0);
    for (const Endpoint& endpoint : pods(7)) EXPECT_EQ(picker.reserved(endpoint.address), Reserved{});
  }
}

TEST(Picker, DecidesTheSameForTheSameCalls) {
  const auto run = [] {
    Picker picker(scores({{Score::kQueue}}), 5);
    picker.set_endpoints(pods(8));
    std::string decided;
    for (std::uint64_t i = 0; i < 100; ++i) decided += first(picker.decide(request(i, i % 7), at(0)));
    return decided;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace sluice::picker
