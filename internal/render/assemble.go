// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// assembly is one workload being put together, from the skeleton of a content or from its values.
type assembly struct {
	*Compiled
	in  *Input
	run *evaluation
	// claimed are the volumes that are there this time, by name.
	claimed map[string]*Claim
	// at is where each container stands in the content, by its name.
	at       map[string]string
	workload Workload
	problems []Problem
	// carried is the size of the texts that the pod brings, in bytes.
	carried int
	// bound are the variables of each agent that depend on whose workspace it is, and unbindable what keeps them from being
	// told to it later.
	bound      map[string][]v1alpha1.EnvVar
	unbindable []Problem
}

func (a *assembly) wrong(path, reason, format string, args ...any) {
	p := Problem{Path: path, Message: fmt.Sprintf(format, args...), Reason: reason}
	if len(a.problems) < mostProblems && !slices.Contains(a.problems, p) {
		a.problems = append(a.problems, p)
	}
}

// assemble puts the workload together. Problems of the evaluation are the first among those returned.
func (c *Compiled) assemble(in *Input, run *evaluation) (*assembly, []Problem) {
	a := &assembly{Compiled: c, in: in, run: run, claimed: map[string]*Claim{}, at: map[string]string{}, bound: map[string][]v1alpha1.EnvVar{}}
	a.nameSecrets()
	a.claimVolumes()
	if c.pod != nil {
		a.longForm()
	} else {
		a.shortForm()
	}
	if a.failed() {
		return nil, a.allProblems()
	}
	a.addSidecars()
	a.holdToArchitecture()
	a.addVolumes()
	a.collectReferences()
	a.placeAgents()
	if !in.Hold { // what stands outside the pod is made with the workspace
		a.renderExtras()
		a.hideApps()
	}
	if a.failed() {
		return nil, a.allProblems()
	}
	harden(&a.workload.Pod.Spec)
	a.workload.Pod.Spec.ServiceAccountName = in.Organization.ServiceAccountName
	a.placeFiles()
	a.seedHome()
	a.installAgent()
	a.account()
	if a.failed() {
		return nil, a.allProblems()
	}
	return a, nil
}

func (a *assembly) failed() bool {
	return len(a.problems) > 0 || a.run != nil && len(a.run.problems) > 0
}

// allProblems are those of the values and then those of what was put together from them.
func (a *assembly) allProblems() []Problem {
	if a.run == nil {
		return a.problems
	}
	return append(slices.Clone(a.run.problems), a.problems...)
}

// claimVolumes decides which claims there are and what they ask for.
func (a *assembly) claimVolumes() {
	mounted := map[string]string{}
	for _, v := range a.claims {
		if !a.included(v.includeWhen) {
			continue
		}
		size, known := a.run.quantity(v.size)
		if known && size.Sign() <= 0 {
			a.wrong(v.path+".size", v1alpha1.ReasonPodInvalid, "%q must be more than nothing", size.String())
		}
		claim := Claim{Volume: v.Name, Name: a.in.Workspace.ClaimNames[v.Name], MountPath: v.MountPath, WhenDeleted: v.WhenDeleted, Spec: claimSpec(v, size)}
		if claim.Name == "" {
			claim.Name = claimName(a.in.Workspace.ObjectName, a.in.Workspace.ID, v.Name)
		}
		if claim.WhenDeleted == "" {
			claim.WhenDeleted = v1alpha1.WhenDeletedDelete
		}
		if other, taken := mounted[path.Clean(v.MountPath)]; taken && v.MountPath != "" {
			a.wrong(v.path+".mountPath", v1alpha1.ReasonPodInvalid, "volume claim %q is mounted at %s already", other, v.MountPath)
		}
		mounted[path.Clean(v.MountPath)] = v.Name
		a.workload.Claims = append(a.workload.Claims, claim)
	}
	for i := range a.workload.Claims {
		a.claimed[a.workload.Claims[i].Volume] = &a.workload.Claims[i]
	}
}

func claimSpec(v compiledClaim, size resource.Quantity) corev1.PersistentVolumeClaimSpec {
	spec := corev1.PersistentVolumeClaimSpec{
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
	}
	for _, mode := range v.AccessModes {
		spec.AccessModes = append(spec.AccessModes, corev1.PersistentVolumeAccessMode(mode))
	}
	if len(spec.AccessModes) == 0 {
		spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	if v.StorageClassName != "" {
		spec.StorageClassName = new(string(v.StorageClassName))
	}
	return spec
}

func (a *assembly) included(conditions []*leaf) bool {
	for _, condition := range conditions {
		if !a.run.truth(condition) {
			return false
		}
	}
	return true
}

// shortForm makes a pod of an image.
func (a *assembly) shortForm() {
	a.at[WorkspaceContainer] = contentPath
	a.workload.Pod.Spec.Containers = []corev1.Container{{
		Name:      WorkspaceContainer,
		Image:     a.imageOf(a.image),
		Env:       a.environment(a.env),
		Resources: a.requirements(a.resources),
	}}
}

// longForm decodes the author's pod and holds it against what a pod may be.
func (a *assembly) longForm() {
	at := contentPath + ".podTemplate"
	text, err := json.Marshal(a.pod.render(a.run))
	if err == nil {
		var strict []error
		strict, err = kjson.UnmarshalStrict(text, &a.workload.Pod)
		for _, e := range strict {
			a.wrong(at, v1alpha1.ReasonPodInvalid, "%v", e)
		}
	}
	if err != nil {
		a.wrong(at, v1alpha1.ReasonPodInvalid, "is no pod: %v", err)
		return
	}
	p := policy{assembly: a, pod: &a.workload.Pod}
	p.check(at)
}

func (a *assembly) addSidecars() {
	for _, s := range a.sidecars {
		if !a.included(s.includeWhen) {
			continue
		}
		if a.container(s.Name) != nil {
			a.wrong(s.path+".name", v1alpha1.ReasonPodInvalid, "a container is called %q already", s.Name)
			continue
		}
		a.at[s.Name] = s.path
		container := corev1.Container{
			Name: s.Name, Image: a.imageOf(s.image), Env: a.environment(s.env), Resources: a.requirements(s.resources),
			Command: a.run.list(s.command), Args: a.run.list(s.args),
		}
		for _, m := range s.VolumeMounts {
			container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: m.Name, MountPath: m.MountPath, SubPath: m.SubPath, ReadOnly: m.ReadOnly})
		}
		a.workload.Pod.Spec.Containers = append(a.workload.Pod.Spec.Containers, container)
	}
}

func (a *assembly) container(name string) *corev1.Container {
	for i := range a.workload.Pod.Spec.Containers {
		if c := &a.workload.Pod.Spec.Containers[i]; c.Name == name {
			return c
		}
	}
	return nil
}

// imageOf is the text of an image, which must not be empty once it is known.
func (a *assembly) imageOf(l *leaf) string {
	image := a.run.text(l)
	if image == "" && a.run != nil && l != nil {
		a.wrong(l.path, v1alpha1.ReasonPodInvalid, "becomes empty; it must name an image")
	}
	return image
}

func (a *assembly) environment(env []compiledEnv) []corev1.EnvVar {
	var vars []corev1.EnvVar
	for _, v := range env {
		vars = append(vars, corev1.EnvVar{Name: v.name, Value: a.run.text(v.value), ValueFrom: a.envSource(v)})
	}
	return vars
}

func (a *assembly) envSource(v compiledEnv) *corev1.EnvVarSource {
	switch s := v.source; {
	case s == nil:
		return nil
	case s.SecretKeyRef != nil:
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: a.run.text(v.secretName)}, Key: a.run.text(v.secretKey)}}
	case s.ConfigMapKeyRef != nil:
		return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: string(s.ConfigMapKeyRef.Name)}, Key: s.ConfigMapKeyRef.Key}}
	}
	return nil
}

func (a *assembly) requirements(r compiledResources) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: a.quantities(r.requests), Limits: a.quantities(r.limits)}
}

func (a *assembly) quantities(leaves map[string]*leaf) corev1.ResourceList {
	var list corev1.ResourceList
	for _, name := range sortedKeys(leaves) {
		if q, ok := a.run.quantity(leaves[name]); ok {
			if list == nil {
				list = corev1.ResourceList{}
			}
			list[corev1.ResourceName(name)] = q
		}
	}
	return list
}
