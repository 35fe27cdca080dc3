#include "api/meta.h"

#include "api/declarations.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type metadata_type(const Pattern& name, std::size_t max_name_length) {
  const Type owner = object({
      field("apiVersion", string()).required(),
      field("kind", string()).required(),
      field("name", string()).required(),
      field("uid", string()).required(),
      field("controller", boolean()),
      field("blockOwnerDeletion", boolean()),
  });
  return object({
      field<&ObjectMeta::name>("name", string().length(1, max_name_length).matches(name)).required(),
      field<&ObjectMeta::namespace_>("namespace", string().max_length(63).matches(kLabelNameOrNothing)),
      field<&ObjectMeta::labels>(
          "labels", map(string().max_length(63).matches(kLabelValue)).keys_match(kQualifiedName)),
      field<&ObjectMeta::annotations>("annotations", map(string()).keys_match(kAnnotationKey)),
      field<&ObjectMeta::creation_timestamp>("creationTimestamp", string().formatted("date-time")),
      field<&ObjectMeta::generation>("generation", int64()),
      field("deletionGracePeriodSeconds", int64()),
      field("deletionTimestamp", string().formatted("date-time")),
      field("finalizers", list(string()).as_set()),
      field("generateName", string()),
      field("managedFields", list(any())),
      field("ownerReferences", list(owner).keyed_by({"uid"})),
      field("resourceVersion", string()),
      field("selfLink", string()),
      field("uid", string()),
  });
}

}  // namespace sluice::api
