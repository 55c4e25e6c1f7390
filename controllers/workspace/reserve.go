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
	// annotationFence on a Workspace names a build that must not be accepted any more. What counts is that it was written:
	// an acceptance that was decided on before meets a conflict.
	annotationFence = "berth.dev/fence"
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

// accepted tells whether a workspace shows that its start was accepted, or a later build.
func (n reservation) accepted(uid types.UID, w *v1alpha1.Workspace) bool {
	return w.UID == uid && w.Status.Build != nil && w.Status.Build.Number >= n.Number
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

// judge checks a start beside the workspaces that a reader knows and the reservations of others, of which it leaves those
// that still stand. What the cache shows as accepted is set aside first, the workspaces are read after that, and what
// they do not show yet is counted by its reservation: so a start is found in one or the other, and never in neither.
// Only where sure is true does it make sure, by a write if need be, of what has gone without a trace.
func (r *Reconciler) judge(ctx context.Context, from client.Reader, s *scope, want *demand, reserved map[types.UID]reservation, sure bool) error {
	for uid, n := range reserved {
		var w v1alpha1.Workspace
		err := r.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Name}, &w)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil && n.accepted(uid, &w) && uid != s.workspace.UID {
			delete(reserved, uid)
		}
	}
	others, present, err := r.uses(ctx, from, s, want)
	if err != nil {
		return err
	}
	for uid, n := range reserved {
		if uid == s.workspace.UID {
			continue
		}
		if w, ok := present[string(uid)]; ok && n.accepted(uid, &w) {
			delete(reserved, uid)
			continue
		}
		asked := n.Owner == want.rules.Owner || n.Template == want.rules.Template || want.scope == quota.All
		if asked || s.now.Sub(time.Unix(n.At, 0)) > stale {
			stands, err := r.valid(ctx, uid, n, sure)
			if err != nil {
				return err
			}
			if !stands {
				delete(reserved, uid)
				continue
			}
		}
		others = atLeast(others, n.use(uid))
	}
	if f := want.rules.Check(quota.Count(&s.workspace, s.builds), want.after, others); f != nil {
		return f
	}
	return nil
}

// reserveOnce writes a reservation at the resourceVersion of what the start was judged by. One that stands already, as
// after a crash or where the acceptance was refused, was judged when it was made.
func (r *Reconciler) reserveOnce(ctx context.Context, s *scope, build *v1alpha1.WorkspaceBuild, want *demand) error {
	lease, reserved, err := r.reservations(ctx, s.organization.Name)
	if err != nil {
		return err
	}
	if own := reserved[s.workspace.UID]; own.BuildUID == build.UID && own.Cost == want.after.Cost {
		return nil
	}
	if err := r.judge(ctx, r.Live, s, want, reserved, true); err != nil {
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

// valid tells whether the build that a reservation was made for may still run, or runs by now. One that was refused never
// does, and a workspace that goes takes nothing. A build that is gone may have been decided on by another leader while it
// was there: the fence has that acceptance refused, unless it was faster, and then it is counted.
func (r *Reconciler) valid(ctx context.Context, uid types.UID, n reservation, sure bool) (bool, error) {
	var w v1alpha1.Workspace
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Name}, &w)
	if err != nil || w.UID != uid || w.DeletionTimestamp != nil {
		return false, client.IgnoreNotFound(err)
	}
	if n.accepted(uid, &w) {
		return true, nil
	}
	var build v1alpha1.WorkspaceBuild
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Build}, &build)
	if client.IgnoreNotFound(err) != nil {
		return false, err
	}
	if err == nil && build.UID == n.BuildUID {
		outcome := ledger.Outcome(&build)
		return outcome != v1alpha1.JobFailed && outcome != v1alpha1.JobCanceled, nil
	}
	if sure {
		err = r.fence(ctx, &w, n.BuildUID)
	}
	return false, client.IgnoreNotFound(err)
}

// fence has every acceptance of a build refused that was decided on before the workspace was read.
func (r *Reconciler) fence(ctx context.Context, w *v1alpha1.Workspace, build types.UID) error {
	if w.Annotations[annotationFence] == string(build) {
		return nil
	}
	return phase.MergePatch(ctx, r.Client, w, map[string]any{"metadata": map[string]any{
		"uid": w.UID, "resourceVersion": w.ResourceVersion, "annotations": map[string]any{annotationFence: build},
	}})
}

// atLeast has one workspace counted as it will be, or as it is where that is more: what was reserved may come to nothing.
func atLeast(uses []quota.Use, one quota.Use) []quota.Use {
	for i := range uses {
		if u := &uses[i]; u.UID == one.UID {
			u.Running, u.Kept = u.Running || one.Running, u.Kept || one.Kept
			u.Cost, u.Idle = max(u.Cost, one.Cost), max(u.Idle, one.Idle)
			return uses
		}
	}
	return append(uses, one)
}
