// Whose token may ask for which proxy's configuration: that of the ServiceAccount which the proxy's pods have.
//
// Threads: any.
#pragma once

#include <map>
#include <mutex>

#include "ads/server.h"
#include "base/object_key.h"
#include "ir/ir.h"

namespace sluice::control {

class ProxyAccounts {
 public:
  void set(const ir::ProxyKey& proxy, NamespacedName account) {
    const std::lock_guard lock(mutex_);
    accounts_[proxy] = std::move(account);
  }
  void erase(const ir::ProxyKey& proxy) {
    const std::lock_guard lock(mutex_);
    accounts_.erase(proxy);
  }

  // Of a proxy that is not known it may be known later.
  ads::Tokens::Access authorize(const ads::Account& account, const ir::ProxyKey& proxy) const {
    using enum ads::Tokens::Access;
    const std::lock_guard lock(mutex_);
    const auto known = accounts_.find(proxy);
    if (known == accounts_.end()) return kUnknownYet;
    const bool is_it = known->second.namespace_ == account.name_space && known->second.name == account.name;
    return is_it ? kGranted : kDenied;
  }

 private:
  mutable std::mutex mutex_;
  std::map<ir::ProxyKey, NamespacedName> accounts_;
};

}  // namespace sluice::control
