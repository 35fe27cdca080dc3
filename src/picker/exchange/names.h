// The names of the endpoint picker protocol (Inference Extension, docs/proposals/004) and of what llm-d added
// to it (llm-d-router, pkg/epp/metadata). Where there are two, the first is the newer one and counts.
#pragma once

#include <array>
#include <string_view>

namespace sluice::picker {

// Header, and field of the metadata namespace kLoadBalancer: "10.0.0.1:8000,10.0.0.2:8000".
inline constexpr std::string_view kDestination = "x-gateway-destination-endpoint";
inline constexpr std::string_view kLoadBalancer = "envoy.lb";
// Metadata of the request.
inline constexpr std::string_view kSubsetNamespace = "envoy.lb.subset_hint";
inline constexpr std::string_view kSubset = "x-gateway-destination-endpoint-subset";
// Metadata of the response, in kLoadBalancer, or a header.
inline constexpr std::string_view kServed = "x-gateway-destination-endpoint-served";

inline constexpr std::array<std::string_view, 2> kObjective{"x-llm-d-inference-objective",
                                                            "x-gateway-inference-objective"};
inline constexpr std::array<std::string_view, 2> kFairnessId{"x-llm-d-inference-fairness-id",
                                                             "x-gateway-inference-fairness-id"};
inline constexpr std::array<std::string_view, 2> kModelRewrite{"x-llm-d-model-name-rewrite",
                                                               "x-gateway-model-name-rewrite"};
inline constexpr std::array<std::string_view, 2> kFirstTokenObjective{"x-llm-d-slo-ttft-ms", "x-slo-ttft-ms"};
// Where the prompt is to be prefilled, if not at the destination.
inline constexpr std::string_view kPrefiller = "x-prefiller-host-port";
// The address that served a session before, in base64.
inline constexpr std::string_view kSessionToken = "x-session-token";

// Names of the health service.
inline constexpr std::string_view kLiveness = "liveness";
inline constexpr std::string_view kReadiness = "readiness";
inline constexpr std::string_view kExtProc = "envoy.service.ext_proc.v3.ExternalProcessor";

}  // namespace sluice::picker
