{{/* The config.yaml: what the chart knows, and over it what values.config says. */}}
{{- define "cloakroom.config" -}}
{{- $secrets := "/run/secrets/cloakroom" -}}
{{- $keys := list -}}
{{- range .Values.sessionKeys }}{{ $keys = append $keys (printf "${file:%s/%s}" $secrets .) }}{{ end -}}
{{- $store := dict
  "redis" (printf "redis://:${file:%s/redis-password}@%s-redis:6379/0" $secrets (include "cloakroom.name" .))
  "external" (printf "${file:%s/store-url}" $secrets)
  "bolt" "bolt:/var/lib/cloakroom/cloakroom.db" -}}
{{- $provider := dict -}}
{{- if ne (dig "provider" "client_auth" "" .Values.config) "none" }}{{ $provider = dict "client_secret" (printf "${file:%s/client-secret}" $secrets) }}{{ end -}}
{{- $config := dict
  "listen" ":8080"
  "admin" (dict "listen" ":9090" "token" (printf "${file:%s/admin-token}" $secrets))
  "provider" $provider
  "session" (dict "store" (get $store .Values.store) "keys" $keys) -}}
{{- if eq .Values.mode "forward-auth" }}{{ $_ := set $config "forward_auth" (dict "listen" ":4181") }}{{ end -}}
{{- mustMergeOverwrite $config (deepCopy .Values.config) | toYaml }}
{{- end }}

{{- define "cloakroom.host" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .Values.config.public_url).host "" }}
{{- end }}

{{- define "cloakroom.basePath" -}}
{{- .Values.config.base_path | default "/bff" | trimSuffix "/" }}
{{- end }}

{{/* What an ingress takes over from the gateway's answer: the token, the cookies without ours, and
     every header that any route sets. Who lists them by hand forgets one, and a client forges it. */}}
{{- define "cloakroom.headers" -}}
{{- $names := list "Authorization" "Cookie" -}}
{{- range .Values.config.routes }}{{ range $name, $_ := dig "headers" "set" dict . }}{{ $names = append $names $name }}{{ end }}{{ with dig "assertion" "header" "" . }}{{ $names = append $names . }}{{ end }}{{ end -}}
{{- $names | uniq | toJson }}
{{- end }}

{{- define "cloakroom.forwardAuth" -}}
http://{{ include "cloakroom.name" . }}-forward-auth.{{ .Release.Namespace }}.svc:4181
{{- end }}

{{/* Mistakes that a schema does not see. */}}
{{- define "cloakroom.check" -}}
{{- if not .Values.config.public_url }}{{ fail "config.public_url is missing: write what the browser sees, such as https://app.example.com" }}{{ end -}}
{{- if and (eq .Values.store "bolt") (gt (int .Values.replicas) 1) }}{{ fail "store bolt is a file of one process: write replicas: 1, or store: redis" }}{{ end -}}
{{- if and (eq .Values.mode "sidecar") (not .Values.sidecar.containers) }}{{ fail "mode sidecar has no app beside it: write sidecar.containers" }}{{ end -}}
{{- if eq .Values.mode "forward-auth" -}}
{{- if not .Values.config.trusted_proxies }}{{ fail "config.trusted_proxies is missing: write the networks of the ingress's pods; nobody else is believed" }}{{ end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.forwardAuthFrom) }}{{ fail "networkPolicy.forwardAuthFrom is missing: write how to recognise the ingress's pods" }}{{ end -}}
{{- if and .Values.ingress.recipe (not .Values.ingress.apps) }}{{ fail "ingress.apps is missing: write what stands behind the ingress" }}{{ end -}}
{{- else if .Values.ingress.apps }}{{ fail "ingress.apps is for mode forward-auth: in the other modes the gateway forwards, as config.routes says" }}{{ end -}}
{{- if and (eq .Values.ingress.recipe "envoy-gateway") (not .Values.ingress.gateway.name) }}{{ fail "ingress.gateway.name is missing: write the Gateway to attach to" }}{{ end -}}
{{- end }}
