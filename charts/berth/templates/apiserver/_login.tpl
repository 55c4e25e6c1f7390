{{/* The flags of berth-apiserver that say where people sign in. */}}
{{- define "berth.login.args" -}}
{{- with .Values.login.oidc }}
{{- if .issuerURL }}
- {{ printf "--oidc-issuer-url=%s" .issuerURL | quote }}
- {{ printf "--oidc-client-id=%s" .clientID | quote }}
- --oidc-client-secret-file=/etc/berth/oidc/secret
- {{ printf "--oidc-scopes=%s" (join "," .scopes) | quote }}
{{- with .authURLParams }}
- {{ printf "--oidc-auth-url-params=%s" (toJson .) | quote }}
{{- end }}
{{- with .emailDomain }}
- {{ printf "--oidc-email-domain=%s" (join "," .) | quote }}
{{- end }}
- --oidc-allow-signups={{ .allowSignups }}
- --oidc-ignore-email-verified={{ .ignoreEmailVerified }}
- --oidc-ignore-userinfo={{ .ignoreUserInfo }}
- {{ printf "--oidc-email-field=%s" .emailField | quote }}
- {{ printf "--oidc-username-field=%s" .usernameField | quote }}
{{- with .groupField }}
- {{ printf "--oidc-group-field=%s" . | quote }}
{{- end }}
{{- with .groupMapping }}
- {{ printf "--oidc-group-mapping=%s" (toJson .) | quote }}
{{- end }}
{{- with .groupRegexFilter }}
- {{ printf "--oidc-group-regex-filter=%s" . | quote }}
{{- end }}
{{- with .allowedGroups }}
- {{ printf "--oidc-allowed-groups=%s" (join "," .) | quote }}
{{- end }}
{{- with .userRoleField }}
- {{ printf "--oidc-user-role-field=%s" . | quote }}
{{- end }}
{{- with .userRoleMapping }}
- {{ printf "--oidc-user-role-mapping=%s" (toJson .) | quote }}
{{- end }}
{{- with .userRoleDefault }}
- {{ printf "--oidc-user-role-default=%s" (join "," .) | quote }}
{{- end }}
- {{ printf "--oidc-sign-in-text=%s" .signInText | quote }}
{{- with .iconURL }}
- {{ printf "--oidc-icon-url=%s" . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.login.github }}
{{- if .clientID }}
- {{ printf "--oauth2-github-client-id=%s" .clientID | quote }}
- --oauth2-github-client-secret-file=/etc/berth/github/secret
{{- with .allowedOrgs }}
- {{ printf "--oauth2-github-allowed-orgs=%s" (join "," .) | quote }}
{{- end }}
{{- with .allowedTeams }}
- {{ printf "--oauth2-github-allowed-teams=%s" (join "," .) | quote }}
{{- end }}
- --oauth2-github-allow-everyone={{ .allowEveryone }}
- --oauth2-github-allow-signups={{ .allowSignups }}
{{- with .enterpriseBaseURL }}
- {{ printf "--oauth2-github-enterprise-base-url=%s" . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The names of what is mounted for that, and what of it: a list of name, kind and key. */}}
{{- define "berth.login.volumes" -}}
{{- with .Values.apiserver.scimKeySecret }}
- name: scim
  secret:
    secretName: {{ . }}
    items: [{key: key, path: key}]
{{- end }}
{{- with .Values.login }}
{{- if .oidc.issuerURL }}
- name: oidc
  secret:
    secretName: {{ required "login.oidc.clientSecret.name: name the Secret that holds the client's secret" .oidc.clientSecret.name }}
    items: [{key: {{ .oidc.clientSecret.key | quote }}, path: secret}]
{{- end }}
{{- if .github.clientID }}
- name: github
  secret:
    secretName: {{ required "login.github.clientSecret.name: name the Secret that holds the client's secret" .github.clientSecret.name }}
    items: [{key: {{ .github.clientSecret.key | quote }}, path: secret}]
{{- end }}
{{- with .caConfigMap }}
- name: ca
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "berth.login.mounts" -}}
{{- if .Values.apiserver.scimKeySecret }}
- {name: scim, mountPath: /etc/berth/scim, readOnly: true}
{{- end }}
{{- with .Values.login }}
{{- if .oidc.issuerURL }}
- {name: oidc, mountPath: /etc/berth/oidc, readOnly: true}
{{- end }}
{{- if .github.clientID }}
- {name: github, mountPath: /etc/berth/github, readOnly: true}
{{- end }}
{{- if .caConfigMap }}
- {name: ca, mountPath: /etc/berth/ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
