// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// retryFirst and retryLast are how soon what failed is tried again, the first time and at the latest.
const retryFirst, retryLast = 100 * time.Millisecond, time.Minute

// Passwords takes the passwords that Users declare by spec.passwordSecret, whenever the User or the Secret changes, and says
// in the User's status what it found. Every replica does so; which of them is first decides nothing. The manager makes
// conditions and events of it: it may not read the Secret.
type Passwords struct {
	store  *Store
	proofs *credentials.Store
	queue  workqueue.TypedRateLimitingInterface[declares]
	took   func(r *audit.Record, secret string)
	failed func(user string, err error)
}

// declares is something that declares a password: a User by name, or a Secret by name.
type declares struct{ user, secret string }

// NewPasswords follows Users and Secrets; it must be called before the store starts, and takes nothing before Run runs.
// took is given the record of what was written to take the password of a Secret, also where that was nothing; failed is told
// what could not be done, which is tried again.
func NewPasswords(ctx context.Context, s *Store, proofs *credentials.Store, took func(r *audit.Record, secret string), failed func(user string, err error)) (*Passwords, error) {
	p := &Passwords{store: s, proofs: proofs, took: took, failed: failed,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[declares](retryFirst, retryLast))}
	handler := toolscache.ResourceEventHandlerFuncs{
		AddFunc:    p.saw,
		UpdateFunc: func(_, is any) { p.saw(is) },
		DeleteFunc: func(was any) {
			if gone, ok := was.(toolscache.DeletedFinalStateUnknown); ok {
				was = gone.Obj
			}
			p.saw(was)
		},
	}
	for _, kind := range []client.Object{&v1alpha1.User{}, &corev1.Secret{}} {
		informer, err := s.cache.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(handler)
		}
		if err != nil {
			return nil, fmt.Errorf("changes of %T: %w", kind, err)
		}
	}
	return p, nil
}

// saw queues what may declare another password than before. Sessions are Secrets too, of which there are many changes.
func (p *Passwords) saw(changed any) {
	switch o := changed.(type) {
	case *v1alpha1.User:
		if o.Spec.PasswordSecret != nil || o.Status.Password != nil {
			p.queue.Add(declares{user: o.Name})
		}
	case *corev1.Secret:
		if o.Labels[credentials.LabelKind] == "" {
			p.queue.Add(declares{secret: o.Name})
		}
	}
}

// Run takes passwords until the context ends, one after the other: hashing them must not crowd out who signs in.
func (p *Passwords) Run(ctx context.Context) error {
	if !p.store.Synced(ctx) {
		return nil
	}
	defer context.AfterFunc(ctx, p.queue.ShutDown)()
	for {
		next, ended := p.queue.Get()
		if ended || ctx.Err() != nil {
			return nil
		}
		if err := p.look(ctx, next); err != nil && ctx.Err() == nil {
			p.failed(next.user, err)
			p.queue.AddRateLimited(next)
		} else {
			p.queue.Forget(next)
		}
		p.queue.Done(next)
	}
}

func (p *Passwords) look(ctx context.Context, next declares) error {
	if next.secret == "" {
		return p.take(ctx, next.user)
	}
	users, err := list[*v1alpha1.User](ctx, p.store, &v1alpha1.UserList{}, index.PasswordSecret, next.secret)
	for _, u := range users {
		p.queue.Add(declares{user: u.Name})
	}
	return err
}

// take has a User have the password that it declares. Credentials are found by the id on the wire, so a User whose id is
// another's declares nothing.
func (p *Passwords) take(ctx context.Context, name string) error {
	u, err := p.store.User(ctx, name)
	if fault.Is(err, fault.NotFound) || err == nil && u.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return err
	}
	id := ids.Of(u)
	holder, err := p.store.UserByID(ctx, id)
	if err != nil || holder.UID != u.UID {
		return ignoreNotFound(err)
	}
	var found *v1alpha1.PasswordState
	if ref := u.Spec.PasswordSecret; ref != nil && u.Spec.LoginType == v1alpha1.LoginTypePassword {
		found = &v1alpha1.PasswordState{Secret: string(ref.Name)}
		record := audit.NewRecord(audit.Attempt{Door: audit.DoorManifest})
		err := p.proofs.TakePassword(audit.NewContext(ctx, record), u, id, found.Secret)
		p.took(record, found.Secret)
		if f, ok := fault.As(err); ok && f.Kind == fault.Invalid && len(f.Fields) == 1 {
			found.Reason, found.Message = f.Reason, f.Fields[0].Detail
		} else if err != nil {
			return err
		}
	}
	return p.note(ctx, u, found)
}

// note writes what was found, unless it stands there.
func (p *Passwords) note(ctx context.Context, u *v1alpha1.User, found *v1alpha1.PasswordState) error {
	if equality.Semantic.DeepEqual(found, u.Status.Password) {
		return nil
	}
	var state any // as a merge patch, so that what is not said is taken away
	if found != nil {
		state = map[string]any{"secret": found.Secret, "reason": orNull(found.Reason), "message": orNull(found.Message)}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": u.UID},
		"status":   map[string]any{"password": state},
	})
	if err != nil {
		return err
	}
	target := &v1alpha1.User{}
	target.Name = u.Name
	return client.IgnoreNotFound(p.store.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)))
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func ignoreNotFound(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// DeclaredPassword is a Conflict fault when a GitOps tool holds where the user's password comes from: it is changed there.
func (s *Store) DeclaredPassword(u *v1alpha1.User) error {
	if u.Spec.PasswordSecret == nil {
		return nil
	}
	edit := map[string]any{"spec": map[string]any{"passwordSecret": nil}}
	return onWire(gitops.Refuse(u, kindOf(u)+" "+u.WireName(), edit), u)
}
