#include "api/meta.h"

#include <utility>

#include "api/declarations.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

Type metadata_type(const Pattern& name, std::size_t max_name_length, bool with_uid) {
  const Type owner = object({
      field("apiVersion", string()).required().doc("The group and version of the owner's kind."),
      field("kind", string()).required().doc("The owner's kind."),
      field("name", string()).required().doc("The owner's name."),
      field("uid", string()).required().doc("The owner's identity."),
      field("controller", boolean()).doc("Whether the owner manages this object."),
      field("blockOwnerDeletion", boolean()).doc("Whether the owner stays until this object is gone."),
  });
  Type metadata = object({
      field<&ObjectMeta::name>("name", string().length(1, max_name_length).matches(name))
          .required()
          .doc("The name of the object: one in a namespace."),
      field<&ObjectMeta::namespace_>("namespace", string().max_length(63).matches(kLabelNameOrNothing))
          .doc("The namespace of the object, by default `default`. Objects of kinds for a whole cluster have "
               "none."),
      field<&ObjectMeta::labels>("labels",
                                 map(string().max_length(63).matches(kLabelValue)).keys_match(kQualifiedName))
          .doc("Keys and values by which selectors find the object."),
      field<&ObjectMeta::annotations>("annotations", map(string()).keys_match(kAnnotationKey))
          .doc("Keys and values that nothing selects by."),
      field<&ObjectMeta::creation_timestamp>("creationTimestamp", string().formatted("date-time"))
          .doc("When the object came to be. Of two that collide, the older one wins."),
      field<&ObjectMeta::generation>("generation", int64())
          .doc("How often the object has changed. Statuses say which generation they are about."),
      field("deletionGracePeriodSeconds", int64()).doc("Written by API servers."),
      field<&ObjectMeta::deletion_timestamp>("deletionTimestamp", string().formatted("date-time"))
          .doc("Until when the object is to be gone. A Pod that has it is ending, and in no pool."),
      field("finalizers", list(string()).as_set()).doc("What keeps the object from being deleted."),
      field("generateName", string()).doc("What an API server makes a name from."),
      field("managedFields", list(any())).doc("Written by API servers."),
      field("ownerReferences", list(owner).keyed_by({"uid"}))
          .doc("The objects with which this one is to be deleted."),
      field("resourceVersion", string()).doc("Written by API servers."),
      field("selfLink", string()).doc("Written by API servers, formerly."),
      (with_uid ? field<&ObjectMeta::uid>("uid", string()) : field("uid", string()))
          .doc("Written by API servers."),
  });
  return std::move(metadata).passive();
}

}  // namespace sluice::api
