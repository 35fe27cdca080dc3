// JSONPath: an expression that finds places in a document.
//
// The language is that of RFC 9535 with what Envoy Gateway's dialect has besides: `$` may be left out, a
// filter may stand in parentheses, and `=~` searches a regular expression.
//
//     $.filter_chains[0].filters[-1]          ..http_filters[?(@.name == 'envoy.filters.http.router')]
//     $.virtual_hosts[*].routes[?match(@.name, 'httproute/default/web/.*')]
//
// A comparison with a query that finds several values holds where it holds for one of them. Functions are
// match(), search(), length() and count(); regular expressions are RE2's.
//
// Threads: pure functions; an expression may be used by many.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "patch/pointer.h"

namespace sluice::patch {

class JsonPath {
 public:
  static Result<JsonPath> parse(std::string_view text);

  // Each place once, in the order of the document. Nothing found is a failure that says how far the way goes;
  // so is too much.
  Result<std::vector<Pointer>> locate(const nlohmann::json& document) const;

  struct Query;

 private:
  explicit JsonPath(std::shared_ptr<const Query> query) : query_(std::move(query)) {}

  std::shared_ptr<const Query> query_;
};

}  // namespace sluice::patch
