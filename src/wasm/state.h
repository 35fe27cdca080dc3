// What became of a source of a module (see store.h).
//
// Threads: plain values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "wasm/failure.h"

namespace sluice::wasm {

struct Pending {
  bool operator==(const Pending&) const = default;
};

struct Ready {
  std::string path;
  std::string sha256;
  // Why a source that may have moved could not be looked at; empty where it could.
  std::string warning;

  bool operator==(const Ready&) const = default;
};

struct Failed {
  Failure failure;
  // Null where that would not help.
  std::optional<std::chrono::system_clock::time_point> retry_at;

  bool operator==(const Failed&) const = default;
};

using State = std::variant<Pending, Ready, Failed>;

}  // namespace sluice::wasm
