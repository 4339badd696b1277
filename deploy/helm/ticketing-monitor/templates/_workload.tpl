{{/*
What exporter and responder have in common. Takes a dict: root, part, port (its number), env, secrets (a volume's source),
ingress (lists of peers), egress (rules of its own: peers and a port).
*/}}
{{- define "ticketing.workload" -}}
{{- $values := index .root.Values .part -}}
{{- $name := include "ticketing.name" . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels:
      {{- include "ticketing.selector" . | nindent 6 }}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels:
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "ticketing.selector" . | nindent 8 }}
        app.kubernetes.io/part-of: ticketing-monitor
      annotations:  # a changed configuration replaces the Pods
        checksum/config: {{ include "ticketing.config" . | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "ticketing.serviceAccount" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- range $field := list "nodeSelector" "tolerations" "affinity" }}
      {{- with index $values $field }}
      {{ $field }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "ticketing.selector" . | nindent 14 }}
      containers:
        - name: {{ .part }}
          {{- with $values.image }}
          {{- $tag := default $.root.Chart.AppVersion .tag }}
          image: {{ if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository $tag }}{{ end }}
          imagePullPolicy: {{ .pullPolicy }}
          {{- end }}
          args:
            - --config.file=/etc/ticketing/{{ .part }}.yml
            {{- with $values.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          env:
            {{- range $variable, $file := .env }}
            - {name: {{ $variable }}, value: /run/secrets/{{ $file }}}
            {{- end }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: http, containerPort: {{ .port }}}
          startupProbe:
            httpGet: {path: /-/healthy, port: http}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 15
          livenessProbe:
            httpGet: {path: /-/healthy, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:  # its sources answer, or its ledger
            httpGet: {path: /-/ready, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: config, mountPath: /etc/ticketing, readOnly: true}
            - {name: secrets, mountPath: /run/secrets, readOnly: true}
            - {name: tmp, mountPath: /tmp}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap: {name: {{ $name }}}
        - name: secrets
          {{- .secrets | nindent 10 }}
        - name: tmp
          emptyDir: {medium: Memory, sizeLimit: 64Mi}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
data:
  {{ .part }}.yml: |
    {{- include "ticketing.config" . | nindent 4 }}
{{- if $values.serviceAccount.create }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "ticketing.serviceAccount" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
  {{- with $values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
spec:
  selector:
    {{- include "ticketing.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- if gt (int $values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
spec:
  minAvailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow  # an outage of the platform must not hold up the drain of a node
  selector:
    matchLabels:
      {{- include "ticketing.selector" . | nindent 6 }}
{{- end }}
{{- if .root.Values.networkPolicies.enabled }}
{{- $policies := .root.Values.networkPolicies }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    app.kubernetes.io/name: {{ .part }}
    {{- include "ticketing.labels" .root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "ticketing.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- range .ingress }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {protocol: TCP, port: http}
  egress:
    - to:
        {{- toYaml $policies.dns | nindent 8 }}
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    {{- range .egress }}
    {{- if .to }}
    - to:
        {{- toYaml .to | nindent 8 }}
      ports:
        - {protocol: TCP, port: {{ .port }}}
    {{- end }}
    {{- end }}
    - ports:
        {{- range $values.egressPorts }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
      {{- with $policies.platform }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- end -}}
