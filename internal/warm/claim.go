// SPDX-License-Identifier: Apache-2.0

package warm

import (
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// Wish is what the first build of a workspace takes.
type Wish struct {
	// Namespace is the workspace's, and Template its template's metadata.name.
	Namespace string
	Template  v1alpha1.ObjectName
	// Parameters are what the build is made with, and Hash that of version and lasting parameters.
	Parameters *v1alpha1.BuildParameters
	Hash       string
}

// Fits tells whether a prepared workspace is as the workspace's own first build would make it. Ephemeral parameters are in no
// hash, and must be the same too.
func Fits(slot *v1alpha1.WarmWorkspace, wish Wish) bool {
	return slot.Namespace == wish.Namespace && slot.Spec.TemplateRef.Name == wish.Template && slot.Spec.ResolvedHash == wish.Hash &&
		equality.Semantic.DeepEqual(ephemeral(slot.Spec.Parameters), ephemeral(wish.Parameters))
}

// Claimable tells whether a workspace may claim a prepared one: it fits, it is nobody's, and every agent of it listens.
func Claimable(slot *v1alpha1.WarmWorkspace, wish Wish) bool {
	return Fits(slot, wish) && slot.Spec.Claim == nil && slot.DeletionTimestamp == nil &&
		slot.Status.Phase == v1alpha1.WarmReady && Listens(slot)
}

func ephemeral(p *v1alpha1.BuildParameters) map[string]v1alpha1.Value {
	if p == nil {
		return nil
	}
	return p.Ephemeral
}

// Listens tells whether every agent of a prepared workspace is connected.
func Listens(slot *v1alpha1.WarmWorkspace) bool {
	for _, a := range slot.Status.Agents {
		if !a.Connected {
			return false
		}
	}
	return len(slot.Status.Agents) > 0
}

// Bound tells whether every agent has said that it has its secret, and so knows whose it is.
func Bound(slot *v1alpha1.WarmWorkspace) bool {
	for _, a := range slot.Status.Agents {
		if !a.Bound {
			return false
		}
	}
	return len(slot.Status.Agents) > 0
}

// IsOf tells whether a prepared workspace is the one that a workspace has claimed.
func IsOf(slot *v1alpha1.WarmWorkspace, w *v1alpha1.Workspace) bool {
	return slot.Spec.Claim != nil && slot.Spec.Claim.WorkspaceRef.UID == w.UID && slot.Namespace == w.Namespace
}

// Claim is the merge patch by which a workspace claims a prepared one, at the resourceVersion at which that was free. Of
// several who send one, the cluster takes the first.
func Claim(slot *v1alpha1.WarmWorkspace, w *v1alpha1.Workspace, owner metav1.OwnerReference, now time.Time) map[string]any {
	return map[string]any{
		"metadata": map[string]any{
			"uid": slot.UID, "resourceVersion": slot.ResourceVersion,
			"labels":          map[string]any{v1alpha1.LabelID: ids.Of(w).String()},
			"ownerReferences": []metav1.OwnerReference{owner},
		},
		"spec": map[string]any{"claim": v1alpha1.WarmClaim{
			WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.Name), UID: w.UID},
			Owner:        w.Spec.Owner, At: now.UTC().Format(time.RFC3339Nano),
		}},
	}
}

// Reference is a prepared workspace as a build names it.
func Reference(slot *v1alpha1.WarmWorkspace) *v1alpha1.UIDReference {
	return &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(slot.Name), UID: slot.UID}
}

// Candidates are those that a workspace may claim, in random order, so that many who ask at once do not all want the same.
func Candidates(all []v1alpha1.WarmWorkspace, wish Wish) []*v1alpha1.WarmWorkspace {
	var found []*v1alpha1.WarmWorkspace
	for i := range all {
		if Claimable(&all[i], wish) {
			found = append(found, &all[i])
		}
	}
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// Has tells whether a workspace's template has a pool that it may claim from: one of its own namespace.
func Has(t *v1alpha1.Template, w *v1alpha1.Workspace) bool {
	return t != nil && t.Spec.WarmPool != nil && t.Namespace == w.Namespace
}

// Lost tells whether the cluster's refusal of a claim means that somebody else was faster, and the next one may be free.
func Lost(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err)
}
