// The messages, held against protobuf's own classes.
#include "extproc/message.h"

#include <array>
#include <random>

#include <gtest/gtest.h>

#include <envoy/service/ext_proc/v3/external_processor.pb.h>

#include "base/wire.h"
#include "extproc/wire.h"

namespace sluice::extproc {
namespace {

namespace pb = envoy::service::ext_proc::v3;

Request read(const pb::ProcessingRequest& message, std::string& bytes) {
  bytes = message.SerializeAsString();
  Request request;
  EXPECT_TRUE(decode(bytes, request));
  return request;
}

template <typename T>
pb::ProcessingResponse written(const T& response) {
  std::string bytes;
  encode(response, bytes);
  pb::ProcessingResponse message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

TEST(Decode, HeadersInTheirOrderWithEitherKindOfValue) {
  pb::ProcessingRequest message;
  auto* headers = message.mutable_request_headers();
  headers->set_end_of_stream(true);
  auto* path = headers->mutable_headers()->add_headers();
  path->set_key(":path");
  path->set_raw_value("/v1/completions");
  auto* host = headers->mutable_headers()->add_headers();
  host->set_key("host");
  host->set_value("example.com");
  headers->mutable_headers()->add_headers()->set_key("empty");

  std::string bytes;
  const Request request = read(message, bytes);
  EXPECT_EQ(request.part, Part::kRequestHeaders);
  EXPECT_TRUE(request.end_of_stream);
  EXPECT_EQ(request.headers,
            (std::vector<Header>{{":path", "/v1/completions"}, {"host", "example.com"}, {"empty", ""}}));
  EXPECT_EQ(request.header("host"), "example.com");
  EXPECT_EQ(request.header("absent"), std::nullopt);
}

TEST(Decode, HowBodiesAreSent) {
  using Mode = envoy::extensions::filters::http::ext_proc::v3::ProcessingMode;
  pb::ProcessingRequest message;
  message.mutable_request_headers();
  std::string bytes;
  EXPECT_EQ(read(message, bytes).request_body_mode, std::nullopt);
  message.mutable_protocol_config()->set_request_body_mode(Mode::FULL_DUPLEX_STREAMED);
  EXPECT_EQ(read(message, bytes).request_body_mode, BodyMode::kFullDuplexStreamed);
  EXPECT_EQ(read(message, bytes).response_body_mode, BodyMode::kNone);
  message.mutable_protocol_config()->set_response_body_mode(Mode::BUFFERED);
  EXPECT_EQ(read(message, bytes).response_body_mode, BodyMode::kBuffered);
}

TEST(Decode, EveryPart) {
  std::string bytes;
  pb::ProcessingRequest message;
  message.mutable_response_headers();
  EXPECT_EQ(read(message, bytes).part, Part::kResponseHeaders);
  message.mutable_request_body()->set_body("abc");
  EXPECT_EQ(read(message, bytes).part, Part::kRequestBody);
  EXPECT_EQ(read(message, bytes).body, "abc");
  EXPECT_FALSE(read(message, bytes).end_of_stream);
  message.mutable_response_body()->set_end_of_stream(true);
  EXPECT_EQ(read(message, bytes).part, Part::kResponseBody);
  EXPECT_TRUE(read(message, bytes).end_of_stream);
  auto* trailer = message.mutable_request_trailers()->mutable_trailers()->add_headers();
  trailer->set_key("t");
  trailer->set_raw_value("v");
  EXPECT_EQ(read(message, bytes).part, Part::kRequestTrailers);
  EXPECT_EQ(read(message, bytes).header("t"), "v");
  message.mutable_response_trailers();
  EXPECT_EQ(read(message, bytes).part, Part::kResponseTrailers);
}

TEST(Decode, TheEndWithoutAMessageIsAnEnd) {
  pb::ProcessingRequest message;
  message.mutable_request_body()->set_end_of_stream_without_message(true);
  std::string bytes;
  EXPECT_TRUE(read(message, bytes).end_of_stream);
}

TEST(Decode, MetadataAndAttributes) {
  pb::ProcessingRequest message;
  message.mutable_request_headers();
  auto& hint = (*message.mutable_metadata_context()->mutable_filter_metadata())["envoy.lb.subset_hint"];
  auto* list = (*hint.mutable_fields())["x-gateway-destination-endpoint-subset"].mutable_list_value();
  list->add_values()->set_string_value("10.0.0.1:8000");
  list->add_values()->set_string_value("10.0.0.2:8000");
  (*hint.mutable_fields())["weight"].set_number_value(0.5);
  (*hint.mutable_fields())["on"].set_bool_value(true);
  (*(*hint.mutable_fields())["deep"].mutable_struct_value()->mutable_fields())["a"].set_string_value("b");
  auto& attributes = (*message.mutable_attributes())["envoy.filters.http.ext_proc"];
  (*attributes.mutable_fields())["request.path"].set_string_value("/x");

  std::string bytes;
  const Request request = read(message, bytes);
  const auto subset = request.metadata("envoy.lb.subset_hint", "x-gateway-destination-endpoint-subset");
  ASSERT_TRUE(subset);
  ASSERT_EQ(subset->elements().size(), 2U);
  EXPECT_EQ(subset->elements()[1].as_string(), "10.0.0.2:8000");
  EXPECT_EQ(subset->as_string(), std::nullopt);
  EXPECT_EQ(request.metadata("envoy.lb.subset_hint", "weight")->as_number(), 0.5);
  EXPECT_EQ(request.metadata("envoy.lb.subset_hint", "on")->as_bool(), true);
  EXPECT_EQ(request.metadata("envoy.lb.subset_hint", "deep")->field("a")->as_string(), "b");
  EXPECT_FALSE(request.metadata("envoy.lb.subset_hint", "deep")->field("c"));
  EXPECT_FALSE(request.metadata("envoy.lb", "weight"));
  EXPECT_EQ(request.attribute("request.path")->as_string(), "/x");
  EXPECT_FALSE(request.attribute("request.host"));
}

TEST(Decode, WhatSaysNoPartIsRefused) {
  Request request;
  EXPECT_FALSE(decode("", request));
  pb::ProcessingRequest message;
  message.set_observability_mode(true);
  EXPECT_FALSE(decode(message.SerializeAsString(), request));
}

// What protobuf writes is what we read.
TEST(Decode, RandomHeadersAgreeWithProtobuf) {
  std::mt19937 random(5);
  const auto text = [&random] { return std::string(random() % 200, static_cast<char>('a' + random() % 26)); };
  std::string bytes;
  for (int round = 0; round < 300; ++round) {
    pb::ProcessingRequest message;
    auto* headers = message.mutable_response_headers()->mutable_headers();
    for (unsigned i = random() % 20; i > 0; --i) {
      auto* header = headers->add_headers();
      header->set_key(text());
      if (random() % 2 == 0) {
        header->set_value(text());
      } else {
        header->set_raw_value(text());
      }
    }
    const Request request = read(message, bytes);
    ASSERT_EQ(request.headers.size(), static_cast<std::size_t>(headers->headers_size()));
    for (int i = 0; i < headers->headers_size(); ++i) {
      const auto& want = headers->headers(i);
      const Header& got = request.headers[static_cast<std::size_t>(i)];
      ASSERT_EQ(got.name, want.key());
      ASSERT_EQ(got.value, want.value().empty() ? want.raw_value() : want.value());
    }
  }
}

// Whatever arrives, we are done with it, and what we show of it lies within it.
TEST(Decode, AnyBytes) {
  pb::ProcessingRequest message;
  auto* headers = message.mutable_request_headers()->mutable_headers();
  for (int i = 0; i < 3; ++i) {
    headers->add_headers()->set_key("name");
    headers->mutable_headers(i)->set_raw_value("a value");
  }
  (*message.mutable_metadata_context()->mutable_filter_metadata())["ns"];
  const std::string good = message.SerializeAsString();
  std::mt19937 random(7);
  Request request;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good.substr(0, random() % (good.size() + 1));
    for (unsigned flips = random() % 3; flips > 0 && !bytes.empty(); --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (!decode(bytes, request)) {
      ++refused;
      continue;
    }
    for (const Header& header : request.headers) {
      if (header.value.empty()) continue;
      ASSERT_GE(header.value.data(), bytes.data());
      ASSERT_LE(header.value.data() + header.value.size(), bytes.data() + bytes.size());
    }
    request.metadata("ns", "x");
  }
  EXPECT_GT(refused, 1000);
}

TEST(Encode, HeadersThatChange) {
  const std::array set{HeaderChange{.name = "x-model", .value = "llama"},
                       HeaderChange{.name = "x-more", .value = "", .action = HeaderChange::Action::kAppend}};
  const std::array<std::string_view, 1> remove{"x-old"};
  const auto message = written(Response{.part = Part::kRequestHeaders,
                                        .set_headers = set,
                                        .remove_headers = remove,
                                        .clear_route_cache = true});
  const auto& common = message.request_headers().response();
  EXPECT_EQ(common.status(), pb::CommonResponse::CONTINUE);
  EXPECT_TRUE(common.clear_route_cache());
  ASSERT_EQ(common.header_mutation().set_headers_size(), 2);
  const auto& first = common.header_mutation().set_headers(0);
  EXPECT_EQ(first.header().key(), "x-model");
  EXPECT_EQ(first.header().raw_value(), "llama");
  EXPECT_EQ(first.append_action(), envoy::config::core::v3::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  const auto& second = common.header_mutation().set_headers(1);
  EXPECT_EQ(second.append_action(), envoy::config::core::v3::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
  EXPECT_TRUE(second.keep_empty_value());
  EXPECT_EQ(common.header_mutation().remove_headers(0), "x-old");
}

TEST(Encode, EveryPart) {
  EXPECT_TRUE(written(Response{.part = Part::kRequestHeaders}).has_request_headers());
  EXPECT_TRUE(written(Response{.part = Part::kResponseHeaders}).has_response_headers());
  EXPECT_TRUE(written(Response{.part = Part::kRequestBody}).has_request_body());
  EXPECT_TRUE(written(Response{.part = Part::kResponseBody}).has_response_body());
  EXPECT_TRUE(written(Response{.part = Part::kRequestTrailers}).has_request_trailers());
  EXPECT_TRUE(written(Response{.part = Part::kResponseTrailers}).has_response_trailers());
  const std::array set{HeaderChange{.name = "t", .value = "v"}};
  const auto trailers = written(Response{.part = Part::kResponseTrailers, .set_headers = set});
  EXPECT_EQ(trailers.response_trailers().header_mutation().set_headers(0).header().key(), "t");
}

TEST(Encode, Bodies) {
  const auto mutation = [](const BodyChange& change) {
    return written(Response{.part = Part::kRequestBody, .body = change})
        .request_body()
        .response()
        .body_mutation();
  };
  EXPECT_EQ(mutation(ReplaceBody{"new"}).body(), "new");
  EXPECT_TRUE(mutation(ClearBody{}).has_clear_body());
  const std::string large(200'000, 'x');  // its length takes three bytes, at four depths
  EXPECT_EQ(mutation(StreamBody{large, true}).streamed_response().body(), large);
  EXPECT_TRUE(mutation(StreamBody{"", true}).streamed_response().end_of_stream());
  EXPECT_FALSE(mutation(StreamBody{"x", false}).streamed_response().end_of_stream());
  EXPECT_EQ(mutation(KeepBody{}).mutation_case(), pb::BodyMutation::MUTATION_NOT_SET);
}

TEST(Encode, MetadataByNamespace) {
  const std::array entries{MetadataEntry{"envoy.lb", "x-gateway-destination-endpoint", "10.0.0.1:8000"},
                           MetadataEntry{"envoy.lb", "other", "1"}, MetadataEntry{"mine", "k", "v"}};
  const auto message = written(Response{.part = Part::kRequestBody, .metadata = entries});
  const auto& fields = message.dynamic_metadata().fields();
  ASSERT_EQ(fields.size(), 2U);
  const auto& lb = fields.at("envoy.lb").struct_value().fields();
  EXPECT_EQ(lb.at("x-gateway-destination-endpoint").string_value(), "10.0.0.1:8000");
  EXPECT_EQ(lb.at("other").string_value(), "1");
  EXPECT_EQ(fields.at("mine").struct_value().fields().at("k").string_value(), "v");
}

TEST(Encode, AModeForTheRestOfTheExchange) {
  using Mode = envoy::extensions::filters::http::ext_proc::v3::ProcessingMode;
  EXPECT_FALSE(written(Response{}).has_mode_override());
  const auto mode = [](const ModeOverride& override) {
    const auto message = written(Response{.mode = override});
    EXPECT_TRUE(message.has_request_headers());
    EXPECT_TRUE(message.has_mode_override());
    return message.mode_override();
  };
  const Mode none = mode({});
  EXPECT_EQ(none.request_body_mode(), Mode::NONE);
  EXPECT_EQ(none.response_body_mode(), Mode::NONE);
  EXPECT_EQ(none.response_header_mode(), Mode::DEFAULT);
  EXPECT_EQ(none.request_trailer_mode(), Mode::DEFAULT);
  EXPECT_EQ(none.response_trailer_mode(), Mode::DEFAULT);
  const Mode all = mode({.request_body = BodyMode::kBuffered,
                         .response_body = BodyMode::kStreamed,
                         .response_headers = true,
                         .request_trailers = false,
                         .response_trailers = true});
  EXPECT_EQ(all.request_header_mode(), Mode::DEFAULT);
  EXPECT_EQ(all.request_body_mode(), Mode::BUFFERED);
  EXPECT_EQ(all.response_body_mode(), Mode::STREAMED);
  EXPECT_EQ(all.response_header_mode(), Mode::SEND);
  EXPECT_EQ(all.request_trailer_mode(), Mode::SKIP);
  EXPECT_EQ(all.response_trailer_mode(), Mode::SEND);
}

TEST(Encode, AnImmediateResponse) {
  const std::array headers{HeaderChange{.name = "retry-after", .value = "1"}};
  const auto message = written(ImmediateResponse{
      .status = 429, .headers = headers, .body = "{}", .details = "shed", .grpc_status = 8});
  const auto& immediate = message.immediate_response();
  EXPECT_EQ(immediate.status().code(), 429);
  EXPECT_EQ(immediate.headers().set_headers(0).header().key(), "retry-after");
  EXPECT_EQ(immediate.body(), "{}");
  EXPECT_EQ(immediate.details(), "shed");
  EXPECT_EQ(immediate.grpc_status().status(), 8U);
}

TEST(Wire, ALengthGrowsWithWhatIsInside) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 16'383U, 16'384U, 2'097'152U}) {
    std::string out = "before";
    {
      const NestedField outer(out, 1);
      append_field(out, 2, std::string(size, 'x'));
    }
    FieldReader fields(std::string_view(out).substr(6));
    ASSERT_TRUE(fields.next());
    FieldReader inner(fields.bytes());
    ASSERT_TRUE(inner.next());
    EXPECT_EQ(inner.bytes().size(), size);
    EXPECT_FALSE(inner.next());
    EXPECT_FALSE(fields.next());
    EXPECT_TRUE(fields.ok() && inner.ok());
  }
}

TEST(Wire, AVarintOfMoreThanTenBytesIsNone) {
  std::string_view bytes = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  std::uint64_t value = 0;
  EXPECT_FALSE(take_varint(bytes, value));
}

}  // namespace
}  // namespace sluice::extproc
