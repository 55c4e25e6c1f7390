// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// mostShared is how many values are remembered to be shared; then it begins anew.
	mostShared = 8192
	// longestShared is how long a text is at most that is worth remembering.
	longestShared = 512
)

// shared keeps one copy of what thousands of cached objects say alike: each is decoded by itself, and would hold the keys of
// its labels, the words of its conditions and the containers of its template once more. Uids and names are worth
// it too, as a workspace, its build, its pod and its claims repeat each other's, and come soon after one another. What no other object has is left alone. Objects of the cache are never changed, so that they may have parts in common.
type shared struct {
	mu         sync.Mutex
	texts      map[string]string
	containers map[string][]corev1.Container
	sizes      map[string]corev1.ResourceList
}

func newShared() *shared {
	return &shared{texts: map[string]string{}, containers: map[string][]corev1.Container{}, sizes: map[string]corev1.ResourceList{}}
}

// remember gives the value that was remembered under a key, or keeps this one.
func remember[V any](s *shared, known map[string]V, key string, value V) V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if same, ok := known[key]; ok {
		return same
	}
	if len(known) >= mostShared {
		clear(known)
	}
	known[key] = value
	return value
}

// share has texts be the copies that others have.
func share[T ~string](s *shared, texts ...*T) {
	for _, t := range texts {
		if *t != "" && len(*t) <= longestShared {
			*t = T(remember(s, s.texts, string(*t), string(*t)))
		}
	}
}

// own are the annotations whose values no other object has.
var own = []string{v1alpha1.AnnotationCreatedAt, v1alpha1.AnnotationUndelete}

// notes shares the keys of labels or annotations, and those values that objects have alike.
func (s *shared) notes(all map[string]string) {
	for key, value := range all {
		if !slices.Contains(own, key) {
			share(s, &value)
		}
		share(s, &key)
		all[key] = value // which takes this key in place of the equal one
	}
}

// metadata shares what the metadata of objects has alike.
func (s *shared) metadata(o metav1.Object) {
	namespace, name, uid := o.GetNamespace(), o.GetName(), o.GetUID()
	share(s, &namespace, &name)
	share(s, &uid)
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetUID(uid)
	s.notes(o.GetLabels())
	s.notes(o.GetAnnotations())
	refs, finalizers := fit(o.GetOwnerReferences()), fit(o.GetFinalizers())
	for i := range refs {
		share(s, &refs[i].APIVersion, &refs[i].Kind, &refs[i].Name)
		share(s, &refs[i].UID)
	}
	for i := range finalizers {
		share(s, &finalizers[i])
	}
	o.SetOwnerReferences(refs)
	o.SetFinalizers(finalizers)
}

// conditions shares the words of conditions, and takes no more room than they need.
func (s *shared) conditions(list []metav1.Condition) []metav1.Condition {
	list = fit(list)
	for i := range list {
		c := &list[i]
		share(s, &c.Type, &c.Reason, &c.Message)
		share(s, &c.Status)
	}
	return list
}

// fit is a list without the room that decoding has left at its end, which is for four where there is one.
func fit[T any](list []T) []T {
	if cap(list) == len(list) {
		return list
	}
	return append(make([]T, 0, len(list)), list...)
}

// workspace shares what Workspaces have alike.
func (s *shared) workspace(w *v1alpha1.Workspace) {
	share(s, &w.Kind, &w.APIVersion)
	share(s, &w.Spec.ID)
	share(s, &w.Spec.Owner.User, &w.Spec.TemplateRef.Name, &w.Spec.TemplateRef.Organization)
	share(s, &w.Status.Version)
	share(s, &w.Status.Phase)
	if b := w.Status.Build; b != nil {
		share(s, &b.Transition)
		share(s, &b.Name)
		share(s, &b.UID)
	}
	if a := w.Status.Acted; a != nil {
		share(s, &a.State)
	}
	if p := w.Status.Pod; p != nil {
		share(s, &p.Node, &p.Name)
		share(s, &p.UID)
	}
	w.Status.Volumes, w.Status.Agents = fit(w.Status.Volumes), fit(w.Status.Agents)
	for i := range w.Status.Volumes {
		v := &w.Status.Volumes[i]
		share(s, &v.Name, &v.ClaimName)
		share(s, &v.UID)
		share(s, &v.WhenDeleted)
	}
	for i := range w.Status.Agents {
		share(s, &w.Status.Agents[i].Name)
	}
	w.Status.Conditions = s.conditions(w.Status.Conditions)
}

// build shares what WorkspaceBuilds have alike, and leaves out the log of those that have ended: nothing is added to it, and
// whoever writes such a build's status, or a record of it, reads it live.
func (s *shared) build(b *v1alpha1.WorkspaceBuild) {
	if b.Phase().Ended() {
		b.Status.Log = nil
	}
	share(s, &b.Kind, &b.APIVersion)
	share(s, &b.Spec.WorkspaceRef.Name)
	share(s, &b.Spec.WorkspaceRef.UID)
	share(s, &b.Spec.Transition)
	share(s, &b.Spec.Reason)
	share(s, &b.Spec.ResolvedHash)
	share(s, &b.Spec.Initiator.Name)
	share(s, &b.Spec.Initiator.User)
	if v := b.Spec.VersionRef; v != nil {
		share(s, &v.Name)
		share(s, &v.UID)
	}
	if j := b.Status.Job; j != nil {
		share(s, &j.Phase)
		share(s, &j.Worker)
	}
	share(s, &b.Status.Took)
	b.Status.Resources, b.Status.Log = fit(b.Status.Resources), fit(b.Status.Log)
	for i := range b.Status.Resources {
		share(s, &b.Status.Resources[i].Kind, &b.Status.Resources[i].Name)
	}
	for i := range b.Status.Log {
		l := &b.Status.Log[i]
		share(s, &l.Stage, &l.Level, &l.Source)
	}
	b.Status.Conditions = s.conditions(b.Status.Conditions)
}

// status shares what the status of pods has alike.
func (s *shared) status(p *corev1.PodStatus) {
	share(s, &p.Phase)
	p.Conditions = fit(p.Conditions)
	for i := range p.Conditions {
		share(s, &p.Conditions[i].Type)
		share(s, &p.Conditions[i].Status)
	}
	for _, list := range [][]corev1.ContainerStatus{p.InitContainerStatuses, p.ContainerStatuses} {
		for i := range list {
			share(s, &list[i].Name, &list[i].Image, &list[i].ImageID)
		}
	}
}

// alike gives the containers that other pods have too, as those of one version do.
func (s *shared) alike(list []corev1.Container) []corev1.Container {
	key, err := json.Marshal(list)
	if err != nil {
		return list
	}
	return remember(s, s.containers, string(key), list)
}

// size gives the amounts that other claims ask for too.
func (s *shared) size(list corev1.ResourceList) corev1.ResourceList {
	key, err := json.Marshal(list)
	if err != nil {
		return list
	}
	return remember(s, s.sizes, string(key), list)
}
