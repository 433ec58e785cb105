{{- define "cloakroom.container" -}}
name: cloakroom
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
ports:
  - {name: http, containerPort: 8080}
  {{- if eq .Values.mode "forward-auth" }}
  - {name: forward-auth, containerPort: 4181}
  {{- end }}
  - {name: admin, containerPort: 9090}
{{- with .Values.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
livenessProbe:
  httpGet: {path: /healthz, port: admin}
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
lifecycle:
  preStop: {sleep: {seconds: 5}} # until nobody sends new requests here
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/cloakroom, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/cloakroom, readOnly: true}
  {{- if eq .Values.store "bolt" }}
  - {name: state, mountPath: /var/lib/cloakroom}
  {{- end }}
{{- end }}

{{- define "cloakroom.pod" -}}
serviceAccountName: {{ include "cloakroom.name" . }}
automountServiceAccountToken: false
# Kubernetes would set CLOAKROOM_PORT and the like for a Service of that name, and the gateway
# takes such variables for keys of its configuration.
enableServiceLinks: false
# preStop, then half a minute for requests and half a minute for refreshes under way.
terminationGracePeriodSeconds: 75
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  fsGroup: 65532 # may read the secrets, and write the store file
  seccompProfile: {type: RuntimeDefault}
containers:
  - {{- include "cloakroom.container" . | nindent 4 }}
  {{- if eq .Values.mode "sidecar" }}
  {{- toYaml .Values.sidecar.containers | nindent 2 }}
  {{- end }}
volumes:
  - name: config
    configMap: {name: {{ include "cloakroom.name" . }}}
  - name: secrets
    secret: {secretName: {{ .Values.secretName }}, defaultMode: 0440}
  {{- if eq .Values.store "bolt" }}
  - name: state
    persistentVolumeClaim: {claimName: {{ include "cloakroom.name" . }}}
  {{- end }}
  {{- if eq .Values.mode "sidecar" }}
  {{- with .Values.sidecar.volumes }}{{ toYaml . | nindent 2 }}{{ end }}
  {{- end }}
{{- if gt (int .Values.replicas) 1 }}
topologySpreadConstraints:
  {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "cloakroom.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
