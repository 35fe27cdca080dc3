#include <fmt/format.h>

#include "base/quote.h"
#include "lua/validate.h"
#include "translate/near.h"
#include "translate/policy/extension_reader.h"
#include "tree/write.h"

namespace sluice::translate {
namespace {

constexpr char kKey[] = "lua";  // of a ConfigMap with a script; else its first

lua::Validation validation_of(api::LuaValidation validation) {
  switch (validation) {
    case api::LuaValidation::kStrict:
      return lua::Validation::kStrict;
    case api::LuaValidation::kInsecureSyntax:
      return lua::Validation::kSyntax;
    case api::LuaValidation::kDisabled:
      return lua::Validation::kNone;
  }
  return lua::Validation::kStrict;
}

}  // namespace

PolicyExtension read_lua(ExtensionReader& reader, std::size_t index, const api::Lua& lua) {
  const auto broken = [&](ExtensionFailure failure) {
    return reader.broken("lua", index, std::move(failure), false);
  };
  if (!reader.environment.settings.lua_enabled) {
    return broken({.field = {},
                   .code = "support/lua",
                   .message = "scripts are switched off (luaEnvoyExtensionPolicyDisabled)",
                   .suggestion = {}});
  }
  ir::Lua filter;
  std::string field = "inline";
  if (lua.value_ref) {
    field = "valueRef.name";
    const ObjectKey key{.kind = api::kind_of<api::ConfigMap>(),
                        .name = {reader.policy.namespace_, lua.value_ref->name}};
    const api::ConfigMap* map = reader.reads.get(reader.environment.inputs.config_maps, key.name);
    if (map == nullptr) {
      return broken({.field = field,
                     .code = "reference/not-found",
                     .message = fmt::format("there is no {}", key.to_string()),
                     .suggestion = near_object(key, {}, reader.environment.tables, reader.reads)});
    }
    auto at = map->data.find(kKey);
    if (at == map->data.end()) at = map->data.begin();
    if (at == map->data.end()) {
      return broken({.field = field,
                     .code = "reference/key",
                     .message = fmt::format("{} has no key `lua`, and no other", key.to_string()),
                     .suggestion = "put the script under the key `lua`"});
    }
    if (at->first != kKey) {
      reader.warn("lua", index,
                  {.field = field,
                   .code = "reference/key",
                   .message = fmt::format("{} has no key `lua`: the script is that of its first, {}",
                                          key.to_string(), quote(at->first)),
                   .suggestion = "put the script under the key `lua`"});
    }
    filter.source = at->second;
  } else {
    filter.source = lua.inline_.value_or("");
  }
  if (lua.filter_context) {
    if (!lua.filter_context->is_map()) {
      return broken({.field = "filterContext",
                     .code = "value/lua",
                     .message = "the context of a filter is an object, with keys and values",
                     .suggestion = "write `filterContext: {key: value}`"});
    }
    filter.context = to_json(*lua.filter_context);
  }
  const api::LuaSettings& settings = reader.terms.lua;
  const auto failure = lua::validate(filter.source, validation_of(settings.validation_type),
                                     {.allowed_paths = settings.strict_validation.allowed_paths,
                                      .allowed_env = settings.strict_validation.allowed_env_vars,
                                      .filter_context = filter.context});
  if (failure) {
    return broken({.field = field,
                   .code = "value/lua",
                   .message = failure->line == 0 ? fmt::format("the script is refused: {}", failure->message)
                                                 : fmt::format("the script is refused: line {}: {}",
                                                               failure->line, failure->message),
                   .suggestion = {}});
  }
  return {.filter = reader.filter("lua", "lua", index, std::move(filter)),
          .cluster = nullptr,
          .fail_open = false,
          .pending = false};
}

}  // namespace sluice::translate
