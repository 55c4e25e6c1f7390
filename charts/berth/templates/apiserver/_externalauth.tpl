{{/*
The flag of berth-apiserver that lists external providers, as one JSON list. What goes into it is listed here by name, so
that a secret which is written into values by mistake gets into no argument even where the schema is not asked.
*/}}
{{- define "berth.externalAuth.args" -}}
{{- if .Values.externalAuth.providers }}
{{- if not .Values.apiserver.accessURL }}
{{- fail "apiserver.accessURL: externalAuth.providers send people back there" }}
{{- end }}
{{- $known := list "type" "clientID" "authURL" "tokenURL" "validateURL" "revokeURL" "deviceCodeURL" "deviceFlow" "noRefresh" "scopes"
  "extraTokenKeys" "regex" "appInstallURL" "appInstallationsURL" "displayName" "displayIcon" }}
{{- $all := list }}
{{- $seen := dict }}
{{- range $i, $p := .Values.externalAuth.providers }}
{{- $id := $p.id | default $p.type }}
{{- if hasKey $seen $id }}
{{- fail (printf "externalAuth.providers[%d].id: two are called %s" $i $id) }}
{{- end }}
{{- $_ := set $seen $id true }}
{{- $out := dict "id" $id }}
{{- range $known }}
{{- if hasKey $p . }}
{{- $_ := set $out (snakecase .) (get $p .) }}
{{- end }}
{{- end }}
{{- if dig "clientSecret" "name" "" $p }}
{{- $_ := set $out "client_secret_file" (printf "/etc/berth/external-auth/%s" $id) }}
{{- else if not $p.deviceFlow }}
{{- fail (printf "externalAuth.providers[%d].clientSecret.name: name the Secret that holds the client's secret; only deviceFlow does without" $i) }}
{{- end }}
{{- $all = append $all $out }}
{{- end }}
{{- /* a $( in a regex is none of the variables that Kubernetes puts into arguments */}}
- {{ printf "--external-auth-providers=%s" (toJson $all) | replace "$" "$$" | quote }}
{{- end }}
{{- end }}

{{/* One volume for the secrets of all, so that ids need not be names of volumes. */}}
{{- define "berth.externalAuth.volumes" -}}
{{- $sources := list }}
{{- range .Values.externalAuth.providers }}
{{- if dig "clientSecret" "name" "" . }}
{{- $item := dict "key" (.clientSecret.key | default "clientSecret") "path" (.id | default .type) }}
{{- $sources = append $sources (dict "secret" (dict "name" .clientSecret.name "items" (list $item))) }}
{{- end }}
{{- end }}
{{- with $sources }}
- name: external-auth
  projected:
    sources:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- with .Values.externalAuth.caConfigMap }}
- name: external-auth-ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}

{{- define "berth.externalAuth.mounts" -}}
{{- if contains "name: external-auth\n" (include "berth.externalAuth.volumes" .) }}
- {name: external-auth, mountPath: /etc/berth/external-auth, readOnly: true}
{{- end }}
{{- if .Values.externalAuth.caConfigMap }}
- {name: external-auth-ca, mountPath: /etc/berth/external-auth-ca, readOnly: true}
{{- end }}
{{- end }}
