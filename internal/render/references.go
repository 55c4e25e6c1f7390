// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// collectReferences gathers the Secrets and ConfigMaps that the pod names, before the agents' own variables are mixed
// into their containers.
func (a *assembly) collectReferences() {
	pod := &a.workload.Pod.Spec
	at := contentPath + ".podTemplate.spec"
	for i, ref := range pod.ImagePullSecrets {
		a.refer("Secret", ref.Name, nil, fmt.Sprintf("%s.imagePullSecrets[%d].name", at, i))
	}
	for i, v := range pod.Volumes {
		a.referVolume(v.VolumeSource, fmt.Sprintf("%s.volumes[%d]", at, i))
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for _, c := range containers {
			a.referFrom(c.EnvFrom, a.at[c.Name]+".envFrom")
			a.referEnv(c.Env, a.at[c.Name]+".env")
		}
	}
	for _, agent := range a.agents {
		a.referEnv(a.environment(agent.env), agent.path+".env")
	}
}

func (a *assembly) referVolume(v corev1.VolumeSource, at string) {
	if v.Secret != nil {
		a.refer("Secret", v.Secret.SecretName, v.Secret.Optional, at+".secret.secretName")
	}
	if v.ConfigMap != nil {
		a.refer("ConfigMap", v.ConfigMap.Name, v.ConfigMap.Optional, at+".configMap.name")
	}
	if v.Projected == nil {
		return
	}
	for i, source := range v.Projected.Sources {
		at := fmt.Sprintf("%s.projected.sources[%d]", at, i)
		if source.Secret != nil {
			a.refer("Secret", source.Secret.Name, source.Secret.Optional, at+".secret.name")
		}
		if source.ConfigMap != nil {
			a.refer("ConfigMap", source.ConfigMap.Name, source.ConfigMap.Optional, at+".configMap.name")
		}
	}
}

func (a *assembly) referFrom(sources []corev1.EnvFromSource, at string) {
	for i, source := range sources {
		if source.SecretRef != nil {
			a.refer("Secret", source.SecretRef.Name, source.SecretRef.Optional, fmt.Sprintf("%s[%d].secretRef.name", at, i))
		}
		if source.ConfigMapRef != nil {
			a.refer("ConfigMap", source.ConfigMapRef.Name, source.ConfigMapRef.Optional, fmt.Sprintf("%s[%d].configMapRef.name", at, i))
		}
	}
}

func (a *assembly) referEnv(env []corev1.EnvVar, at string) {
	for i, v := range env {
		if v.ValueFrom == nil {
			continue
		}
		at := fmt.Sprintf("%s[%d].valueFrom", at, i)
		if ref := v.ValueFrom.SecretKeyRef; ref != nil {
			a.checkGenerated(ref.Name, ref.Key, at+".secretKeyRef.key")
			a.refer("Secret", ref.Name, ref.Optional, at+".secretKeyRef.name")
		}
		if ref := v.ValueFrom.ConfigMapKeyRef; ref != nil {
			a.refer("ConfigMap", ref.Name, ref.Optional, at+".configMapKeyRef.name")
		}
	}
}

// refer notes a reference, once an object: one that must be there outweighs one that need not.
func (a *assembly) refer(kind, name string, optional *bool, at string) {
	if kind == "Secret" && a.generated(name) != nil {
		return // it is the workspace's own
	}
	may := optional != nil && *optional
	refs := a.workload.References
	for i := range refs {
		if refs[i].Kind == kind && refs[i].Name == name {
			refs[i].Optional = refs[i].Optional && may
			return
		}
	}
	a.workload.References = append(refs, Reference{Kind: kind, Name: name, Optional: may, Path: at})
}
