// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// addVolumes gives the pod a volume for each claim, mounts the claims that name a path into the agents' containers, and
// sees that every mount has its volume.
func (a *assembly) addVolumes() {
	pod := &a.workload.Pod.Spec
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, claim := range a.workload.Claims {
		if !volumes[claim.Volume] {
			volumes[claim.Volume] = true
			pod.Volumes = append(pod.Volumes, corev1.Volume{Name: claim.Volume, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name}}})
		}
		if claim.MountPath != "" {
			for _, agent := range a.placed() {
				a.mount(agent, claim)
			}
		}
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for _, c := range containers {
			a.checkMounts(c, volumes)
		}
	}
}

// placed are the containers that agents run in, each once, in the order of the agents.
func (a *assembly) placed() []*corev1.Container {
	var containers []*corev1.Container
	seen := map[string]bool{}
	for _, agent := range a.agents {
		if c := a.containerOf(agent); c != nil && !seen[c.Name] {
			seen[c.Name] = true
			containers = append(containers, c)
		}
	}
	return containers
}

// containerOf is the container that an agent runs in: the one it names, or the first.
func (a *assembly) containerOf(agent compiledAgent) *corev1.Container {
	if agent.Container != "" {
		return a.container(agent.Container)
	}
	return &a.workload.Pod.Spec.Containers[0]
}

// mount mounts a claim at its own path, unless the container says itself where it wants it.
func (a *assembly) mount(c *corev1.Container, claim Claim) {
	for _, m := range c.VolumeMounts {
		if m.Name == claim.Volume {
			return
		}
		if path.Clean(m.MountPath) == path.Clean(claim.MountPath) {
			a.wrong(a.declaredClaim(claim.Volume).path+".mountPath", v1alpha1.ReasonPodInvalid, "%s mounts %q there already", a.at[c.Name], m.Name)
			return
		}
	}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: claim.Volume, MountPath: claim.MountPath})
}

func (a *assembly) checkMounts(c corev1.Container, volumes map[string]bool) {
	for i, m := range c.VolumeMounts {
		at := fmt.Sprintf("%s.volumeMounts[%d]", a.at[c.Name], i)
		switch {
		case volumes[m.Name]:
		case a.declaredClaim(m.Name) != nil:
			a.wrong(at+".name", v1alpha1.ReasonPodInvalid, "volume claim %q is not there, as its includeWhen says; give both the same condition", m.Name)
		default:
			a.wrong(at+".name", v1alpha1.ReasonPodInvalid, "%s", didYouMean(fmt.Sprintf("no volume %q", shorten(m.Name)), m.Name, sortedKeys(volumes)))
		}
		if wrong := wrongMountPath(m.MountPath); wrong != "" {
			a.wrong(at+".mountPath", v1alpha1.ReasonPodInvalid, "%s", wrong)
		}
	}
}

// homeVolume is the claim that holds the home directory: the one called home, else the one at the usual place.
func (a *assembly) homeVolume() string {
	if a.claimed[HomeVolume] != nil {
		return HomeVolume
	}
	for _, claim := range a.workload.Claims {
		if path.Clean(claim.MountPath) == HomePath {
			return claim.Volume
		}
	}
	return ""
}

// homeMount is where a container has the home; nil when it has none of the workspace's own.
func (a *assembly) homeMount(c *corev1.Container) *corev1.VolumeMount {
	home := a.homeVolume()
	for i := range c.VolumeMounts {
		if m := &c.VolumeMounts[i]; m.Name == home && home != "" && !m.ReadOnly {
			return m
		}
	}
	return nil
}
