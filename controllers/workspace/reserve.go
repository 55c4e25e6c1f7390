// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"encoding/json"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/quota"
)

const (
	// annotationReservations on an organization's Lease holds its reservations as JSON.
	annotationReservations = "berth.dev/reservations"
	// reserveTries is how often a reservation is tried again that another start was faster than.
	reserveTries = 8
	// crowded is how much text the reservations may be; an object's annotations hold 256 KiB.
	crowded = 200 << 10
	// stale is how old a reservation is that is looked after although the start at hand does not ask about it.
	stale = 10 * time.Minute
)

// reservation is what a start takes from when it was judged until its workspace shows that it was accepted. It stands in
// the Lease of the organization, whose resourceVersion lets one start after the other be judged, whoever leads and however
// old the caches are. It ends by what the cluster shows and never by the clock: a process that was held up between its
// reservation and its acceptance still has it.
type reservation struct {
	Namespace string    `json:"ns"`
	Name      string    `json:"name"`
	Build     string    `json:"build"`
	BuildUID  types.UID `json:"uid"`
	Number    int64     `json:"n"`
	At        int64     `json:"at"`
	Owner     string    `json:"owner"`
	Wire      string    `json:"wire"`
	Template  string    `json:"template"`
	Cost      int64     `json:"cost,omitempty"`
	Idle      int64     `json:"idle,omitempty"`
}

func (n reservation) use(uid types.UID) quota.Use {
	return quota.Use{UID: uid, Owner: n.Owner, Name: n.Wire, Template: n.Template, Running: true, Kept: true, Cost: n.Cost, Idle: n.Idle}
}

// reserve judges a start that is about to be accepted against what the cluster holds now, and reserves what it takes. It
// gives what the start costs, nil where no budget asks; a fault when it is refused. A start that nothing limits reads and
// writes nothing for it.
func (r *Reconciler) reserve(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild) (*int64, error) {
	want, err := r.demand(ctx, s, &build.Spec)
	if err != nil || want == nil {
		return nil, err
	}
	for range reserveTries {
		err := r.reserveOnce(ctx, s, build, want)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue
		}
		if err != nil || want.rules.Budget() == quota.Unlimited {
			return nil, err
		}
		return &want.after.Cost, nil
	}
	return nil, phase.Wait(behind, v1alpha1.ReasonProgressing, "other starts of the organization are being judged")
}

// judge checks a start beside the workspaces that a reader knows and the reservations of others, and gives those that
// still stand with the Lease that holds them. The reservations are read first and the workspaces after them, so that a
// start is found in one or the other.
func (r *Reconciler) judge(ctx context.Context, from client.Reader, s *scope, want *demand) (*coordinationv1.Lease, map[types.UID]reservation, error) {
	lease, reserved, err := r.reservations(ctx, s.organization.Name)
	if err != nil {
		return nil, nil, err
	}
	others, present, err := r.uses(ctx, from, s, want)
	if err != nil {
		return nil, nil, err
	}
	for uid, n := range reserved {
		if uid == s.workspace.UID {
			continue
		}
		pending, err := r.pending(ctx, s, uid, n, want, present)
		if err != nil {
			return nil, nil, err
		}
		if !pending {
			delete(reserved, uid)
			continue
		}
		others = replace(others, n.use(uid))
	}
	if f := want.rules.Check(quota.Count(&s.workspace, s.builds), want.after, others); f != nil {
		return nil, nil, f
	}
	return lease, reserved, nil
}

// reserveOnce writes a reservation at the resourceVersion of what the start was judged by.
func (r *Reconciler) reserveOnce(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild, want *demand) error {
	lease, reserved, err := r.judge(ctx, r.Live, s, want)
	if err != nil {
		return err
	}
	reserved[s.workspace.UID] = reservation{
		Namespace: s.workspace.Namespace, Name: s.workspace.Name, Build: build.Name, BuildUID: build.UID, Number: build.Spec.Number,
		At: s.now.Unix(), Owner: want.after.Owner, Wire: want.after.Name, Template: want.after.Template, Cost: want.after.Cost, Idle: want.after.Idle,
	}
	text, err := json.Marshal(reserved)
	if err != nil {
		return err
	}
	if len(text) > crowded {
		return phase.Wait(behind, v1alpha1.ReasonProgressing, "too many starts of the organization are under way at once")
	}
	lease.Annotations = map[string]string{annotationReservations: string(text)}
	if lease.ResourceVersion == "" {
		return r.Create(ctx, lease, phase.Owner)
	}
	return r.Update(ctx, lease, phase.Owner)
}

// reservations reads an organization's, live, with the Lease that holds them.
func (r *Reconciler) reservations(ctx context.Context, organization string) (*coordinationv1.Lease, map[types.UID]reservation, error) {
	lease := &coordinationv1.Lease{}
	reserved := map[types.UID]reservation{}
	key := client.ObjectKey{Namespace: r.Own, Name: "berth-quota-" + organization}
	err := r.Live.Get(ctx, key, lease)
	if apierrors.IsNotFound(err) {
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
		}}, reserved, nil
	}
	if err != nil {
		return nil, nil, err
	}
	text := lease.Annotations[annotationReservations]
	if text == "" {
		return lease, reserved, nil
	}
	// What can't be read was written by nobody of ours. It is put aside rather than stopping every start for ever.
	if json.Unmarshal([]byte(text), &reserved) != nil {
		reserved = map[types.UID]reservation{}
	}
	return lease, reserved, nil
}

// pending tells whether a reservation still stands for a start that no workspace shows yet. Whatever shows that the start
// was accepted, was refused or is gone ends it, the cache too: none of that is ever undone, and what was accepted is
// counted at the workspace, which is read live.
func (r *Reconciler) pending(ctx context.Context, s *scope, uid types.UID, n reservation, want *demand, present map[string]v1alpha1.Workspace) (bool, error) {
	accepted := func(w *v1alpha1.Workspace) bool {
		return w.UID == uid && w.Status.Build != nil && w.Status.Build.Number >= n.Number
	}
	var w v1alpha1.Workspace
	err := r.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Name}, &w)
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	if err == nil && accepted(&w) {
		return false, nil
	}
	if live, ok := present[string(uid)]; ok && accepted(&live) {
		return false, nil
	}
	asked := n.Owner == want.rules.Owner || n.Template == want.rules.Template || want.scope == quota.All
	if !asked && s.now.Sub(time.Unix(n.At, 0)) < stale {
		return true, nil
	}
	var build v1alpha1.WorkspaceBuild
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Build}, &build)
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	return err == nil && build.UID == n.BuildUID && ledger.InProgress(&build) && build.DeletionTimestamp == nil, nil
}

// replace has one workspace counted as it will be.
func replace(uses []quota.Use, one quota.Use) []quota.Use {
	for i := range uses {
		if uses[i].UID == one.UID {
			uses[i] = one
			return uses
		}
	}
	return append(uses, one)
}
