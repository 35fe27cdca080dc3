#include "ads/visitor.h"

#include <mutex>
#include <string_view>
#include <utility>

#include <grpc/grpc_security_constants.h>
#include <grpc/support/log.h>

#include <nlohmann/json.hpp>

#include "base/letter_case.h"
#include "base/log.h"

namespace sluice::ads {
namespace {

constexpr std::string_view kScheme = "bearer ";

std::string_view view(grpc::string_ref text) { return {text.data(), text.size()}; }

void log_for_grpc(gpr_log_func_args* args) {
  if (args->severity != GPR_LOG_SEVERITY_ERROR) return;
  static std::mutex mutex;
  static RefusalLog refusals;
  const std::lock_guard lock(mutex);
  refusals.refused("", args->message, std::chrono::steady_clock::now());
}

}  // namespace

Proof proof_of(const grpc::CallbackServerContext& context) {
  Proof proof{.address = context.peer()};
  const auto shown = context.auth_context();
  if (shown != nullptr && !shown->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME).empty()) {
    proof.kind = Proof::Kind::kCertificate;
    return proof;
  }
  const auto header = context.client_metadata().find("authorization");
  if (header == context.client_metadata().end()) return proof;
  const std::string_view value = view(header->second);
  if (lower_case(value.substr(0, kScheme.size())) != kScheme) return proof;
  proof.kind = Proof::Kind::kToken;
  proof.token = value.substr(kScheme.size());
  return proof;
}

void RefusalLog::refused(const std::string& address, const std::string& why, Time now) {
  if (last_ && now < *last_ + kRefusalsApart) {
    ++untold_;
    return;
  }
  last_ = now;
  log(Level::kWarning, "refused",
      {{"address", address}, {"why", why}, {"untold", std::exchange(untold_, 0)}});
}

void take_over_grpc_log() { gpr_set_log_function(log_for_grpc); }

}  // namespace sluice::ads
