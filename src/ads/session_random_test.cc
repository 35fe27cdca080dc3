// Random commits, refusals, latency, drains and reconnections; after every step the fake Envoy holds no route
// table that names a cluster which it does not have warm, and in the end it holds what the store does.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ads/play.h"

namespace sluice::ads {
namespace {

using namespace std::chrono_literals;
using Type = xds::ResourceType;

// A user's configuration: tables name clusters that are there, listeners name tables that are there.
class World {
 public:
  explicit World(std::mt19937& random) : random_(random) {}

  // One change, as a commit.
  void change(Play& play);
  // Everything that is refused is mended.
  void mend(Play& play);

  // Clusters that were refused in some version may be missing.
  std::set<std::string> excused;
  std::map<std::string, std::string> clusters;
  std::map<std::string, std::string> endpoints_of;
  std::map<std::string, std::set<std::string>> tables;
  std::map<std::string, std::string> table_words;
  std::map<std::string, std::set<std::string>> listeners;
  std::map<std::string, std::string> listener_words;
  std::map<std::string, std::string> secrets;

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string version() { return fmt::format("v{}", ++versions_); }
  std::string some_name(const char* prefix, int n) { return fmt::format("{}{}", prefix, pick(n)); }
  std::set<std::string> some_of(const auto& map) {
    std::set<std::string> some;
    for (const auto& [name, value] : map) {
      if (pick(3) == 0) some.insert(name);
    }
    return some;
  }
  void put_cluster(const std::string& name);
  void publish(Play& play);

  std::mt19937& random_;
  int versions_ = 0;
  std::map<std::pair<Type, std::string>, Resource> published_;
};

void World::put_cluster(const std::string& name) {
  std::string words = version();
  const int kind = pick(12);
  if (kind == 0) words += " slow";
  if (kind == 1) words += " dns";
  if (kind == 2) words += fmt::format(" secret=s{}", pick(3));
  // Few names are ever bad: the others are never excused.
  if (kind == 3 && name.back() == '0') {
    words += " bad";
    excused.insert(name);
  }
  clusters[name] = words;
}

void World::change(Play& play) {
  for (int i = pick(4); i >= 0; --i) {
    switch (pick(11)) {
      case 0:
      case 1:
      case 2: {
        const std::string name = some_name("c", 20);
        put_cluster(name);
        if (pick(4) != 0) endpoints_of[name] = version();
        break;
      }
      case 3: {
        const std::string name = some_name("c", 20);
        clusters.erase(name);
        endpoints_of.erase(name);
        for (auto& [table, names] : tables) {
          if (names.erase(name)) table_words[table] = version();
        }
        break;
      }
      case 4:
      case 5: {
        const std::string name = some_name("t", 6);
        tables[name] = some_of(clusters);
        table_words[name] = version() + (pick(6) == 0 ? " bad" : "");
        break;
      }
      case 6: {
        const std::string name = some_name("t", 6);
        tables.erase(name);
        for (auto& [l, names] : listeners) {
          if (names.erase(name)) listener_words[l] = version();
        }
        break;
      }
      case 7: {
        const std::string name = some_name("l", 4);
        listeners[name] = some_of(tables);
        listener_words[name] = version() + (pick(6) == 0 ? " bad" : "") + (pick(4) == 0 ? " secret=s1" : "");
        break;
      }
      case 8:
        listeners.erase(some_name("l", 4));
        break;
      case 9:
        secrets[some_name("s", 3)] = version();
        break;
      case 10: {
        const std::string name = some_name("c", 20);
        if (clusters.contains(name)) endpoints_of[name] = version() + (pick(8) == 0 ? " bad" : "");
        break;
      }
      default:
        break;
    }
  }
  publish(play);
}

void World::mend(Play& play) {
  for (auto* words : {&clusters, &endpoints_of, &table_words, &listener_words}) {
    for (auto& [name, w] : *words) w = version();
  }
  for (const char* name : {"s0", "s1", "s2"}) secrets[name] = version();
  publish(play);
}

void World::publish(Play& play) {
  std::map<std::pair<Type, std::string>, Resource> now;
  const auto add = [&](Resource r) {
    std::pair key(r.type, r.name);
    now.emplace(std::move(key), std::move(r));
  };
  for (const auto& [name, words] : clusters) add(cluster(name, words));
  for (const auto& [name, words] : endpoints_of) {
    if (clusters.contains(name)) add(endpoints(name, words));
  }
  for (const auto& [name, words] : secrets) add(secret(name, words));
  for (const auto& [name, names] : tables) {
    add(routes(
        name, {names.begin(), names.end()},
        fmt::format("{}{}{}", table_words[name], names.empty() ? "" : " to=", fmt::join(names, " to="))));
  }
  for (const auto& [name, names] : listeners) {
    add(listener(name, {names.begin(), names.end()}, listener_words[name]));
  }
  std::vector<Resource> changed;
  std::vector<std::pair<Type, std::string>> removed;
  for (const auto& [key, r] : now) {
    auto it = published_.find(key);
    if (it == published_.end() || it->second.version != r.version) changed.push_back(r);
  }
  for (const auto& [key, r] : published_) {
    if (!now.contains(key)) removed.push_back(key);
  }
  published_ = std::move(now);
  play.commit(changed, removed);
}

// The bytes of a table say which clusters it sends to.
std::set<std::string> sends_to(const std::string& bytes) {
  std::set<std::string> names;
  std::istringstream in(bytes);
  for (std::string word; in >> word;) {
    if (word.starts_with("to=")) names.insert(word.substr(3));
  }
  return names;
}

void run(Variant variant, unsigned seed) {
  SCOPED_TRACE(fmt::format("{} seed {}", variant == Variant::kDelta ? "delta" : "sotw", seed));
  std::mt19937 random(seed);
  World world(random);
  Play play(variant);
  const auto check = [&] {
    for (const auto& [table, bytes] : play.envoy.tables) {
      for (const std::string& name : sends_to(bytes)) {
        if (!play.envoy.clusters.contains(name) && !world.excused.contains(name)) {
          ADD_FAILURE() << table << " (" << bytes << ") names " << name << ", which is "
                        << (play.envoy.warming.contains(name) ? "warming" : "not there");
          return false;
        }
      }
    }
    return true;
  };

  const unsigned weight_commit = 2 + random() % 10;
  play.connect();
  for (int step = 0; step < 1'500; ++step) {
    const unsigned what = random() % 100;
    if (what < weight_commit) {
      world.change(play);
    } else if (what < 90) {
      switch (random() % 3) {
        case 0:
          play.request_step();
          break;
        case 1:
          play.server_step();
          break;
        default:
          play.node_step();
          break;
      }
    } else if (what < 94) {
      // No request is on its way for as long as a grace.
      play.pass(std::chrono::milliseconds(random() % (play.envoy.outbox.empty() ? 8'000 : 100)));
    } else if (what < 97) {
      play.envoy.finish_slow();
    } else if (what < 99) {
      play.envoy.drain();
    } else if (random() % 4 == 0) {
      // A new server knows nothing; with state-of-the-world it cannot know what a node has.
      const bool forgets = variant == Variant::kDelta && random() % 2 == 0;
      play.disconnect(forgets ? Play::Server::kForgets : Play::Server::kRemembers);
      play.connect();
    }
    if (!check()) return;
  }

  world.mend(play);
  for (int i = 0; i < 10; ++i) {
    play.advance(30s);
    play.envoy.finish_slow();
    play.envoy.time_out();  // of what was sent by a server that is no more
    play.envoy.drain();
    if (!check()) return;
  }
  const FakeEnvoy& envoy = play.envoy;
  std::map<std::string, std::string> wanted;
  for (const auto& [name, words] : world.clusters) wanted[name] = "cluster " + words;
  EXPECT_EQ(envoy.clusters, wanted);
  EXPECT_TRUE(envoy.warming.empty());
  for (const auto& [name, words] : world.clusters) {
    auto it = world.endpoints_of.find(name);
    if (it == world.endpoints_of.end()) continue;
    auto got = envoy.endpoints.find(name);
    EXPECT_TRUE(got != envoy.endpoints.end() && got->second == "endpoints " + it->second) << name;
  }
  std::set<std::string> used;
  for (const auto& [name, tables] : world.listeners) {
    auto it = envoy.listeners.find(name);
    EXPECT_TRUE(it != envoy.listeners.end() &&
                it->second.starts_with("listener " + world.listener_words[name]))
        << name;
    used.insert(tables.begin(), tables.end());
  }
  EXPECT_EQ(envoy.listeners.size(), world.listeners.size());
  EXPECT_EQ(envoy.tables.size(), used.size());
  for (const auto& [name, bytes] : envoy.tables) {
    EXPECT_TRUE(bytes.starts_with("routes " + world.table_words[name])) << name;
  }
  EXPECT_EQ(play.acknowledged(), play.state.commit());
}

TEST(SessionRandomTest, NoRouteTableNamesAClusterThatIsNotWarm) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    for (Variant variant : {Variant::kDelta, Variant::kSotw}) {
      run(variant, seed);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace sluice::ads
