{{/* One Ingress. Takes the root context as root, a name, annotations, and paths with path, type, service and port. */}}
{{- define "cloakroom.ingress" -}}
{{- $host := include "cloakroom.host" .root -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .name }}
  labels: {{- include "cloakroom.labels" .root | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  ingressClassName: {{ .root.Values.ingress.className | default .root.Values.ingress.recipe }}
  {{- with .root.Values.ingress.tlsSecretName }}
  tls:
    - {hosts: [{{ $host | quote }}], secretName: {{ . }}}
  {{- end }}
  rules:
    - host: {{ $host | quote }}
      http:
        paths:
          - path: {{ .path }}
            pathType: {{ ternary "Prefix" "Exact" (hasSuffix "/" .path) }}
            backend:
              service:
                name: {{ .service }}
                port: {number: {{ .port }}}
{{- end }}

{{/* The path that the ingress sends to the gateway's public listener: everything, or with
     forward-auth the gateway's own endpoints. */}}
{{- define "cloakroom.publicPath" -}}
{{- ternary (printf "%s/" (include "cloakroom.basePath" .)) "/" (eq .Values.mode "forward-auth") }}
{{- end }}

{{- define "cloakroom.publicIngress" -}}
{{- include "cloakroom.ingress" (dict "root" .root "name" (include "cloakroom.name" .root) "annotations" .annotations
  "path" (include "cloakroom.publicPath" .root) "service" (include "cloakroom.name" .root) "port" 80) }}
{{- end }}

{{- define "cloakroom.appName" -}}
{{ printf "%s-%s" (include "cloakroom.name" .root) (trimAll "-" (regexReplaceAll "[^a-z0-9]+" (lower .app.path) "-")) | trimSuffix "-" }}-app
{{- end }}
