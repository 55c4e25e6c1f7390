// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// untaken is for how long an uploaded version is kept that no template has taken up, as its archive is: a push is an upload
// first, a version then, and a template at last.
const untaken = 24 * time.Hour

// left is for how long the version is still kept; ok is false where it is for good: a template has it, or it was never
// uploaded.
func (s *scope) left() (d time.Duration, ok bool) {
	v := &s.version
	if v.Spec.Source == nil || v.Spec.TemplateRef != nil {
		return 0, false
	}
	return max(v.CreationTimestamp.Add(untaken).Sub(s.now), 0), true
}

// forget removes a version whose time is over; one that a template takes up at this moment is another by then, and stays.
func (r *Reconciler) forget(ctx context.Context, v *v1alpha1.TemplateVersion) error {
	return client.IgnoreNotFound(r.Delete(ctx, v, client.Preconditions{UID: &v.UID, ResourceVersion: &v.ResourceVersion}))
}
