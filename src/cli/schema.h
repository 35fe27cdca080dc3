// `sluice schema`: the kinds as CustomResourceDefinitions, as JSON Schemas for editors, as reference pages.
#pragma once

#include <string>

#include "cli/console.h"

namespace sluice::cli {

struct SchemaOptions {
  std::string form;          // crd, json or docs
  std::string kind;          // as kubectl takes it: "HTTPRoute", "httproutes"; empty: all
  std::string output = "-";  // a folder for a file each, or "-": standard output
};

// The exit code.
int schema(const SchemaOptions& options, Console& console);

}  // namespace sluice::cli
