// Texts in JSON that others wrote.
//
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace sluice {

// That of a map's member; empty where it is no string, or not there, or this is no map.
inline std::string string_at(const nlohmann::json& map, std::string_view name) {
  const auto found = map.find(name);
  return found != map.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace sluice
