#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type reference_grant_type() {
  const Type from = object({
      field<&ReferenceGrantFrom::group>("group", group_name()).required(),
      field<&ReferenceGrantFrom::kind>("kind", kind_name()).required(),
      field<&ReferenceGrantFrom::namespace_>("namespace", namespace_name()).required(),
  });
  const Type to = object({
      field<&ReferenceGrantTo::group>("group", group_name()).required(),
      field<&ReferenceGrantTo::kind>("kind", kind_name()).required(),
      field<&ReferenceGrantTo::name>("name", object_name()),
  });
  return resource<ReferenceGrant>(
      metadata_type(kSubdomain, 253),
      object({
          field<&ReferenceGrantSpec::from>("from", list(from).items(1, 16)).required(),
          field<&ReferenceGrantSpec::to>("to", list(to).items(1, 16)).required(),
      }));
}

}  // namespace sluice::api
