#include "api/declarations.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type reference_grant_type() {
  const Type from = object({
      field<&ReferenceGrantFrom::group>("group", group_name())
          .required()
          .doc("The group of those that refer."),
      field<&ReferenceGrantFrom::kind>("kind", kind_name()).required().doc("The kind of those that refer."),
      field<&ReferenceGrantFrom::namespace_>("namespace", namespace_name())
          .required()
          .doc("The namespace of those that refer."),
  });
  const Type to = object({
      field<&ReferenceGrantTo::group>("group", group_name())
          .required()
          .doc("The group of what is referred to."),
      field<&ReferenceGrantTo::kind>("kind", kind_name()).required().doc("The kind of what is referred to."),
      field<&ReferenceGrantTo::name>("name", object_name())
          .doc("The name of what is referred to. By default all of this kind in the namespace of the grant."),
  });
  return resource<ReferenceGrant>(
             metadata_type(kSubdomain, 253),
             object({
                 field<&ReferenceGrantSpec::from>("from", list(from).items(1, 16))
                     .required()
                     .doc("Who may refer."),
                 field<&ReferenceGrantSpec::to>("to", list(to).items(1, 16)).required().doc("To what."),
             }))
      .doc("Lets objects of other namespaces refer to objects of this one.");
}

}  // namespace sluice::api
