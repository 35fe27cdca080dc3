#include "xds/tracing.h"

#include <cmath>
#include <cstdint>
#include <variant>

#include "envoy/config/trace/v3/datadog.pb.h"
#include "envoy/config/trace/v3/opentelemetry.pb.h"
#include "envoy/config/trace/v3/zipkin.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/always_on_sampler.pb.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler.pb.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler.pb.h"
#include "envoy/type/tracing/v3/custom_tag.pb.h"

#include "xds/grpc_call.h"
#include "xds/wire.h"

namespace sluice::xds {
namespace {

namespace trace_v3 = envoy::config::trace::v3;
namespace samplers_v3 = envoy::extensions::tracers::opentelemetry::samplers::v3;
using envoy::config::core::v3::TypedExtensionConfig;

constexpr char kZipkinPath[] = "/api/v2/spans";

void fill_ratio(const ir::Sampler& from, TypedExtensionConfig* to) {
  if (!from.ratio) {
    to->set_name("envoy.tracers.opentelemetry.samplers.always_on");
    pack(samplers_v3::AlwaysOnSamplerConfig(), to->mutable_typed_config());
    return;
  }
  samplers_v3::TraceIdRatioBasedSamplerConfig ratio;
  constexpr double kParts = 10'000;  // of one of a hundred
  ratio.mutable_sampling_percentage()->set_denominator(envoy::type::v3::FractionalPercent::MILLION);
  ratio.mutable_sampling_percentage()->set_numerator(
      static_cast<std::uint32_t>(std::lround(from.ratio->value * kParts)));
  to->set_name("envoy.tracers.opentelemetry.samplers.trace_id_ratio_based");
  pack(ratio, to->mutable_typed_config());
}

void fill_sampler(const ir::Sampler& from, TypedExtensionConfig* to) {
  if (!from.parent_based) return fill_ratio(from, to);
  samplers_v3::ParentBasedSamplerConfig parent_based;
  fill_ratio(from, parent_based.mutable_wrapped_sampler());
  to->set_name("envoy.tracers.opentelemetry.samplers.parent_based");
  pack(parent_based, to->mutable_typed_config());
}

void fill(const ir::TraceCollector& from, const ir::Tracing& tracing, trace_v3::Tracing::Http* to) {
  trace_v3::OpenTelemetryConfig config;
  fill_grpc_call(from.call, config.mutable_grpc_service());
  config.set_service_name(tracing.service_name);
  if (!from.resource.empty()) fill_resource(from.resource, config.add_resource_detectors());
  if (from.sampler) fill_sampler(*from.sampler, config.mutable_sampler());
  to->set_name("envoy.tracers.opentelemetry");
  pack(config, to->mutable_typed_config());
}

void fill(const ir::Zipkin& from, const ir::Tracing&, trace_v3::Tracing::Http* to) {
  trace_v3::ZipkinConfig config;
  config.set_collector_cluster(from.cluster);
  config.set_collector_hostname(from.host);
  config.set_collector_endpoint(kZipkinPath);
  config.set_collector_endpoint_version(trace_v3::ZipkinConfig::HTTP_JSON);
  config.set_trace_id_128bit(from.long_ids);
  config.mutable_shared_span_context()->set_value(from.shared_spans);
  to->set_name("envoy.tracers.zipkin");
  pack(config, to->mutable_typed_config());
}

void fill(const ir::Datadog& from, const ir::Tracing& tracing, trace_v3::Tracing::Http* to) {
  trace_v3::DatadogConfig config;
  config.set_collector_cluster(from.cluster);
  config.set_service_name(tracing.service_name);
  to->set_name("envoy.tracers.datadog");
  pack(config, to->mutable_typed_config());
}

void fill_tag(const ir::TraceTag& from, envoy::type::tracing::v3::CustomTag* to) {
  to->set_tag(from.name);
  switch (from.kind) {
    case ir::TraceTag::Kind::kLiteral:
      to->mutable_literal()->set_value(from.value);
      break;
    case ir::TraceTag::Kind::kEnvironment:
      to->mutable_environment()->set_name(from.value);
      to->mutable_environment()->set_default_value(from.default_value);
      break;
    case ir::TraceTag::Kind::kRequestHeader:
      to->mutable_request_header()->set_name(from.value);
      to->mutable_request_header()->set_default_value(from.default_value);
      break;
    case ir::TraceTag::Kind::kFormat:
      to->set_value(from.value);
      break;
  }
}

}  // namespace

void fill_tracing(const ir::Tracing& from, HttpConnectionManager::Tracing* to) {
  std::visit([&](const auto& provider) { fill(provider, from, to->mutable_provider()); }, from.provider);
  to->mutable_random_sampling()->set_value(from.random.value);
  to->mutable_client_sampling()->set_value(from.client.value);
  to->mutable_overall_sampling()->set_value(from.overall.value);
  to->mutable_spawn_upstream_span()->set_value(true);
  for (const ir::TraceTag& tag : from.tags) fill_tag(tag, to->add_custom_tags());
  to->set_operation(from.operation);
  to->set_upstream_operation(from.upstream_operation);
}

void fill_request_id(const ir::RequestId& from, HttpConnectionManager* to) {
  envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig config;
  config.mutable_pack_trace_reason()->set_value(from.packs_decision);
  config.mutable_use_request_id_for_trace_sampling()->set_value(from.samples);
  pack(config, to->mutable_request_id_extension()->mutable_typed_config());
}

}  // namespace sluice::xds
