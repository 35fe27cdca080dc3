#include "translate/setting_reader.h"

#include <limits>

#include <fmt/format.h>

namespace sluice::translate {

std::uint32_t SettingReader::count(std::string_view path, std::int64_t value) {
  if (value >= 0 && value <= std::numeric_limits<std::uint32_t>::max()) {
    return static_cast<std::uint32_t>(value);
  }
  error(std::string(path), fmt::format("{} is no number that Envoy can count to", value),
        "it counts from 0 to 4294967295");
  return 0;
}

std::optional<std::uint32_t> SettingReader::count(std::string_view path, std::optional<std::int32_t> value) {
  if (!value) return std::nullopt;
  return count(path, std::int64_t{*value});
}

std::optional<std::uint32_t> SettingReader::count_to(std::string_view path, std::optional<std::int64_t> value,
                                                     std::int64_t most) {
  if (!value) return std::nullopt;
  if (*value < 0 || *value > most) {
    error(std::string(path),
          fmt::format("the kernel takes no {} here, and no connection would be made", *value),
          fmt::format("it takes up to {}", most));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*value);
}

std::optional<std::uint32_t> SettingReader::bytes(std::string_view path,
                                                  const std::optional<api::ByteSize>& value,
                                                  std::uint64_t least, std::uint64_t most) {
  if (!value) return std::nullopt;
  const std::optional<std::uint64_t> bytes = api::bytes_of(*value);
  if (!bytes || *bytes < least || *bytes > most) {
    error(std::string(path),
          bytes ? fmt::format("{} bytes are too {}", *bytes, *bytes < least ? "few" : "many")
                : "so many bytes cannot be counted",
          least == 0 ? fmt::format("at most {} can be", most)
                     : fmt::format("between {} and {} can be", least, most));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*bytes);
}

ir::Duration SettingReader::positive(std::string_view path, ir::Duration value) {
  if (value <= ir::Duration::zero()) {
    error(std::string(path), "this cannot take no time at all", "write more than `0s`, or leave it out");
  }
  return value;
}

std::optional<ir::Duration> SettingReader::positive(std::string_view path,
                                                    std::optional<ir::Duration> value) {
  if (!value) return std::nullopt;
  return positive(path, *value);
}

void SettingReader::require(std::string_view path, std::string_view value) {
  if (value.empty()) error(std::string(path), "this cannot be empty");
}

}  // namespace sluice::translate
