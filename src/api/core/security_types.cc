// With which rights processes of a pod run: security contexts, of containers and of the pod.

#include <utility>

#include "api/core/pod_types.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Type kernel_profile() {
  return object({
      field("localhostProfile", string()).doc("The profile of the node to use, for the type `Localhost`."),
      field("type", string()).required().doc("`RuntimeDefault`, `Unconfined` or `Localhost`."),
  });
}

// What both kinds of contexts have. That of a container wins.
std::vector<Field> shared_fields() {
  const Type profile = kernel_profile();
  const Type se_linux = object({
      field("level", string()).doc("The level of the label."),
      field("role", string()).doc("The role of the label."),
      field("type", string()).doc("The type of the label."),
      field("user", string()).doc("The user of the label."),
  });
  const Type windows = object({
      field("gmsaCredentialSpec", string()).doc("The specification of a group managed service account."),
      field("gmsaCredentialSpecName", string()).doc("The name of that specification."),
      field("hostProcess", boolean()).doc("Whether it runs as a process of the host."),
      field("runAsUserName", string()).doc("The Windows user of the processes."),
  });
  return {
      field("appArmorProfile", profile).doc("The AppArmor profile."),
      field("runAsGroup", int64()).doc("The group of the processes."),
      field("runAsNonRoot", boolean()).doc("Whether root is refused as their user."),
      field("runAsUser", int64()).doc("The user of the processes."),
      field("seLinuxOptions", se_linux).doc("The SELinux label."),
      field("seccompProfile", profile).doc("The filter of system calls."),
      field("windowsOptions", windows).doc("What is particular to Windows."),
  };
}

Type context(std::vector<Field> fields) {
  std::vector<Field> all = shared_fields();
  for (Field& field : fields) all.push_back(std::move(field));
  return object(std::move(all));
}

}  // namespace

Type container_security_context() {
  const Type capabilities = object({
      field("add", list(string())).doc("Capabilities that processes have besides."),
      field("drop", list(string())).doc("Capabilities that are taken from them."),
  });
  return context(
             {
                 field("allowPrivilegeEscalation", boolean())
                     .doc("Whether a process may gain more rights than its parent has."),
                 field("capabilities", capabilities).doc("Changes of the runtime's set of capabilities."),
                 field("privileged", boolean()).doc("Whether processes may do what root may on the node."),
                 field("procMount", string()).doc("How `/proc` is mounted."),
                 field("readOnlyRootFilesystem", boolean()).doc("Whether the root file system is read-only."),
             })
      .doc("With which rights the container runs.");
}

Type pod_security_context() {
  const Type sysctl = object({
      field("name", string()).required().doc("The name of the parameter."),
      field("value", string()).required().doc("Its value."),
  });
  return context({
                     field("fsGroup", int64()).doc("The group that owns the volumes."),
                     field("fsGroupChangePolicy", string()).doc("When volumes are given to that group."),
                     field("seLinuxChangePolicy", string()).doc("How volumes get the SELinux label."),
                     field("supplementalGroups", list(int64())).doc("Further groups of the processes."),
                     field("supplementalGroupsPolicy", string())
                         .doc("Whether the groups that the image knows count as well."),
                     field("sysctls", list(sysctl)).doc("Parameters of the kernel."),
                 })
      .doc("With which rights the pod's containers run.");
}

}  // namespace sluice::api
