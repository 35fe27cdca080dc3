#include "wasm/failure.h"

namespace sluice::wasm {

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::kInvalidSource:
      return "invalid-source";
    case Reason::kUnreachable:
      return "unreachable";
    case Reason::kTimeout:
      return "timeout";
    case Reason::kTls:
      return "tls";
    case Reason::kRefusedAddress:
      return "refused-address";
    case Reason::kRedirect:
      return "redirect";
    case Reason::kUnauthorized:
      return "unauthorized";
    case Reason::kNotFound:
      return "not-found";
    case Reason::kServer:
      return "server";
    case Reason::kTooLarge:
      return "too-large";
    case Reason::kDigestMismatch:
      return "digest-mismatch";
    case Reason::kNotModule:
      return "not-a-module";
    case Reason::kMalformed:
      return "malformed";
    case Reason::kStorage:
      return "storage";
    case Reason::kCancelled:
      return "cancelled";
  }
  return "";
}

}  // namespace sluice::wasm
