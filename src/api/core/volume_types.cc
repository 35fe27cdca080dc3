// Volumes of pods: one function a group of sources. A volume has the field of one source, by which the source
// is known.

#include <utility>

#include "api/core/pod_types.h"
#include "api/gateway_api/shared.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

Field fs_type() { return field("fsType", string()).doc("The type of the file system."); }
Field read_only() { return field("readOnly", boolean()).doc("Whether it is mounted read-only."); }
Field secret_ref() {
  return field("secretRef", local_name_reference()).doc("The Secret with what proves who asks.");
}
Field partition() { return field("partition", int32()).doc("The partition of the disk."); }
Field default_mode() { return field("defaultMode", int32()).doc("The permissions of files that name none."); }
Field optional(const char* words) { return field("optional", boolean()).doc(words); }
Field kind_of_object() { return field("kind", string()).required().doc("The kind of the object."); }
Field name_of_object() { return field("name", string()).required().doc("The name of the object."); }

void append(std::vector<Field> more, std::vector<Field>* fields) {
  for (Field& field : more) fields->push_back(std::move(field));
}

// ---- what the cluster knows ------------------------------------------------------------------------

Field key_paths() {
  const Type item = object({
      field("key", string()).required().doc("The key."),
      field("mode", int32()).doc("The permissions of the file."),
      field("path", string()).required().doc("The path of the file in the volume."),
  });
  return field("items", list(item)).doc("The keys that become files. By default all.");
}

Field pod_fields() {
  const Type item = object({
      field("fieldRef", object_field_selector()),
      field("mode", int32()).doc("The permissions of the file."),
      field("path", string()).required().doc("The path of the file in the volume."),
      field("resourceFieldRef", resource_field_selector()),
  });
  return field("items", list(item)).doc("The files, and what each says.");
}

// A ConfigMap or Secret as one part of a projected volume.
Type projected_keys() {
  return object({
                    key_paths(),
                    field("name", string()).defaults_to("").doc("The name of the object."),
                    optional("Whether the object or keys may be missing."),
                })
      .atomic();
}

Type projected() {
  const Type trust_bundle = object({
      field("labelSelector", label_selector()).doc("The bundles of the signer, by labels."),
      field("name", string()).doc("The bundle, by name."),
      optional("Whether it may be missing."),
      field("path", string()).required().doc("The path of the file in the volume."),
      field("signerName", string()).doc("The signer whose bundles are meant."),
  });
  const Type certificate = object({
      field("certificateChainPath", string()).doc("The path of the file with the certificates."),
      field("credentialBundlePath", string()).doc("The path of a file with key and certificates."),
      field("keyPath", string()).doc("The path of the file with the key."),
      field("keyType", string()).required().doc("What kind of key is made."),
      field("maxExpirationSeconds", int32()).doc("How long it is valid at most."),
      field("signerName", string()).required().doc("Who signs."),
      field("userAnnotations", map(string())).doc("What the signer is told besides."),
  });
  const Type token = object({
      field("audience", string()).doc("For whom the token is."),
      field("expirationSeconds", int64()).doc("How long it is valid."),
      field("path", string()).required().doc("The path of the file in the volume."),
  });
  const Type keys = projected_keys();
  const Type source = object({
      field("clusterTrustBundle", trust_bundle).doc("Certificates of authorities."),
      field("configMap", keys).doc("Keys of a ConfigMap."),
      field("downwardAPI", object({pod_fields()})).doc("What the pod says about itself."),
      field("podCertificate", certificate).doc("A key and certificate of the pod."),
      field("secret", keys).doc("Keys of a Secret."),
      field("serviceAccountToken", token).doc("A token of the pod's account."),
  });
  return object({default_mode(), field("sources", list(source)).doc("The parts.")});
}

Type claim_template() {
  const Type source = object({
                                 field("apiGroup", string()).doc("The group of the object's kind."),
                                 kind_of_object(),
                                 name_of_object(),
                             })
                          .atomic();
  const Type source_of_any_kind = object({
      field("apiGroup", string()).doc("The group of the object's kind."),
      kind_of_object(),
      name_of_object(),
      field("namespace", string()).doc("The namespace of the object."),
  });
  const Type spec = object({
      field("accessModes", list(string())).doc("How it may be mounted, as in `ReadWriteOnce`."),
      field("dataSource", source).doc("A snapshot or claim whose content it begins with."),
      field("dataSourceRef", source_of_any_kind).doc("The same, of any kind and namespace."),
      field("resources", object(resource_amounts())).doc("How large it is."),
      field("selector", label_selector()).doc("The volumes that will do."),
      field("storageClassName", string()).doc("The class of storage."),
      field("volumeAttributesClassName", string()).doc("The class of attributes."),
      field("volumeMode", string()).doc("`Filesystem` or `Block`."),
      field("volumeName", string()).doc("The volume to take."),
  });
  return object({
      field("metadata", object({})).doc("Nothing: the schema takes no labels or annotations here."),
      field("spec", spec).required().doc("What is claimed."),
  });
}

std::vector<Field> cluster_sources() {
  const Type config_map =
      object({
                 default_mode(),
                 key_paths(),
                 field("name", string()).defaults_to("").doc("The name of the ConfigMap."),
                 optional("Whether the ConfigMap or keys may be missing."),
             })
          .atomic();
  const Type secret = object({
      default_mode(),
      key_paths(),
      optional("Whether the Secret or keys may be missing."),
      field("secretName", string()).doc("The name of the Secret."),
  });
  const Type claim = object({
      field("claimName", string()).required().doc("The name of the claim."),
      read_only(),
  });
  return {
      field("configMap", config_map).doc("A ConfigMap, as files."),
      field("downwardAPI", object({default_mode(), pod_fields()}))
          .doc("What the pod says about itself, as files."),
      field("ephemeral", object({field("volumeClaimTemplate", claim_template()).doc("What is claimed.")}))
          .doc("Claimed for the pod, and gone with it."),
      field("persistentVolumeClaim", claim).doc("What a PersistentVolumeClaim got."),
      field("projected", projected()).doc("Several of these in one folder."),
      field("secret", secret).doc("A Secret, as files."),
  };
}

// ---- what the node has -----------------------------------------------------------------------------

std::vector<Field> node_sources() {
  const Type empty_dir = object({
      field("medium", string()).doc("`Memory`, or nothing for the disk of the node."),
      field("sizeLimit", quantity()).doc("How large it may grow."),
  });
  const Type git_repo = object({
      field("directory", string()).doc("The folder for it."),
      field("repository", string()).required().doc("The URL of the repository."),
      field("revision", string()).doc("The commit."),
  });
  const Type host_path = object({
      field("path", string()).required().doc("The path on the node."),
      field("type", string()).doc("What must be there, as in `Directory`."),
  });
  const Type image = object({
      field("pullPolicy", string()).doc("When it is fetched."),
      field("reference", string()).doc("The image or artefact."),
  });
  return {
      field("emptyDir", empty_dir).doc("An empty folder that is gone with the pod."),
      field("gitRepo", git_repo).doc("A Git repository."),
      field("hostPath", host_path).doc("A file or folder of the node."),
      field("image", image).doc("The content of an image."),
  };
}

// ---- storage over the network, whoever sells it ----------------------------------------------------

std::vector<Field> network_sources() {
  const Type fibre_channel = object({
      fs_type(),
      field("lun", int32()).doc("The number of the unit."),
      read_only(),
      field("targetWWNs", list(string())).doc("The names of the targets."),
      field("wwids", list(string())).doc("The identifiers of the volume, instead of targets and unit."),
  });
  const Type iscsi = object({
      field("chapAuthDiscovery", boolean()).doc("Whether discovery authenticates by CHAP."),
      field("chapAuthSession", boolean()).doc("Whether sessions authenticate by CHAP."),
      fs_type(),
      field("initiatorName", string()).doc("The name by which the node asks."),
      field("iqn", string()).required().doc("The name of the target."),
      field("iscsiInterface", string()).defaults_to("default").doc("The interface to use."),
      field("lun", int32()).required().doc("The number of the unit."),
      field("portals", list(string())).doc("More addresses of the target."),
      read_only(),
      secret_ref(),
      field("targetPortal", string()).required().doc("The address of the target."),
  });
  const Type nfs = object({
      field("path", string()).required().doc("The path that the server exports."),
      read_only(),
      field("server", string()).required().doc("The server."),
  });
  return {
      field("fc", fibre_channel).doc("A volume over Fibre Channel."),
      field("iscsi", iscsi).doc("A volume over iSCSI."),
      field("nfs", nfs).doc("A file system over NFS."),
  };
}

// ---- clouds ----------------------------------------------------------------------------------------

std::vector<Field> cloud_sources() {
  const Type aws = object({
      fs_type(),
      partition(),
      read_only(),
      field("volumeID", string()).required().doc("The id of the volume."),
  });
  const Type azure_disk = object({
      field("cachingMode", string()).doc("What the host caches."),
      field("diskName", string()).required().doc("The name of the disk."),
      field("diskURI", string()).required().doc("The URI of the disk."),
      fs_type().defaults_to("ext4"),
      field("kind", string()).doc("`Managed`, `Dedicated` or `Shared`."),
      read_only().defaults_to(false),
  });
  const Type azure_file = object({
      read_only(),
      field("secretName", string()).required().doc("The Secret with account and key."),
      field("shareName", string()).required().doc("The name of the share."),
  });
  const Type cinder = object({
      fs_type(),
      read_only(),
      secret_ref(),
      field("volumeID", string()).required().doc("The id of the volume."),
  });
  const Type gce = object({
      fs_type(),
      partition(),
      field("pdName", string()).required().doc("The name of the disk."),
      read_only(),
  });
  const Type photon = object({
      fs_type(),
      field("pdID", string()).required().doc("The id of the disk."),
  });
  const Type vsphere = object({
      fs_type(),
      field("storagePolicyID", string()).doc("The id of the storage policy."),
      field("storagePolicyName", string()).doc("The name of the storage policy."),
      field("volumePath", string()).required().doc("The path of the disk."),
  });
  return {
      field("awsElasticBlockStore", aws).doc("A disk of AWS."),
      field("azureDisk", azure_disk).doc("A disk of Azure."),
      field("azureFile", azure_file).doc("A file share of Azure."),
      field("cinder", cinder).doc("A disk of OpenStack."),
      field("gcePersistentDisk", gce).doc("A disk of Google Cloud."),
      field("photonPersistentDisk", photon).doc("A disk of Photon."),
      field("vsphereVolume", vsphere).doc("A disk of vSphere."),
  };
}

// ---- storage systems -------------------------------------------------------------------------------

// Those with a driver of the user's choice.
std::vector<Field> driver_sources() {
  const Type csi = object({
      field("driver", string()).required().doc("The driver."),
      fs_type(),
      field("nodePublishSecretRef", local_name_reference()).doc("The Secret that the driver is given."),
      read_only(),
      field("volumeAttributes", map(string())).doc("What the driver is told besides."),
  });
  const Type flex = object({
      field("driver", string()).required().doc("The driver."),
      fs_type(),
      field("options", map(string())).doc("What the driver is told besides."),
      read_only(),
      secret_ref(),
  });
  return {
      field("csi", csi).doc("A volume of a CSI driver."),
      field("flexVolume", flex).doc("A volume of a FlexVolume driver."),
  };
}

std::vector<Field> ceph_sources() {
  const Type monitors = list(string()).doc("The addresses of Ceph's monitors.");
  const Type cephfs = object({
      field("monitors", monitors).required(),
      field("path", string()).doc("The folder to mount."),
      read_only(),
      field("secretFile", string()).doc("The file with the user's key."),
      secret_ref(),
      field("user", string()).doc("The user of Ceph."),
  });
  const Type rbd = object({
      fs_type(),
      field("image", string()).required().doc("The image of Ceph."),
      field("keyring", string()).defaults_to("/etc/ceph/keyring").doc("The file with the user's key."),
      field("monitors", monitors).required(),
      field("pool", string()).defaults_to("rbd").doc("The pool of the image."),
      read_only(),
      secret_ref(),
      field("user", string()).defaults_to("admin").doc("The user of Ceph."),
  });
  return {
      field("cephfs", cephfs).doc("A file system of Ceph."),
      field("rbd", rbd).doc("A block device of Ceph."),
  };
}

std::vector<Field> system_sources() {
  const Type flocker = object({
      field("datasetName", string()).doc("The name of the dataset."),
      field("datasetUUID", string()).doc("The id of the dataset."),
  });
  const Type glusterfs = object({
      field("endpoints", string()).required().doc("The Endpoints object with the servers."),
      field("path", string()).required().doc("The volume."),
      read_only(),
  });
  const Type portworx = object({
      fs_type(),
      read_only(),
      field("volumeID", string()).required().doc("The id of the volume."),
  });
  const Type quobyte = object({
      field("group", string()).doc("The group of accesses."),
      read_only(),
      field("registry", string()).required().doc("The addresses of the registry."),
      field("tenant", string()).doc("The tenant that owns it."),
      field("user", string()).doc("The user of accesses."),
      field("volume", string()).required().doc("The name of the volume."),
  });
  const Type scale_io = object({
      fs_type().defaults_to("xfs"),
      field("gateway", string()).required().doc("The address of the gateway."),
      field("protectionDomain", string()).doc("The protection domain."),
      read_only(),
      secret_ref().required(),
      field("sslEnabled", boolean()).doc("Whether the gateway is reached over TLS."),
      field("storageMode", string()).defaults_to("ThinProvisioned").doc("How space is provided."),
      field("storagePool", string()).doc("The pool of the volume."),
      field("system", string()).required().doc("The name of the system."),
      field("volumeName", string()).doc("The name of the volume."),
  });
  const Type storage_os = object({
      fs_type(),
      read_only(),
      secret_ref(),
      field("volumeName", string()).doc("The name of the volume."),
      field("volumeNamespace", string()).doc("The namespace of the volume."),
  });
  return {
      field("flocker", flocker).doc("A dataset of Flocker."),
      field("glusterfs", glusterfs).doc("A volume of GlusterFS."),
      field("portworxVolume", portworx).doc("A volume of Portworx."),
      field("quobyte", quobyte).doc("A volume of Quobyte."),
      field("scaleIO", scale_io).doc("A volume of ScaleIO."),
      field("storageos", storage_os).doc("A volume of StorageOS."),
  };
}

}  // namespace

Type volume() {
  std::vector<Field> fields;
  fields.push_back(field("name", string()).required().doc("The name, by which mounts refer to it."));
  append(cluster_sources(), &fields);
  append(node_sources(), &fields);
  append(network_sources(), &fields);
  append(cloud_sources(), &fields);
  append(driver_sources(), &fields);
  append(ceph_sources(), &fields);
  append(system_sources(), &fields);
  return object(std::move(fields));
}

}  // namespace sluice::api
