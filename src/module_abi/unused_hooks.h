// Hooks that Envoy 1.40 asks of each module with an HTTP filter, and that none of our filters has anything to
// do in. To be included by one file of a module.
#pragma once

#include "module_abi/envoy_module.h"

// Hooks may be declared without the arguments that they do not read.
#define ENVOY_MODULE_UNUSED_HOOK(name) \
  ENVOY_MODULE_EXPORT void envoy_dynamic_module_on_##name() {}

ENVOY_MODULE_UNUSED_HOOK(http_filter_stream_complete)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_callout_done)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_stream_headers)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_stream_data)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_stream_trailers)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_stream_complete)
ENVOY_MODULE_UNUSED_HOOK(http_filter_http_stream_reset)
ENVOY_MODULE_UNUSED_HOOK(http_filter_downstream_above_write_buffer_high_watermark)
ENVOY_MODULE_UNUSED_HOOK(http_filter_downstream_below_write_buffer_low_watermark)
