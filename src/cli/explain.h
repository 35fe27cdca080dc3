// `sluice explain`: the way of a request through what files say.
#pragma once

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "cli/console.h"
#include "explain/explain.h"
#include "translate/settings.h"

namespace sluice::cli {

struct ExplainOptions {
  std::vector<std::string> paths;
  translate::Settings settings;
  explain::Request request;
  bool json = false;
  // Not null: requests come from here, one JSON object a line, and answers go out the same way.
  std::istream* batch = nullptr;
};

// The exit code: kOk where a rule takes the request and something can answer it.
int explain_request(const ExplainOptions& options, Console& console);

// Where a field of an object stands: "conf/web.yaml:12"; empty where nobody knows.
using PlaceOf = std::function<std::string(const explain::Place&)>;

// An indented story.
std::string print_story(const explain::Explanation& explanation, const PlaceOf& place_of, bool color);

}  // namespace sluice::cli
