// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// dormantSince on a Workspace is the RFC 3339 time since which it is dormant.
const dormantSince = "berth.dev/dormant-since"

// SetLastUsed counts a workspace as used at a time. Who uses a workspace is the API server's to say, so it writes that one
// field of the status, bound to the very workspace.
func (s *Store) SetLastUsed(ctx context.Context, w *v1alpha1.Workspace, at time.Time) error {
	if last := w.Status.LastUsedAt; last != nil && !last.Time.Before(at) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": w.UID},
		"status":   map[string]any{"lastUsedAt": metav1.NewTime(at)},
	})
	if err != nil {
		return err
	}
	target := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name}}
	return asFault(s.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)))
}

// RestartDormancy counts a dormant workspace as dormant since a time; another one stays as it is.
func (s *Store) RestartDormancy(ctx context.Context, w *v1alpha1.Workspace, at time.Time) error {
	_, err := s.ChangeWorkspace(ctx, w, func(w *v1alpha1.Workspace) error {
		if _, dormant := w.Annotations[dormantSince]; dormant {
			w.Annotations[dormantSince] = at.UTC().Format(time.RFC3339)
		}
		return nil
	})
	return err
}
