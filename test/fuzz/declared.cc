#include "declared.h"

#include "api/kinds.h"

namespace sluice::fuzz {

const schema::Type* declared_type(const Tree& document) {
  const Tree* kind = document.find("kind");
  const Tree* api_version = document.find("apiVersion");
  if (kind == nullptr || !kind->is_string() || api_version == nullptr || !api_version->is_string()) {
    return nullptr;
  }
  for (const api::KindInfo& info : api::kinds()) {
    if (info.kind != kind->as_string()) continue;
    for (const std::string_view version : info.versions) {
      if (info.api_version(version) == api_version->as_string()) return &api::type_of(info, version);
    }
  }
  return nullptr;
}

}  // namespace sluice::fuzz
