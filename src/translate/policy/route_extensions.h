// What EnvoyExtensionPolicies make of a route: which filters each of its rules has on each listener.
//
// Nothing is decided here about a filter itself: policies have been read by extension_policy.h, once for all
// routes. Where an extension is missing that requests must not do without, the rule answers 500, or 503 while
// it is only late.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "translate/attach.h"
#include "translate/policy/attachment.h"
#include "translate/route_rules.h"
#include "translate/tables.h"

namespace sluice::translate {

// Of one rule on one listener.
struct RuleExtensions {
  std::vector<const PolicyExtension*> used;
  std::uint16_t refuse = 0;  // answered at once with this status; 0: it is not
  bool may_answer = false;   // in place of a backend; so may what is late or broken, when that is over
  std::vector<MissingExtension> missing;

  bool operator==(const RuleExtensions&) const = default;
};

class RouteExtensions {
 public:
  // The route and its rules outlive this.
  RouteExtensions(const ObjectKey& route, const std::vector<RouteRule>& rules,
                  const PolicyIndex<ExtensionPolicyRow>& policies, flow::Reads& reads);

  // By rule; empty where no rule has any. Points into the tables.
  std::vector<RuleExtensions> at(const ObjectKey& parent, const AttachPoints& points,
                                 const std::string& listener);

  // The route's own policies that are in force for some rule of it.
  std::vector<OwnPolicy> own() const;

 private:
  const ObjectKey& route_;
  const std::vector<RouteRule>& rules_;
  const PolicyIndex<ExtensionPolicyRow>& policies_;
  flow::Reads& reads_;
  std::vector<InForce<ExtensionPolicyRow>> own_;  // by rule; empty: none has one
};

// The routes with what their rules have. Rules are named by index, one a route.
std::shared_ptr<const std::vector<ir::Route>> with_extensions(const std::vector<ir::Route>& routes,
                                                              const std::vector<std::uint32_t>& rules,
                                                              const std::vector<RuleExtensions>& extensions);

}  // namespace sluice::translate
