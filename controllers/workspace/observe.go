// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/podstate"
)

// belongs refuses a workspace whose namespace is no organization's, or another person's.
func (r *Reconciler) belongs(ctx context.Context, s *scope) error {
	organization, err := phase.Organization(ctx, r, &s.workspace, "Workspace")
	if err != nil {
		return err
	}
	s.organization = organization
	var namespace corev1.Namespace
	if err := r.Get(ctx, client.ObjectKey{Name: s.workspace.Namespace}, &namespace); err != nil {
		return err
	}
	owner := namespace.Labels[v1alpha1.LabelOwner]
	if owner != "" && owner != string(s.workspace.Spec.Owner.User) {
		return fault.On("spec.owner.user", "namespace %q takes the workspaces of %s only, and this one is %s's; make it in another namespace",
			s.workspace.Namespace, owner, s.workspace.Spec.Owner.User).Because(v1alpha1.ReasonOwnerNamespace)
	}
	return nil
}

// observe reads the workspace's builds, pods and claims from the cache, and the accepted build past it where the cache has not
// seen it: a workspace without its build looks like one that was restored, and would start once more.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	builds, err := phase.Builds(ctx, r, &s.workspace)
	if err != nil {
		return err
	}
	s.builds = builds
	if s.accepted = ledger.Accepted(&s.workspace, s.builds); s.accepted == nil {
		if s.accepted, err = r.unseen(ctx, &s.workspace); err != nil {
			return err
		}
		if s.accepted != nil {
			s.builds = append(s.builds, s.accepted)
		}
	}
	pods, err := ownPods(ctx, r, &s.workspace, indexed)
	if err != nil {
		return err
	}
	s.pods = pods
	if s.claims, err = ownClaims(ctx, r, &s.workspace, indexed); err != nil {
		return err
	}
	s.observed = true
	return r.heldVersion(ctx, s)
}

// unseen is the accepted build as the live cluster has it; nil when there is none.
func (r *Reconciler) unseen(ctx context.Context, w *v1alpha1.Workspace) (*v1alpha1.WorkspaceBuild, error) {
	if w.Status.Build == nil {
		return nil, nil
	}
	var b v1alpha1.WorkspaceBuild
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: string(w.Status.Build.Name)}, &b)
	if err != nil || !ledger.IsAccepted(w, &b) || b.DeletionTimestamp != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &b, nil
}

// indexed selects what a workspace's id stands on in a cache, labelled past it.
func indexed(w *v1alpha1.Workspace) client.ListOption {
	return client.MatchingFields{index.OfID: ledger.ID(w)}
}

func labelled(w *v1alpha1.Workspace) client.ListOption {
	return client.MatchingLabels{v1alpha1.LabelID: ledger.ID(w)}
}

// ownPods are the workspace's own pods, as the reader knows them.
func ownPods(ctx context.Context, c client.Reader, w *v1alpha1.Workspace, by func(*v1alpha1.Workspace) client.ListOption) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.List(ctx, &list, client.InNamespace(w.Namespace), by(w)); err != nil {
		return nil, err
	}
	var own []corev1.Pod
	for _, p := range list.Items {
		if ledger.OwnsPod(w, &p) {
			own = append(own, p)
		}
	}
	return own, nil
}

// ownClaims are the workspace's own claims, as the reader knows them.
func ownClaims(ctx context.Context, c client.Reader, w *v1alpha1.Workspace, by func(*v1alpha1.Workspace) client.ListOption) ([]corev1.PersistentVolumeClaim, error) {
	var list corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &list, client.InNamespace(w.Namespace), by(w)); err != nil {
		return nil, err
	}
	var own []corev1.PersistentVolumeClaim
	for _, p := range list.Items {
		if ledger.OwnsClaim(w, &p) {
			own = append(own, p)
		}
	}
	return own, nil
}

// stands refuses a workspace whose id or name an older one has. It is invisible on the wire.
func (r *Reconciler) stands(ctx context.Context, s *scope) error {
	if err := phase.HoldsID(ctx, r, &s.workspace, &v1alpha1.WorkspaceList{}); err != nil {
		return err
	}
	w := &s.workspace
	key := index.OwnerNameKey(string(w.Spec.Owner.User), w.WireName())
	elder, err := phase.Elder(ctx, r, w, &v1alpha1.WorkspaceList{}, client.MatchingFields{index.OwnerName: key})
	if err != nil || elder == nil {
		return err
	}
	path := "spec.name"
	if w.Spec.Name == "" {
		path = "metadata.name"
	}
	return fault.On(path, "%s already has a workspace %q (%s); choose another name", w.Spec.Owner.User, w.WireName(),
		client.ObjectKeyFromObject(elder)).Because(v1alpha1.ReasonNameTaken)
}

// look fills in how the pod of the workspace fares. The events about it are read, live and for that pod alone, only
// while nothing else can tell why it does not go on.
func (r *Reconciler) look(ctx context.Context, s *scope) error {
	pod := s.pod()
	if pod == nil {
		return nil
	}
	var events corev1.EventList
	if podstate.NeedsEvents(pod) {
		about := fields.OneTermEqualSelector("involvedObject.uid", string(pod.UID))
		if err := r.Live.List(ctx, &events, client.InNamespace(pod.Namespace), client.MatchingFieldsSelector{Selector: about}); err != nil {
			return err
		}
	}
	source := podstate.Source{AgentImage: r.AgentImage}
	if s.version != nil {
		source.Version, source.Content = s.version.Name, &s.version.Spec.Content
	}
	state := podstate.Of(pod, s.claims, events.Items, source, s.now)
	s.state = &state
	return nil
}

// pod is the pod that counts: the accepted build's, the newest of them, or, where there is no build to go by, the one
// that is there.
func (s *scope) pod() *corev1.Pod {
	var found *corev1.Pod
	for i := range s.pods {
		p := &s.pods[i]
		ofBuild := s.accepted == nil || ledger.OfBuild(&s.workspace, s.accepted, p)
		if ofBuild && (found == nil || found.DeletionTimestamp != nil) {
			found = p
		}
	}
	return found
}
