// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// seenEvery is how old a User's lastSeenAt may be before it is written again.
	seenEvery = time.Hour
	// seenQueue is how many notes wait at most. Further ones are dropped: the person's next request brings another.
	seenQueue = 256
)

// Seen writes when people were last there: rarely, beside the requests that tell it, and never twice for one.
type Seen struct {
	store  *Store
	now    func() time.Time
	noted  *lru.Cache // by uid: when this process last noted it
	queue  chan *v1alpha1.User
	failed func(user string, err error)
}

// NewSeen notes nothing before Run runs. failed is told what could not be written.
func NewSeen(s *Store, now func() time.Time, failed func(user string, err error)) *Seen {
	return &Seen{store: s, now: now, noted: lru.New(10_000), queue: make(chan *v1alpha1.User, seenQueue), failed: failed}
}

// Note says that the person is there. It never waits.
func (s *Seen) Note(u *v1alpha1.User) {
	now := s.now()
	if last := u.Status.LastSeenAt; last != nil && now.Sub(last.Time) < seenEvery {
		return
	}
	if last, ok := s.noted.Get(u.UID); ok {
		if at, ok := last.(time.Time); ok && now.Sub(at) < seenEvery {
			return
		}
	}
	select {
	case s.queue <- u:
		s.noted.Add(u.UID, now)
	default:
	}
}

// Run writes what was noted until the context ends.
func (s *Seen) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-s.queue:
			if err := s.write(ctx, u); client.IgnoreNotFound(err) != nil && ctx.Err() == nil {
				s.noted.Remove(u.UID) // so that the next request tries again
				s.failed(u.Name, err)
			}
		}
	}
}

// write patches the one field, bound to the very User.
func (s *Seen) write(ctx context.Context, u *v1alpha1.User) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": u.UID},
		"status":   map[string]any{"lastSeenAt": metav1.NewTime(s.now())},
	})
	if err != nil {
		return err
	}
	target := &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: u.Name}}
	return s.store.client.Status().Patch(ctx, target, client.RawPatch(types.MergePatchType, patch))
}
