// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
)

// alone runs do while no other request, on whichever replica, gives the name that is claimed. The claim is a reservation
// for as long as do takes: what is stored then tells by itself who has the name, to whoever reads live under the next
// claim. One that a process left behind when it died counts for a minute.
func (s *Store) alone(ctx context.Context, claim claims.Claim, do func() error) error {
	c, holder := s.claims(), claims.Holder{Name: "request-" + string(uuid.NewUUID())}
	err := c.Hold(ctx, claim, holder)
	var other *claims.Taken
	if errors.As(err, &other) {
		if _, err = c.Sweep(ctx, claims.Holder{Name: other.Holder.Name}); err == nil {
			err = c.Hold(ctx, claim, holder)
		}
	}
	if errors.As(err, &other) {
		f := fault.New(fault.Conflict, "Somebody else gives this name at the same time. Try again.")
		f.Fields = []fault.Field{{Path: "name", Detail: "is being given to something else at this moment"}}
		f.Cause = errBusy
		return f
	}
	if err != nil {
		return asFault(err)
	}
	err = do()
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
	defer cancel()
	return errors.Join(err, c.Release(left, claim, holder))
}
