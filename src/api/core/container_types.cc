// Containers, and what they are given: environment, resources, mounts, probes.

#include <utility>

#include "api/core/pod_types.h"
#include "api/patterns.h"

namespace sluice::api {

using namespace schema;  // NOLINT: the declarations are written in its words

namespace {

// A key of a ConfigMap or Secret.
Type key_selector() {
  return object({
                    field("key", string()).required().doc("The key."),
                    field("name", string()).defaults_to("").doc("The name of the object."),
                    field("optional", boolean()).doc("Whether the object or key may be missing."),
                })
      .atomic();
}

// All keys of one.
Type all_keys() {
  return object({
                    field("name", string()).defaults_to("").doc("The name of the object."),
                    field("optional", boolean()).doc("Whether the object may be missing."),
                })
      .atomic();
}

Type file_key_selector() {
  return object({
                    field("key", string()).required().doc("The key in the file."),
                    field("optional", boolean())
                        .defaults_to(false)
                        .doc("Whether the file or key may be missing."),
                    field("path", string()).required().doc("The path of the file in the volume."),
                    field("volumeName", string()).required().doc("The volume."),
                })
      .atomic();
}

Type env_from() {
  const Type source = all_keys();
  return object({
      field("configMapRef", source).doc("A ConfigMap, each key of which becomes a variable."),
      field("prefix", string()).doc("What stands in front of each name."),
      field("secretRef", source).doc("A Secret, each key of which becomes a variable."),
  });
}

// ---- probes and hooks ------------------------------------------------------------------------------

Type named_or_numbered_port() { return int_or_string().doc("The port, by number or name."); }

Type exec_action() {
  return object({field("command", list(string())).doc("The program and its arguments. No shell reads them.")})
      .doc("Runs a program in the container.");
}

Type http_get_action() {
  const Type header = object({
      field("name", string()).required().doc("The name of the header."),
      field("value", string()).required().doc("Its value."),
  });
  return object({
                    field("host", string()).doc("The host to connect to, by default the pod."),
                    field("httpHeaders", list(header)).doc("Headers of the request."),
                    field("path", string()).doc("The path of the request."),
                    field("port", named_or_numbered_port()).required(),
                    field("scheme", string()).doc("`HTTP` or `HTTPS`."),
                })
      .doc("Sends an HTTP request.");
}

Type tcp_socket_action() {
  return object({
                    field("host", string()).doc("The host to connect to, by default the pod."),
                    field("port", named_or_numbered_port()).required(),
                })
      .doc("Opens a connection.");
}

Type lifecycle() {
  const Type hook = object({
      field("exec", exec_action()),
      field("httpGet", http_get_action()),
      field("sleep", object({field("seconds", int64()).required().doc("For how long.")})).doc("Waits."),
      field("tcpSocket", tcp_socket_action()),
  });
  return object({
      field("postStart", hook).doc("What happens right after the start."),
      field("preStop", hook).doc("What happens before the end."),
      field("stopSignal", string()).doc("The signal that ends the container."),
  });
}

Type probe() {
  const Type grpc = object({
      field("port", int32()).required().doc("The port."),
      field("service", string()).defaults_to("").doc("The service to ask about."),
  });
  return object({
      field("exec", exec_action()),
      field("failureThreshold", int32()).doc("How many failures in a row it takes to fail."),
      field("grpc", grpc).doc("Asks gRPC's health service."),
      field("httpGet", http_get_action()),
      field("initialDelaySeconds", int32()).doc("How long the first probe waits."),
      field("periodSeconds", int32()).doc("How often it is probed."),
      field("successThreshold", int32()).doc("How many successes in a row it takes to recover."),
      field("tcpSocket", tcp_socket_action()),
      field("terminationGracePeriodSeconds", int64())
          .doc("How long a container that failed may take to end."),
      field("timeoutSeconds", int32()).doc("How long a probe may take."),
  });
}

// ---- restarts --------------------------------------------------------------------------------------

Type restart_rule() {
  const Type exit_codes = object({
      field("operator", string()).required().doc("`In` or `NotIn`."),
      field("values", list(int32()).as_set()).doc("The exit codes."),
  });
  return object({
      field("action", string()).required().doc("What is done: `Restart`."),
      field("exitCodes", exit_codes).doc("The exit codes for which it is done."),
  });
}

Type resize_rule() {
  return object({
      field("resourceName", string()).required().doc("The resource."),
      field("restartPolicy", string()).required().doc("Whether another amount needs a restart."),
  });
}

Type container_port() {
  return object({
      field("containerPort", int32()).required().doc("The port of the container."),
      field("hostIP", string()).doc("The address of the node to bind."),
      field("hostPort", int32()).doc("The port of the node that leads here."),
      field("name", string()).doc("The name of the port."),
      field("protocol", string()).defaults_to("TCP").doc("`TCP`, `UDP` or `SCTP`."),
  });
}

Type volume_device() {
  return object({
      field("devicePath", string()).required().doc("The path of the device in the container."),
      field("name", string()).required().doc("The volume."),
  });
}

}  // namespace

Type quantity() { return int_or_string().matches(kQuantity); }

Type local_name_reference() {
  return object({field("name", string()).defaults_to("").doc("The name of the object.")}).atomic();
}

Type object_field_selector() {
  return object({
                    field("apiVersion", string()).doc("The version of the pod's schema that has the field."),
                    field("fieldPath", string()).required().doc("The path of the field."),
                })
      .atomic()
      .doc("A field of the pod.");
}

Type resource_field_selector() {
  return object({
                    field("containerName", string()).doc("The container, in volumes."),
                    field("divisor", quantity()).doc("The unit of the number."),
                    field("resource", string()).required().doc("The resource, as in `limits.cpu`."),
                })
      .atomic()
      .doc("A limit or request of a container.");
}

Type env_var() {
  const Type key = key_selector();
  const Type source = object({
      field("configMapKeyRef", key).doc("A key of a ConfigMap."),
      field("fieldRef", object_field_selector()),
      field("fileKeyRef", file_key_selector()).doc("A key in a file of variables."),
      field("resourceFieldRef", resource_field_selector()),
      field("secretKeyRef", key).doc("A key of a Secret."),
  });
  return object({
      field("name", string()).required().doc("The name of the variable."),
      field("value", string()).doc("Its value. `$(NAME)` stands for the value of another."),
      field("valueFrom", source).doc("Where the value comes from, instead."),
  });
}

std::vector<Field> resource_amounts() {
  const Type amounts = map(quantity());
  return {
      field("limits", amounts).doc("The most it may use, by resource."),
      field("requests", amounts).doc("What is reserved for it, by resource."),
  };
}

Type resource_requirements() {
  const Type claim = object({
      field("name", string()).required().doc("The name of the pod's claim."),
      field("request", string()).doc("A part of the claim. By default all of it."),
  });
  std::vector<Field> fields = resource_amounts();
  fields.push_back(field("claims", list(claim).keyed_by({"name"})).doc("Claims of the pod that it uses."));
  return object(std::move(fields)).doc("How much of the node it gets.");
}

Type volume_mount() {
  return object({
      field("mountPath", string()).required().doc("Where in the container it is mounted."),
      field("mountPropagation", string()).doc("How mounts spread between the node and the container."),
      field("name", string()).required().doc("The volume."),
      field("readOnly", boolean()).doc("Whether it is mounted read-only."),
      field("recursiveReadOnly", string()).doc("Whether what is mounted below is read-only, too."),
      field("subPath", string()).doc("The part of the volume that is mounted."),
      field("subPathExpr", string()).doc("The same, with variables as in `$(NAME)`."),
  });
}

Type container() {
  const Type check = probe();
  return object({
      field("args", list(string())).doc("The arguments, by default those of the image."),
      field("command", list(string())).doc("The program, by default that of the image."),
      field("env", list(env_var()).keyed_by({"name"})).doc("Environment variables."),
      field("envFrom", list(env_from())).doc("Objects that are environment variables as a whole."),
      field("image", string()).doc("The image."),
      field("imagePullPolicy", string()).doc("When it is fetched."),
      field("lifecycle", lifecycle()).doc("What happens after the start and before the end."),
      field("livenessProbe", check).doc("Restarts the container when it fails."),
      field("name", string()).required().doc("The name: one in the pod."),
      field("ports", list(container_port()).keyed_by({"containerPort", "protocol"}))
          .doc("The ports that it listens on."),
      field("readinessProbe", check).doc("Takes the pod out of Services while it fails."),
      field("resizePolicy", list(resize_rule())).doc("What a change of resources needs."),
      field("resources", resource_requirements()),
      field("restartPolicy", string()).doc("When it is started again."),
      field("restartPolicyRules", list(restart_rule())).doc("The same, by exit code."),
      field("securityContext", container_security_context()),
      field("startupProbe", check).doc("Holds the others back until it succeeds."),
      field("stdin", boolean()).doc("Whether standard input stays open."),
      field("stdinOnce", boolean()).doc("Whether it is closed after the first client."),
      field("terminationMessagePath", string()).doc("The file with its last words."),
      field("terminationMessagePolicy", string()).doc("Whether the log stands in for that file."),
      field("tty", boolean()).doc("Whether it has a terminal."),
      field("volumeDevices", list(volume_device()).keyed_by({"devicePath"})).doc("Volumes as block devices."),
      field("volumeMounts", list(volume_mount()).keyed_by({"mountPath"})).doc("Volumes, and where they are."),
      field("workingDir", string()).doc("The folder in which it starts."),
  });
}

}  // namespace sluice::api
