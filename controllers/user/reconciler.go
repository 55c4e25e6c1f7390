// SPDX-License-Identifier: Apache-2.0

// Package user keeps Users: it claims their username, e-mail address and accounts at identity providers, sees that no two of them list one Kubernetes
// identity, and shows whether the account is in use. It signs nobody in and holds no secret; what a person may do is
// decided by package authz from the spec.
package user

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
)

// dormantAfter is how long after its last sign-in an account is called dormant.
const dormantAfter = 90 * 24 * time.Hour

// +kubebuilder:rbac:groups=berth.dev,resources=users,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=berth.dev,resources=users/status,verbs=patch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=berth-system,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps Users.
type Reconciler struct {
	// Client reads Users, and the Leases that are claims, from a cache.
	client.Client
	// Claims are the deployment's claims of names.
	Claims *claims.Claims
	// Events is where people are told.
	Events events.EventRecorder
	// Clock tells the time of conditions, and since when an account is dormant.
	Clock clock.PassiveClock
}

// scope is what one pass knows.
type scope struct {
	now  time.Time
	user v1alpha1.User
	// again is when something changes by itself; zero means never.
	again time.Duration
}

// Setup has the manager call the reconciler whenever something that it depends on changes.
func (r *Reconciler) Setup(mgr ctrl.Manager) error {
	others := func() client.ObjectList { return &v1alpha1.UserList{} }
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.User{}).
		Watches(&v1alpha1.User{}, phase.Rematch(mgr.GetClient(), others, index.ID, index.Subject),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&coordinationv1.Lease{}, handler.EnqueueRequestsFromMapFunc(r.ofClaim)).
		Complete(phase.Calm(r))
}

// Reconcile brings one User a step nearer to its wish.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{now: r.Clock.Now()}
	err := r.Get(ctx, req.NamespacedName, &s.user)
	switch {
	case apierrors.IsNotFound(err):
		left, err := r.Claims.Sweep(ctx, claims.Holder{Name: req.Name})
		return ctrl.Result{RequeueAfter: left}, err
	case err != nil:
		return ctrl.Result{}, err
	case s.user.DeletionTimestamp != nil:
		return ctrl.Result{}, nil // its names are freed when it is gone
	}
	if wrote, err := phase.Adopt(ctx, r.Client, &s.user, ""); wrote || err != nil {
		return ctrl.Result{}, err
	}
	before := s.user.DeepCopy()
	outcome := phase.Run(ctx, s, r.identity, r.names, r.subjects, r.password)
	conclude(s, outcome)
	// Who was seen when, which groups a login brought, what a password's Secret holds and where somebody is signed in is written
	// by the API server.
	if _, err := phase.ApplyStatus(ctx, r.Client, before, &s.user, "lastSeenAt", "groups", "password", "externalAuth"); err != nil {
		return ctrl.Result{}, errors.Join(outcome, err)
	}
	phase.Announce(r.Events, before, &s.user)
	return phase.At(s.again, outcome)
}

// identity refuses a user whose id is another's.
func (r *Reconciler) identity(ctx context.Context, s *scope) error {
	return phase.HoldsID(ctx, r, &s.user, &v1alpha1.UserList{})
}

// names claims what must be the user's alone, and frees what it was called before. All claims are tried before any refusal
// is told, so that a person reads everything at once.
func (r *Reconciler) names(ctx context.Context, s *scope) error {
	holder := claims.Holder{Name: s.user.Name, UID: s.user.UID}
	username := claims.Claim{Kind: claims.Username, Value: s.user.WireName()}
	email := claims.Claim{Kind: claims.Email, Value: s.user.Spec.Email}
	noUsername, err := taken(r.Claims.Hold(ctx, username, holder), "spec.username", v1alpha1.ReasonUsernameTaken)
	if err != nil {
		return err
	}
	noEmail, err := taken(r.Claims.Hold(ctx, email, holder), "spec.email", v1alpha1.ReasonEmailTaken)
	if err != nil {
		return err
	}
	keep, refused := []claims.Claim{username, email}, []*fault.Error{noUsername, noEmail}
	for i, identity := range s.user.Spec.Identities {
		claim := claims.Claim{Kind: claims.Identity, Value: index.IdentityKey(identity)}
		keep = append(keep, claim)
		f, err := taken(r.Claims.Hold(ctx, claim, holder), fmt.Sprintf("spec.identities[%d]", i), v1alpha1.ReasonIdentityTaken)
		if err != nil {
			return err
		}
		refused = append(refused, f)
	}
	if s.again, err = r.Claims.Sweep(ctx, holder, keep...); err != nil {
		return err
	}
	f := fault.Join("names that other Users have", refused...)
	switch {
	case f == nil:
		return nil
	case noUsername != nil: // what keeps the User off the wire is its reason
		return f.Because(v1alpha1.ReasonUsernameTaken)
	case noEmail != nil:
		return f.Because(v1alpha1.ReasonEmailTaken)
	}
	return f
}

// taken makes a fault of a claim that another User holds; other errors stay.
func taken(err error, path, reason string) (*fault.Error, error) {
	var t *claims.Taken
	if errors.As(err, &t) && t.Claim.Kind == claims.Identity {
		return fault.On(path, "this account signs in as User %s; take it out of one of them", t.Holder.Name).Because(reason), nil
	}
	if errors.As(err, &t) {
		return fault.On(path, "%q belongs to User %s; choose another", t.Claim.Value, t.Holder.Name).Because(reason), nil
	}
	return nil, err
}

// subjects stalls every user who lists an identity that another lists too: nobody can tell whose it is.
func (r *Reconciler) subjects(ctx context.Context, s *scope) error {
	var refused []*fault.Error
	for i, subject := range s.user.Spec.Subjects {
		rivals, err := phase.Rivals(ctx, r, &s.user, &v1alpha1.UserList{}, client.MatchingFields{index.Subject: index.SubjectKey(subject)})
		if err != nil {
			return err
		}
		if len(rivals) == 0 {
			continue
		}
		names := make([]string, 0, len(rivals))
		for _, o := range rivals {
			names = append(names, o.GetName())
		}
		slices.Sort(names)
		refused = append(refused, fault.On(fmt.Sprintf("spec.subjects[%d]", i), "%s %q is listed by User %s too, so it is nobody's; "+
			"take it out of one of them", subject.Kind, subject.Name, strings.Join(names, ", ")).Because(v1alpha1.ReasonSubjectTaken))
	}
	if f := fault.Join("identities that other Users list", refused...); f != nil {
		return f
	}
	return nil
}

// password tells what is wrong with a declared password. The API servers alone may read it, and say in the status what they
// found.
func (r *Reconciler) password(_ context.Context, s *scope) error {
	const path = "spec.passwordSecret"
	ref, found := s.user.Spec.PasswordSecret, s.user.Status.Password
	switch {
	case ref == nil:
		return nil
	case s.user.Spec.LoginType != v1alpha1.LoginTypePassword:
		return fault.On(path, "is not used, since spec.loginType is %s; make that %s, or take this out",
			cmp.Or(s.user.Spec.LoginType, v1alpha1.LoginTypeNone), v1alpha1.LoginTypePassword).Because(v1alpha1.ReasonPasswordSecretInvalid)
	case found == nil || found.Secret != string(ref.Name):
		return phase.Wait(0, v1alpha1.ReasonPasswordPending, "%s: waiting for an API server to read Secret %s", path, ref.Name)
	case found.Reason != "":
		return fault.On(path, "%s", found.Message).Because(found.Reason)
	}
	return nil
}

// conclude makes the outcome of a pass the user's status.
func conclude(s *scope, outcome error) {
	status := &s.user.Status
	status.ObservedGeneration = s.user.Generation
	status.State = v1alpha1.UserDormant
	ready := phase.Ready{Reason: v1alpha1.ReasonReady, Message: "the account can be used"}
	if seen := status.LastSeenAt; seen != nil && s.now.Before(seen.Add(dormantAfter)) {
		status.State = v1alpha1.UserActive
		if left := seen.Add(dormantAfter).Sub(s.now); s.again == 0 || left < s.again {
			s.again = left
		}
	}
	if s.user.Spec.Suspended {
		status.State = v1alpha1.UserSuspended
		ready = phase.Ready{Reason: v1alpha1.ReasonSuspended, Message: "the account is suspended, as spec.suspended wishes"}
	}
	status.Conditions = phase.Conclude(status.Conditions, s.user.Generation, outcome, ready, s.now)
	phase.NotEnforced(&status.Conditions, s.user.Generation, render.NotEnforced(&s.user), s.now)
}

// ofClaim names the Users that a claim may matter to: its holder, and whoever would like to be.
func (r *Reconciler) ofClaim(ctx context.Context, o client.Object) []reconcile.Request {
	lease, ok := o.(*coordinationv1.Lease)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	if holder := lease.Labels[claims.LabelHolder]; holder != "" {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Name: holder}})
	}
	switch claim := claims.Of(lease); claim.Kind {
	case claims.Username:
		requests = append(requests, phase.Requests(ctx, r, &v1alpha1.UserList{}, client.MatchingFields{index.Name: claim.Value})...)
	case claims.Email:
		requests = append(requests, phase.Requests(ctx, r, &v1alpha1.UserList{}, client.MatchingFields{index.Email: claim.Value})...)
	case claims.Identity:
		requests = append(requests, phase.Requests(ctx, r, &v1alpha1.UserList{}, client.MatchingFields{index.Identity: claim.Value})...)
	}
	return requests
}
