{{- define "ticketing.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the objects of a part: (dict "root" $ "part" "exporter") */}}
{{- define "ticketing.name" -}}
{{ include "ticketing.fullname" .root }}-{{ .part }}
{{- end -}}

{{- define "ticketing.serviceAccount" -}}
{{- $account := (index .root.Values .part).serviceAccount -}}
{{- if $account.create -}}
{{ default (include "ticketing.name" .) $account.name }}
{{- else -}}
{{ required (printf "%s.serviceAccount.name: which one, when none is created?" .part) $account.name }}
{{- end -}}
{{- end -}}

{{/* Labels of all objects: $ */}}
{{- define "ticketing.labels" -}}
app.kubernetes.io/part-of: ticketing-monitor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What selects the Pods of a part: (dict "root" $ "part" "exporter") */}}
{{- define "ticketing.selector" -}}
app.kubernetes.io/name: {{ .part }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* The configuration of a part, with the platform where that has a place for it. */}}
{{- define "ticketing.config" -}}
{{- $config := (index .root.Values .part).config | default (.root.Files.Get (printf "files/config/%s.yml" .part) | fromYaml) | deepCopy -}}
{{- if eq .part "responder" -}}
{{- $_ := set $config "platform" .root.Values.platform -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}
