{{/*
Names are fixed, not derived from the release: the kinds, the APIService and the policies exist once in a cluster, so
there is one Berth in it, and documentation, alerts and RoleBindings can say its names.
*/}}

{{/* Labels of every object. Use: include "berth.labels" (list $ "component"); the component may be empty. */}}
{{- define "berth.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: berth
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
{{ include "berth.selector" . }}
{{- end }}

{{/* Whether the cluster writes down on each object who asked for its spec: "true" or "false". */}}
{{- define "berth.stamps" -}}
{{- and .Values.policies.enabled .Values.policies.requester (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy") -}}
{{- end }}

{{/* Labels that select one component's pods; they never change. */}}
{{- define "berth.selector" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ $.Release.Name }}
{{- with $component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* The reference of an image: repository, and digest or tag. Use: include "berth.image" (list $ $.Values.image) */}}
{{- define "berth.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The agent's image: its own values where they name a repository, a tag or a digest, else the image of all. */}}
{{- define "berth.agentImage" -}}
{{- $own := .Values.agentImage -}}
{{- if or $own.repository $own.tag $own.digest -}}
{{- include "berth.image" (list . (dict "repository" ($own.repository | default .Values.image.repository) "tag" $own.tag "digest" $own.digest)) -}}
{{- else -}}
{{- include "berth.image" (list . .Values.image) -}}
{{- end -}}
{{- end }}

{{/* What both Deployments' pods share, up to their containers. Use: include "berth.pod" (list $ "manager" $.Values.manager) */}}
{{- define "berth.pod" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
serviceAccountName: berth-{{ $component }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with $values.affinity }}
affinity:
{{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $values.topologySpreadConstraints }}
{{- toYaml $values.topologySpreadConstraints | nindent 0 }}
{{- else }}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
{{- include "berth.selector" (list $ $component) | nindent 6 }}
{{- end }}
{{- end }}

{{/* What a container of ours may do: nothing but run. */}}
{{- define "berth.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The environment of a process: the collector keeps below the memory limit where there is one. */}}
{{- define "berth.env" -}}
{{- if dig "limits" "memory" "" (. | default dict) }}
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- end }}
{{- end }}

{{/* Where every process of ours must reach: names, and the kube-apiserver, whose address no selector can say. */}}
{{- define "berth.egress" -}}
- ports:
  - port: 53
    protocol: UDP
  - port: 53
    protocol: TCP
- ports:
  {{- range .Values.networkPolicy.kubernetesPorts }}
  - port: {{ . }}
  {{- end }}
{{- end }}
