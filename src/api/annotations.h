// Annotations of ours: what we need to be told and upstream's schemas have no field for.
//
// Threads: a pure function.
#pragma once

#include <string_view>
#include <vector>

#include "base/object_key.h"
#include "base/problem.h"
#include "tree/tree.h"

namespace sluice::api {

// Of an EnvoyExtensionPolicy. A WebAssembly module that changes headers by what is in the body holds them
// back until it has that. Envoy has it wait for nothing then, unless it is told to go on with the body, which
// one that holds headers back for another reason does not expect: so it is for the user to say.
inline constexpr std::string_view kWasmBodyBehindHeldHeaders = "sluice.dev/wasm-body-behind-held-headers";
// Of an InferencePool: where our own picker is, beside-envoy or inside-envoy.
inline constexpr std::string_view kPickerHome = "sluice.dev/picker";
// Of an InferencePool: the ConfigMap with an EndpointPickerConfig for it.
inline constexpr std::string_view kPickerConfig = "sluice.dev/picker-config";
// Of an InferencePool: where our own picker asks its servers for metrics, as `https://:8443/metrics`.
inline constexpr std::string_view kPickerMetrics = "sluice.dev/picker-metrics";
// Of an InferencePool: what its picker is shown of answers, as-needed or headers.
inline constexpr std::string_view kPickerAnswers = "sluice.dev/picker-answers";

// Warns of annotations of an object that look like ours and are none, or none of its kind.
void report_annotations(const Tree& document, const GroupKind& kind, std::vector<Problem>& problems);

}  // namespace sluice::api
