#include "xds/wire.h"

#include <gtest/gtest.h>

#include "envoy/config/cluster/v3/cluster.pb.h"

namespace sluice::xds {
namespace {

using envoy::config::cluster::v3::Cluster;

TEST(Wire, VarintsHaveTheirSizes) {
  for (const std::uint64_t value : {0ULL, 1ULL, 127ULL, 128ULL, 16'383ULL, 16'384ULL, ~0ULL}) {
    std::string out;
    append_varint(out, value);
    EXPECT_EQ(out.size(), varint_size(value)) << value;
  }
}

TEST(Wire, WhatIsWrittenInItsPlaceIsAFieldLikeOthers) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 16'383U, 16'384U, 2'097'152U}) {
    const std::string bytes(size, 'x');
    std::string expected = "before";
    append_field(expected, 3, bytes);
    std::string out = "before";
    append_nested(out, 3, [&] { out += bytes; });
    EXPECT_TRUE(out == expected) << size;
  }
}

// By the classes alone; lengths on both sides of one byte.
TEST(Wire, OwnerIsWhatTheClassesMake) {
  for (const std::size_t length : {1U, 60U, 100U, 127U, 128U, 253U}) {
    const ObjectKey owner{GroupKind("gateway.networking.k8s.io", "HTTPRoute"),
                          NamespacedName{"default", std::string(length, 'x')}};
    Cluster expected;
    auto& fields = *(*expected.mutable_metadata()->mutable_filter_metadata())["sluice"].mutable_fields();
    fields["kind"].set_string_value("HTTPRoute");
    fields["namespace"].set_string_value("default");
    fields["name"].set_string_value(owner.name.name);
    std::string out;
    append_owner(out, Cluster::kMetadataFieldNumber, owner);
    EXPECT_EQ(out, serialize(expected)) << length;
    fields["sectionName"].set_string_value("rule");
    out.clear();
    append_owner(out, Cluster::kMetadataFieldNumber, owner, "rule");
    EXPECT_EQ(out, serialize(expected)) << length;
  }
}

TEST(Wire, FieldsAreWhatTheClassesMake) {
  Cluster expected;
  expected.set_name("web");
  expected.set_type(Cluster::EDS);
  expected.set_ignore_health_on_host_removal(true);
  std::string out;
  append_field(out, Cluster::kNameFieldNumber, std::string_view("web"));
  append_field(out, Cluster::kTypeFieldNumber, static_cast<std::uint64_t>(Cluster::EDS));
  append_field(out, Cluster::kIgnoreHealthOnHostRemovalFieldNumber, std::uint64_t{1});
  EXPECT_EQ(out, serialize(expected));
}

}  // namespace
}  // namespace sluice::xds
