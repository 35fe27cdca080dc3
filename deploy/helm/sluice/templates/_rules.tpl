{{/*
What sluice may do, each with the reason. A rule is here because something asks for it: list and watch of each kind that is
read (src/source/cluster), patch of each status that is written (src/control/status_writer.h), and what src/control/
infrastructure.h, src/kube/election.h and src/control/certificate_secrets.h do. Nothing is ever got by name, but for
Leases, certificates and reports of followers.
*/}}

{{/* Read: objects of namespaces. */}}
{{- define "sluice.readRules" -}}
# Gateways, what belongs to them, and policies.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, listenersets, httproutes, grpcroutes, tlsroutes, tcproutes, udproutes, referencegrants, backendtlspolicies]
  verbs: [list, watch]
- apiGroups: [gateway.networking.x-k8s.io]
  resources: [xbackends, xbackendtrafficpolicies]
  verbs: [list, watch]
- apiGroups: [gateway.envoyproxy.io]
  resources: [backends, envoyproxies, envoyextensionpolicies, envoypatchpolicies, httproutefilters]
  verbs: [list, watch]
# Pools of model servers. Their Pods are watched while there are pools.
- apiGroups: [inference.networking.k8s.io]
  resources: [inferencepools]
  verbs: [list, watch]
- apiGroups: [llm-d.ai]
  resources: [inferenceobjectives, inferencemodelrewrites]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Where routes send to.
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [multicluster.x-k8s.io]
  resources: [serviceimports]
  verbs: [list, watch]
# Certificates of listeners and credentials; CA certificates, scripts and bodies of answers.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [list, watch]
{{- end }}

{{/* Read: objects of the whole cluster. */}}
{{- define "sluice.clusterReadRules" -}}
# Which Gateways are ours.
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses]
  verbs: [list, watch]
# Their labels decide which routes a listener lets in, and which namespaces are watched.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
# CA certificates of backends.
- apiGroups: [certificates.k8s.io]
  resources: [clustertrustbundles]
  verbs: [list, watch]
# Addresses of Gateways whose Service has ports of nodes; they are not read otherwise.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
{{- end }}

{{/* Write: statuses. Objects themselves are never changed. */}}
{{- define "sluice.statusRules" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways/status, listenersets/status, httproutes/status, grpcroutes/status, tlsroutes/status, tcproutes/status, udproutes/status, backendtlspolicies/status]
  verbs: [patch]
- apiGroups: [gateway.networking.x-k8s.io]
  resources: [xbackends/status, xbackendtrafficpolicies/status]
  verbs: [patch]
- apiGroups: [gateway.envoyproxy.io]
  resources: [backends/status, envoyproxies/status, envoyextensionpolicies/status, envoypatchpolicies/status]
  verbs: [patch]
- apiGroups: [inference.networking.k8s.io]
  resources: [inferencepools/status]
  verbs: [patch]
- apiGroups: [llm-d.ai]
  resources: [inferenceobjectives/status, inferencemodelrewrites/status]
  verbs: [patch]
{{- end }}

{{/* What runs Envoys: server-side apply (create and patch), drift (list and watch), and the end of it. */}}
{{- define "sluice.infrastructureRules" -}}
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [list, watch, create, patch, delete]
# A Service with the Gateway's address, the pods' identity, and their configuration.
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps]
  verbs: [list, watch, create, patch, delete]
# Where an EnvoyProxy asks for them.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
{{- end }}

{{/* The end of it alone. */}}
{{- define "sluice.leftoverRules" -}}
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [list, watch, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps]
  verbs: [list, watch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, delete]
{{- end }}
