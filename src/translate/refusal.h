// What is served in place of a version of an object that a proxy refused: its last good version, else as
// little as can be. The conditions say so in the proxy's words. It is a problem once the object is known to
// be guilty, and not only one of those that may be.
#pragma once

#include <optional>
#include <string>

#include "translate/rows.h"

namespace sluice::translate {

// `last_good` is the translation of the last good version, with the problems of the refused one.
RouteResult served_instead(RouteResult last_good, const ObjectKey& route, const std::string& message,
                           bool guilty);
std::optional<GatewayPlan> served_instead(std::optional<GatewayPlan> last_good, const ObjectKey& gateway,
                                          const std::string& message, bool guilty);
ExtensionPolicyRow served_instead(ExtensionPolicyRow last_good, const ObjectKey& policy,
                                  const std::string& message, bool guilty);
std::optional<ListenerSetPlan> served_instead(std::optional<ListenerSetPlan> last_good, const ObjectKey& set,
                                              const std::string& message, bool guilty);

ExtendedFilterRow served_instead(ExtendedFilterRow last_good, const ObjectKey& filter,
                                 const std::string& message, bool guilty);

// There was no good version. A route answers 500 for all of its matches that no proxy can refuse, or gets no
// connections; a Gateway or ListenerSet has no listener that serves; requests do without the extensions of a
// policy where these fail open, and are answered 500 elsewhere.
RouteResult served_hardly(RouteResult refused, const ObjectKey& route, const std::string& message,
                          bool guilty);
std::optional<GatewayPlan> served_hardly(std::optional<GatewayPlan> refused, const ObjectKey& gateway,
                                         const std::string& message, bool guilty);
std::optional<ListenerSetPlan> served_hardly(std::optional<ListenerSetPlan> refused, const ObjectKey& set,
                                             const std::string& message, bool guilty);
ExtensionPolicyRow served_hardly(ExtensionPolicyRow refused, const ObjectKey& policy,
                                 const std::string& message, bool guilty);
// Rules that refer to the filter answer 500.
ExtendedFilterRow served_hardly(ExtendedFilterRow refused, const ObjectKey& filter,
                                const std::string& message, bool guilty);

}  // namespace sluice::translate
