// SPDX-License-Identifier: Apache-2.0

package store

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/ledger"
)

// BuildRequest is a transition that somebody asks for by the API.
type BuildRequest struct {
	Transition v1alpha1.Transition
	// Restart ends the pod that runs before the start.
	Restart bool
	// Orphan leaves a deleted workspace's claims behind.
	Orphan bool
	// LogLevel is empty or debug.
	LogLevel string
	// Number is the build's.
	Number int64
	// Version, Parameters and Hash are what the build takes; a deletion may have none.
	Version    *v1alpha1.UIDReference
	Parameters *v1alpha1.BuildParameters
	Hash       string
	// Slot is the prepared workspace that the first build takes over; nil where it takes none.
	Slot *v1alpha1.UIDReference
	// Initiator asks for it, by the call of RequestID, at Now.
	Initiator *v1alpha1.User
	RequestID string
	Now       time.Time
}

// NewBuild is the object of a build of a workspace, which is yet to be stored. It records the wish that the workspace has
// now, so that accepting it acts upon no other.
func NewBuild(w *v1alpha1.Workspace, r BuildRequest) *v1alpha1.WorkspaceBuild {
	return &v1alpha1.WorkspaceBuild{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.Namespace,
			Name:      ledger.Name(w.Name, r.Number),
			Labels: map[string]string{
				v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
				v1alpha1.LabelID:        ids.Of(w).String(),
				v1alpha1.LabelBuild:     strconv.FormatInt(r.Number, 10),
			},
			Annotations:     map[string]string{v1alpha1.AnnotationCreatedAt: r.Now.UTC().Format(time.RFC3339Nano)},
			OwnerReferences: []metav1.OwnerReference{ledger.OwnerReference(w)},
		},
		Spec: v1alpha1.WorkspaceBuildSpec{
			WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(w.Name), UID: w.UID},
			Number:       r.Number,
			Transition:   r.Transition,
			Restart:      r.Restart,
			Reason:       v1alpha1.BuildReasonInitiator,
			Initiator:    v1alpha1.Initiator{User: r.Initiator.Name, ID: ids.Of(r.Initiator).String(), Name: r.Initiator.WireName()},
			RequestID:    r.RequestID,
			VersionRef:   r.Version,
			Parameters:   r.Parameters,
			ResolvedHash: r.Hash,
			Slot:         r.Slot,
			Wish:         &v1alpha1.Wish{State: w.Spec.State, Request: w.Spec.Request.DeepCopy()},
			Orphan:       r.Orphan,
			LogLevel:     r.LogLevel,
		},
	}
}
