{{/*
There is one control plane in a namespace: its objects are called sluice, for Envoys and certificates know the Service by
this name. What belongs to the whole cluster has the namespace in its name.
*/}}
{{- define "sluice.clusterName" -}}
sluice.{{ .Release.Namespace }}
{{- end }}

{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/component: control-plane
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sluice.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Envoy Gateway's configuration, with what the chart's own values say in it. */}}
{{- define "sluice.config" -}}
{{- $config := deepCopy .Values.config.envoyGateway -}}
{{- $own := dict "apiVersion" "gateway.envoyproxy.io/v1alpha1" "kind" "EnvoyGateway" -}}
{{- $kubernetes := dict -}}
{{- if .Values.watch.namespaces -}}
{{- $_ := set $kubernetes "watch" (dict "type" "Namespaces" "namespaces" .Values.watch.namespaces) -}}
{{- else if .Values.watch.namespaceSelector -}}
{{- $_ := set $kubernetes "watch" (dict "type" "NamespaceSelector" "namespaceSelector" .Values.watch.namespaceSelector) -}}
{{- end -}}
{{- with .Values.deployMode -}}
{{- $_ := set $kubernetes "deploy" (dict "type" .) -}}
{{- end -}}
{{- if $kubernetes -}}
{{- $_ := set $own "provider" (dict "type" "Kubernetes" "kubernetes" $kubernetes) -}}
{{- end -}}
{{- with .Values.controllerName -}}
{{- $_ := set $own "gateway" (dict "controllerName" .) -}}
{{- end -}}
{{- with .Values.logLevel -}}
{{- $_ := set $own "logging" (dict "level" (dict "default" .)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $config $own) -}}
{{- end }}

{{- define "sluice.controllerName" -}}
{{- dig "gateway" "controllerName" "gateway.envoyproxy.io/gatewayclass-controller" (include "sluice.config" . | fromYaml) -}}
{{- end }}

{{/* "true" where Envoys run beside their Gateways. */}}
{{- define "sluice.inGatewayNamespace" -}}
{{- if eq "GatewayNamespace" (dig "provider" "kubernetes" "deploy" "type" "" (include "sluice.config" . | fromYaml)) }}true{{ end -}}
{{- end }}

{{/* "true" where they ran so before, and do not any more. */}}
{{- define "sluice.wasInGatewayNamespace" -}}
{{- if and (eq "GatewayNamespace" (.Values.formerDeployMode | default "")) (not (include "sluice.inGatewayNamespace" .)) }}true{{ end -}}
{{- end }}

{{/* The namespaces that are watched, and ours, as {list: […]}; an empty list: all. */}}
{{- define "sluice.namespaces" -}}
{{- $named := dig "provider" "kubernetes" "watch" "namespaces" (list) (include "sluice.config" . | fromYaml) -}}
{{- if $named }}{{- $named = append $named .Release.Namespace | uniq -}}{{ end -}}
{{- toYaml (dict "list" $named) -}}
{{- end }}
