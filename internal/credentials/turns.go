// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// rewriteEvery and rewriteFor are how a write is made anew whose Secret another process wrote in between: as soon as the
	// cache may know what that was.
	rewriteEvery, rewriteFor = 50 * time.Millisecond, 5 * time.Second
	// lanes is how many users' Secrets one process writes at once where a write depends on what is there.
	lanes = 64
)

// turns lets those of this process who write one user's Secret do so one after the other, as only one of them would get
// through anyway. Several users may share a lane.
type turns [lanes]chan struct{}

func newTurns() *turns {
	t := &turns{}
	for i := range t {
		t[i] = make(chan struct{}, 1)
	}
	return t
}

// take waits for the user's turn, which end gives back.
func (t *turns) take(ctx context.Context, user uuid.UUID) (end func(), err error) {
	lane := t[int(user[len(user)-1])%lanes]
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// insist tries a write that is bound to the user's Secret as it was read, until nobody has written in between.
func (s *Store) insist(ctx context.Context, user uuid.UUID, try func(context.Context) error) error {
	end, err := s.turns.take(ctx, user)
	if err != nil {
		return err
	}
	defer end()
	var last error
	err = wait.PollUntilContextTimeout(ctx, rewriteEvery, rewriteFor, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		if apierrors.IsConflict(last) || apierrors.IsAlreadyExists(last) {
			return false, nil
		}
		return true, last
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		busy := fault.New(fault.Unavailable, "The keys of this account are being changed by many at once. Try again in a moment.")
		busy.Cause = last
		return busy
	}
	return err
}
