#include "xds/filters/lua.h"

#include "google/protobuf/util/json_util.h"

#include "envoy/extensions/filters/http/lua/v3/lua.pb.h"

#include "xds/filters/extension.h"

namespace sluice::xds {

namespace lua_v3 = envoy::extensions::filters::http::lua::v3;

namespace {

void render(const ir::Lua& from, lua_v3::Lua* to) {
  to->mutable_default_source_code()->set_inline_string(from.source);
}

}  // namespace

void add_lua(const ir::HttpChain& chain, HttpConnectionManager* to) { add_extensions(chain, to, render); }

lua_v3::LuaPerRoute lua_on_route(const ir::ExtensionUse& use) {
  lua_v3::LuaPerRoute config;
  // Translation made the text from an object: it is JSON.
  (void)google::protobuf::util::JsonStringToMessage(use.lua_context, config.mutable_filter_context());
  return config;
}

}  // namespace sluice::xds
