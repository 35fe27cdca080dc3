// `sluice status`: the conditions of a running sluice, as a table, and its problems.
//
//   KIND          NAME         ACCEPTED  RESOLVEDREFS  PROGRAMMED  REASON           MESSAGE
//   GatewayClass  eg           True      -             -           Accepted
//   Gateway       default/eg   True      True          True        Accepted
//   HTTPRoute     default/web  True      False         -           BackendNotFound  Gateway eg: there is no …
//
// A row stands for an object: where it has listeners or several parents, for the worst of them; --output wide
// has a row for each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/console.h"

namespace sluice::cli {

struct StatusOptions {
  enum class Output : std::uint8_t { kTable, kWide, kJson, kYaml };
  std::string run_dir;
  std::string kind;  // "HTTPRoute", "httproutes"; empty: all
  std::string name;  // "default/web", "web"; empty: all
  Output output = Output::kTable;
};

// Asks the sluice that runs in run_dir. The exit code: kOk where all is well, kProblems where something is
// not, kUsage where nobody answers or there is no such object.
int status(const StatusOptions& options, Console& console);

// Prints the answer, a JSON text as observe/state.h: object_statuses.
int print_status(std::string_view body, const StatusOptions& options, Console& console);

}  // namespace sluice::cli
