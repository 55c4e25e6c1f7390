// SPDX-License-Identifier: Apache-2.0

// Package claims makes names unique that the cluster does not: usernames, e-mail addresses, accounts at identity providers,
// the first user, and, for the moment in which they are given, the names of templates and their versions. Each is a Lease
// in Berth's own namespace, named by a hash of its kind and value, so that etcd refuses the second who asks. A claim is made
// before the object that holds it; it names that object and, once it is there, its uid.
//
// It decides nothing about Users: who may have which name, and what a loser is told, is its callers' business. The
// manager frees what nobody holds any more; the API server only reserves, and takes back what it could not use.
package claims

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// LabelKind on a Lease makes it a claim; its value is the Kind.
	LabelKind = "berth.dev/claim"
	// LabelHolder on a claim is the metadata.name of the User who holds it.
	LabelHolder = "berth.dev/holder"
	// AnnotationHolderUID on a claim is the User's uid; absent while the User is still to be created.
	AnnotationHolderUID = "berth.dev/holder-uid"
	// AnnotationValue on a claim is what is claimed, folded to lower case.
	AnnotationValue = "berth.dev/claim-value"
)

// Pending is how long a claim without its User is kept: a process that made it and died is waited for so long.
const Pending = time.Minute

// tries is how often a claim is made that is taken, and free again when one looks who has it.
const tries = 5

// Kind is what sort of name is claimed.
type Kind string

const (
	// Username is the name on the wire.
	Username Kind = "username"
	// Email is the e-mail address.
	Email Kind = "email"
	// Identity is an account at an identity provider; its value is index.IdentityKey, as capitals make a difference there.
	Identity Kind = "identity"
	// FirstUser is the right to be the deployment's first user; its value is empty.
	FirstUser Kind = "first-user"
	// TemplateName is the name of a template on the wire, behind its organization's and a slash. Its holder is the request
	// that gives the name, and only while it does: whoever has it afterwards, the templates themselves say.
	TemplateName Kind = "template-name"
	// VersionName is the name of a version on the wire, behind its organization's and its template's. It is held as a
	// TemplateName is.
	VersionName Kind = "version-name"
	// GroupName is the name of a group on the wire, behind its organization's. It is held as a TemplateName is.
	GroupName Kind = "group-name"
	// OrganizationName is the name of an organization on the wire, held as a TemplateName is.
	OrganizationName Kind = "organization-name"
	// ProvisionedName is the name by which an identity provider knows an account, held as a TemplateName is.
	ProvisionedName Kind = "provisioned-name"
	// Owners is the right to take the role of an owner away; its value is empty. It is held as a TemplateName is, so that
	// no two requests take away the last two.
	Owners Kind = "owners"
)

// Claim is one name. Capitals do not make a value different.
type Claim struct {
	Kind  Kind
	Value string
}

// Holder is the User who claims.
type Holder struct {
	// Name is the User's metadata.name, which etcd keeps unique.
	Name string
	// UID is empty while the User is still to be created.
	UID types.UID
}

// Taken is the error of a claim that another User holds.
type Taken struct {
	Claim  Claim
	Holder Holder
}

// Error says who has what.
func (t *Taken) Error() string {
	return fmt.Sprintf("%s %q is claimed by User %s", t.Claim.Kind, t.Claim.Value, t.Holder.Name)
}

// Client is what the claims need of a cluster. Reads may come from a cache of the Leases with LabelKind.
type Client interface {
	client.Reader
	Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error
	Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error
	Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error
}

// Claims are the claims of a deployment.
type Claims struct {
	// Client reads and writes Leases.
	Client Client
	// Live reads past the cache; it is asked only when etcd knows a claim that the cache does not.
	Live client.Reader
	// Namespace is Berth's own.
	Namespace string
	// Clock tells when a pending claim is over.
	Clock clock.PassiveClock
}

// Hold makes the claim the holder's. It is nil when it is so afterwards, a *Taken when another User has it, and any other
// error when the cluster failed. Repeating it writes nothing. A holder without a uid reserves for Pending, in which it
// creates the User and the manager confirms the claim; Release gives it back when that fails.
func (c *Claims) Hold(ctx context.Context, claim Claim, holder Holder) error {
	lease, err := c.get(ctx, c.Client, claim)
	for try := 1; lease == nil && err == nil; try++ {
		if try > tries {
			return fmt.Errorf("%s %q was claimed and freed again each time", claim.Kind, claim.Value)
		}
		if err = c.Client.Create(ctx, c.lease(claim, holder)); !apierrors.IsAlreadyExists(err) {
			return err
		}
		lease, err = c.get(ctx, c.Live, claim) // none: freed again at this moment
	}
	if err != nil {
		return err
	}
	held := holderOf(lease)
	switch {
	case held.Name != holder.Name:
		return &Taken{Claim: claim, Holder: held}
	case held.UID == holder.UID && held.UID != "":
		return nil
	case holder.UID == "" && (held.UID != "" || !c.expired(lease)):
		// Somebody is creating, or has created, a User of this very name.
		return &Taken{Claim: claim, Holder: held}
	}
	// The name's earlier bearer is gone, as there is only one User of a name, or the claim waited for this one.
	next := c.lease(claim, holder)
	next.ResourceVersion, next.UID = lease.ResourceVersion, lease.UID
	return c.Client.Update(ctx, next)
}

// Release gives back a reservation that its maker could not use. One that has become a User's meanwhile is left alone.
func (c *Claims) Release(ctx context.Context, claim Claim, holder Holder) error {
	lease, err := c.get(ctx, c.Live, claim)
	if err != nil || lease == nil || holderOf(lease) != (Holder{Name: holder.Name}) {
		return err
	}
	return c.delete(ctx, lease)
}

// Abandon frees a claim that was read as held so, and whose User was looked for afterwards and was not there: a User's own,
// or a reservation that is over. One that has changed since is left alone: its User may have come meanwhile.
func (c *Claims) Abandon(ctx context.Context, claim Claim, held Holder) error {
	lease, err := c.get(ctx, c.Live, claim)
	if err != nil || lease == nil || holderOf(lease) != held || held.UID == "" && !c.expired(lease) {
		return err
	}
	return c.delete(ctx, lease)
}

// Sweep frees the claims in the name of a User that it no longer makes: all but keep for a User of the uid, every one
// where the uid is empty because there is no such User. The right to be first is kept as long as the User is there. A
// reservation is left until it is over; how long that takes is given back, zero when there is none.
func (c *Claims) Sweep(ctx context.Context, holder Holder, keep ...Claim) (time.Duration, error) {
	var leases coordinationv1.LeaseList
	err := c.Client.List(ctx, &leases, client.InNamespace(c.Namespace), client.MatchingLabels{LabelHolder: holder.Name})
	if err != nil {
		return 0, err
	}
	var next time.Duration
	for i := range leases.Items {
		lease := &leases.Items[i]
		held, claim := holderOf(lease), Of(lease)
		mine := holder.UID != "" && (held.UID == holder.UID || held.UID == "")
		switch {
		case lease.Labels[LabelKind] == "":
			continue // not a claim
		case mine && (claim.Kind == FirstUser || slices.ContainsFunc(keep, claim.same)):
			continue
		case held.UID == "" && !c.expired(lease):
			if left := c.left(lease); next == 0 || left < next {
				next = left
			}
			continue
		}
		if err := c.delete(ctx, lease); err != nil {
			return 0, err
		}
	}
	return next, nil
}

// Of is what a Lease claims.
func Of(lease *coordinationv1.Lease) Claim {
	return Claim{Kind: Kind(lease.Labels[LabelKind]), Value: lease.Annotations[AnnotationValue]}
}

// Name is the name of a claim's Lease.
func (c Claim) Name() string {
	sum := sha256.Sum256([]byte(string(c.Kind) + "\x00" + fold(c.Value)))
	return "berth-claim-" + hex.EncodeToString(sum[:20])
}

func (c Claim) same(other Claim) bool {
	return c.Kind == other.Kind && fold(c.Value) == fold(other.Value)
}

func fold(value string) string { return strings.ToLower(value) }

// get gives the claim's Lease, nil when there is none.
func (c *Claims) get(ctx context.Context, from client.Reader, claim Claim) (*coordinationv1.Lease, error) {
	lease := &coordinationv1.Lease{}
	err := from.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: claim.Name()}, lease)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return lease, err
}

func (c *Claims) lease(claim Claim, holder Holder) *coordinationv1.Lease {
	now := metav1.NewMicroTime(c.Clock.Now())
	annotations := map[string]string{AnnotationValue: fold(claim.Value)}
	if holder.UID != "" {
		annotations[AnnotationHolderUID] = string(holder.UID)
	}
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace,
			Name:      claim.Name(),
			Labels: map[string]string{
				LabelKind: string(claim.Kind), LabelHolder: holder.Name, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
			},
			Annotations: annotations,
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       &holder.Name,
			AcquireTime:          &now,
			LeaseDurationSeconds: ptr.To(int32(Pending.Seconds())),
		},
	}
}

func holderOf(lease *coordinationv1.Lease) Holder {
	return Holder{Name: lease.Labels[LabelHolder], UID: types.UID(lease.Annotations[AnnotationHolderUID])}
}

// left is how long a reservation still counts.
func (c *Claims) left(lease *coordinationv1.Lease) time.Duration {
	made := lease.CreationTimestamp.Time
	if lease.Spec.AcquireTime != nil {
		made = lease.Spec.AcquireTime.Time
	}
	return made.Add(Pending).Sub(c.Clock.Now())
}

func (c *Claims) expired(lease *coordinationv1.Lease) bool { return c.left(lease) <= 0 }

// delete removes just the Lease that was read: one that changed since is met again with its event.
func (c *Claims) delete(ctx context.Context, lease *coordinationv1.Lease) error {
	return client.IgnoreNotFound(c.Client.Delete(ctx, lease, client.Preconditions{
		UID: &lease.UID, ResourceVersion: &lease.ResourceVersion,
	}))
}
