// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
	"github.com/berth-dev/berth/internal/story"
)

// observe reads what the build is about: its version, and the workspace's pods and claims.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	ours := []client.ListOption{client.InNamespace(s.workspace.Namespace), client.MatchingFields{index.OfID: ledger.ID(&s.workspace)}}
	var pods corev1.PodList
	if err := r.List(ctx, &pods, ours...); err != nil {
		return err
	}
	for _, p := range pods.Items {
		if ledger.OwnsPod(&s.workspace, &p) {
			s.pods = append(s.pods, p)
		}
	}
	var claims corev1.PersistentVolumeClaimList
	if err := r.List(ctx, &claims, ours...); err != nil {
		return err
	}
	for _, c := range claims.Items {
		if ledger.OwnsClaim(&s.workspace, &c) {
			s.claims = append(s.claims, c)
		}
	}
	return r.observeVersion(ctx, s)
}

// observeVersion reads the build's version and its template. Where they are gone, or the namespace belongs to no
// organization any more, a pod that runs goes on and can be stopped, and none is made.
func (r *Reconciler) observeVersion(ctx context.Context, s *scope) error {
	ref := s.build.Spec.VersionRef
	if ref == nil {
		return nil
	}
	s.organization, s.outside = phase.Organization(ctx, r, &s.workspace, "Workspace")
	if s.outside != nil {
		return unlessRefused(s.outside)
	}
	var version v1alpha1.TemplateVersion
	home := s.workspace.Spec.TemplateRef.Home(s.organization.Name)
	err := r.Get(ctx, client.ObjectKey{Namespace: home, Name: string(ref.Name)}, &version)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && version.UID == ref.UID {
		s.version = &version
	}
	var template v1alpha1.Template
	err = r.Get(ctx, client.ObjectKey{Namespace: home, Name: string(s.workspace.Spec.TemplateRef.Name)}, &template)
	if err == nil {
		s.template = &template
	}
	return client.IgnoreNotFound(err)
}

// unlessRefused gives back an error of the cluster; that a rule refuses or has one wait matters only where something is
// to be made.
func unlessRefused(err error) error {
	var wait *phase.Waiting
	if _, ok := fault.As(err); ok || errors.As(err, &wait) {
		return nil
	}
	return err
}

// kept are the claims, Secrets and extra objects that a stopped workspace keeps, as the last start showed them.
func (r *Reconciler) kept(ctx context.Context, s *scope) error {
	builds, err := phase.Builds(ctx, r, &s.workspace)
	if err != nil {
		return err
	}
	var last *v1alpha1.WorkspaceBuild
	for _, b := range builds {
		if b.Spec.Transition == v1alpha1.TransitionStart && len(b.Status.Resources) > 0 && (last == nil || b.Spec.Number > last.Spec.Number) {
			last = b
		}
	}
	for _, c := range s.claims {
		resource := v1alpha1.BuildResource{Kind: "PersistentVolumeClaim", Name: c.Labels[v1alpha1.LabelVolume]}
		if last != nil {
			for _, was := range last.Status.Resources {
				if was.Kind == resource.Kind && was.Name == resource.Name {
					resource = was
				}
			}
		}
		s.resources = append(s.resources, resource)
	}
	if last == nil {
		return nil
	}
	for _, was := range last.Status.Resources {
		if was.Kind == "Secret" || was.ObjectName != "" {
			s.resources = append(s.resources, was)
		}
	}
	return nil
}

// look fills in how a pod fares. The events about it are read, live and for that pod alone, only while nothing else can
// tell why it does not go on, and once when a container has started, for the log.
func (r *Reconciler) look(ctx context.Context, s *scope, pod *corev1.Pod) error {
	var events corev1.EventList
	untold := ledger.InProgress(&s.build) && story.Untold(s.build.Status.Log, pod)
	if podstate.NeedsEvents(pod) || untold {
		about := fields.OneTermEqualSelector("involvedObject.uid", string(pod.UID))
		if err := r.Live.List(ctx, &events, client.InNamespace(pod.Namespace), client.MatchingFieldsSelector{Selector: about}); err != nil {
			return err
		}
	}
	s.events = events.Items
	source := podstate.Source{AgentImage: r.Platform.AgentImage}
	if s.version != nil {
		source.Version, source.Content = s.version.Name, &s.version.Spec.Content
	}
	state := podstate.Of(pod, s.claims, events.Items, source, s.now)
	s.state = &state
	return nil
}
