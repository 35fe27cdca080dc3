// The versions of objects that proxies refused, across restarts: a file, so that the next sluice serves the
// last good versions from the start and asks no proxy to refuse the same again.
//
// Threads: one at a time.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "control/pipeline.h"

namespace sluice::control {

class RefusalMemory {
 public:
  template <typename T>
  using Refusals = std::map<NamespacedName, std::shared_ptr<const Refusal<T>>>;

  // Reads the file. One that is missing, or that another version wrote, remembers nothing.
  explicit RefusalMemory(std::string file);

  const Refusals<api::HTTPRoute>& routes() const { return routes_; }
  const Refusals<api::Gateway>& gateways() const { return gateways_; }

  // Null forgets.
  void set(const NamespacedName& route, std::shared_ptr<const Refusal<api::HTTPRoute>> refusal);
  void set(const NamespacedName& gateway, std::shared_ptr<const Refusal<api::Gateway>> refusal);

  // True where this very version is refused.
  bool holds(const NamespacedName& name, const std::shared_ptr<const api::HTTPRoute>& route) const;
  bool holds(const NamespacedName& name, const std::shared_ptr<const api::Gateway>& gateway) const;

  // Writes the file, atomically. A failure is logged: what is served does not depend on it.
  void save() const;

 private:
  std::string file_;
  Refusals<api::HTTPRoute> routes_;
  Refusals<api::Gateway> gateways_;
};

}  // namespace sluice::control
