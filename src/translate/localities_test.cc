#include "translate/localities.h"

#include <limits>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice::translate {
namespace {

const ObjectKey kService{GroupKind("", "Service"), {"default", "web"}};

ir::Locality locality(const std::string& zone, const std::vector<std::string>& addresses) {
  ir::Locality made{.zone = zone};
  for (const std::string& address : addresses) made.endpoints.push_back({.address = address, .port = 80});
  return made;
}

// Endpoints 1, 2, 3 of a Service that says nothing of zones: 1 and 3 are in zone b, 2 in zone a.
ServiceEndpoints in_two_zones() {
  ServiceEndpoints endpoints;
  endpoints.by_port["http"] = {locality("", {"1", "2", "3"})};
  endpoints.zones["http"] = {.names = {"a", "b"}, .of = {1, 0, 1}};
  return endpoints;
}

ClusterRow following_the_service() {
  ClusterRow row;
  row.cluster.name = "web";
  row.service_port = {kService, "http"};
  return row;
}

ClusterRow of_a_backend(std::vector<ir::Locality> localities) {
  ClusterRow row;
  row.cluster.name = "spare";
  row.fixed = std::move(localities);
  return row;
}

Boxed<ir::ClusterSettings> weighing(std::vector<ir::ZoneWeight> weights) {
  ir::ClusterSettings settings;
  settings.load_balancing = {.zone_weights = std::move(weights)};
  return settings;
}

// "a×2: 1 3" a locality, with its region and priority where it has them.
std::vector<std::string> in_words(const ClusterRow& row, const ServiceEndpoints& endpoints = in_two_zones()) {
  std::vector<ir::Locality> room;
  std::vector<std::string> words;
  for (const ir::Locality& made : localities_of(
           row, [&](const ObjectKey& key) { return key == kService ? &endpoints : nullptr; }, room)) {
    std::string text = made.region.empty() ? "" : made.region + "/";
    text += fmt::format("{}×{}:", made.zone, made.weight);
    for (const ir::Endpoint& endpoint : made.endpoints) text += " " + endpoint.address;
    if (made.priority > 0) text += " as fallback";
    words.push_back(std::move(text));
  }
  return words;
}

using Words = std::vector<std::string>;

TEST(Localities, OfAServiceAreOneWhereZonesDoNotMatter) {
  EXPECT_EQ(in_words(following_the_service()), Words{"×1: 1 2 3"});
}

TEST(Localities, OfAServiceAreItsZonesWhereTheSettingsWeighThem) {
  ClusterRow row = following_the_service();
  row.cluster.settings = weighing({{"b", 7}, {"c", 9}});
  EXPECT_EQ(in_words(row), (Words{"a×1: 2", "b×7: 1 3"}));
}

TEST(Localities, OfAServiceAreItsZonesWhereTheSettingsPreferTheOwn) {
  ClusterRow row = following_the_service();
  row.cluster.settings.emplace().load_balancing = {.prefer_local = ir::PreferLocal{}};
  EXPECT_EQ(in_words(row), (Words{"a×1: 2", "b×1: 1 3"}));
}

TEST(Localities, OfAServiceThatPrefersTheOwnZoneCanBeWeighed) {
  ServiceEndpoints endpoints;
  endpoints.by_port["http"] = {locality("a", {"2"}), locality("b", {"1", "3"})};
  ClusterRow row = following_the_service();
  row.cluster.prefer_local_zone = true;
  EXPECT_EQ(in_words(row, endpoints), (Words{"a×1: 2", "b×1: 1 3"}));
  row.cluster.settings = weighing({{"a", 3}});
  EXPECT_EQ(in_words(row, endpoints), (Words{"a×3: 2", "b×1: 1 3"}));
}

TEST(Localities, OfAServiceWithoutZonesAreOneWhateverTheSettings) {
  ServiceEndpoints endpoints;
  endpoints.by_port["http"] = {locality("", {"1", "2"})};
  ClusterRow row = following_the_service();
  row.cluster.settings = weighing({{"a", 3}});
  EXPECT_EQ(in_words(row, endpoints), Words{"×1: 1 2"});
}

TEST(Localities, OfABackendAreOneWhereZonesDoNotMatter) {
  EXPECT_EQ(in_words(of_a_backend({locality("a", {"2"}), locality("b", {"1"})})), Words{"×1: 1 2"});
  EXPECT_EQ(in_words(of_a_backend({locality("a", {"2"})})), Words{"×1: 2"});
}

TEST(Localities, OfABackendAreItsZonesWhereTheSettingsWeighThem) {
  ClusterRow row = of_a_backend({locality("a", {"2"}), locality("b", {"1"})});
  row.cluster.settings = weighing({{"a", 3}});
  EXPECT_EQ(in_words(row), (Words{"a×3: 2", "b×1: 1"}));
}

ClusterRow of_both() {
  const auto share = [](ClusterRow row) { return std::make_shared<const ClusterRow>(std::move(row)); };
  ClusterRow row;
  row.members = {{.weight = 1, .priority = 1, .row = share(of_a_backend({locality("b", {"9"})}))},
                 {.weight = 5, .priority = 0, .row = share(following_the_service())}};
  return row;
}

TEST(Localities, OfSeveralBackendsAreThese) {
  EXPECT_EQ(in_words(of_both()), (Words{"spare/×1: 9 as fallback", "web/×5: 1 2 3"}));
}

TEST(Localities, OfSeveralBackendsAreTheZonesOfEachWhereTheSettingsWeighThem) {
  ClusterRow row = of_both();
  row.cluster.settings = weighing({{"b", 2}});
  EXPECT_EQ(in_words(row), (Words{"spare/b×2: 9 as fallback", "web/a×5: 2", "web/b×10: 1 3"}));
}

TEST(Localities, HaveWeightsThatEnvoyCanAddUp) {
  ClusterRow row = following_the_service();
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  row.cluster.settings = weighing({{"a", kMost}, {"b", kMost}});
  EXPECT_EQ(in_words(row), (Words{"a×2147483647: 2", "b×2147483647: 1 3"}));
}

TEST(Localities, OfAServiceThatIsGoneAreNone) {
  ClusterRow row = following_the_service();
  row.service_port->second = "admin";
  EXPECT_EQ(in_words(row), Words{});
}

}  // namespace
}  // namespace sluice::translate
