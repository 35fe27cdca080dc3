// The kinds of objects that a handle of Envoy's leads to. Their methods are where they are defined.
//
// Threads: those of the machine.
#pragma once

#include <lua.hpp>

#include "lua/object.h"

namespace sluice::lua {

// The value of whatever scripts read and have not set.
inline constexpr const char* kExample = "example_value";
// Pushes a table that has it under every key.
void push_open_table(lua_State* state);

// stream.cc: what a stream carries.
extern const Kind kRequestHeaders;
extern const Kind kResponseHeaders;
extern const Kind kTrailers;
extern const Kind kBody;
extern const Kind kMetadata;
extern const Kind kFilterContext;  // metadata of which all is known
extern const Kind kDynamicMetadata;
extern const Kind kConnectionMetadata;
// Methods: bodyChunks, dynamicTypedMetadata.
int iterate_chunks(lua_State* state);
int get_typed_metadata(lua_State* state);

// api.cc: what is known of it.
extern const Kind kFilterState;
extern const Kind kSsl;
extern const Kind kConnection;
extern const Kind kStreamInfo;
extern const Kind kConnectionStreamInfo;
extern const Kind kVirtualHost;
extern const Kind kRoute;
extern const Kind kStats;
extern const Kind kPublicKey;

// handle.cc
extern const Kind kRequestHandle;
extern const Kind kResponseHandle;
void open_resolutions(lua_State* state);

}  // namespace sluice::lua
