// SPDX-License-Identifier: Apache-2.0

// Package phase holds what all reconcilers share: how a pass runs, what its end means for the queue and for the
// conditions, how a status, an id and an event are written, and who wins where two claim the same. It knows no kind but the
// Organization, which all that is namespaced belongs to; what a kind does is its own package's.
package phase

import (
	"context"
	"errors"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/fault"
)

// Owner is the field manager of everything that the manager writes.
const Owner = client.FieldOwner("berth-manager")

// Step is one phase of a pass. It reads and fills the scope S, which is thrown away afterwards. Its error ends the pass:
// a Wait, a fault, or any other error, which is tried again with back-off.
type Step[S any] func(ctx context.Context, scope *S) error

// Run runs the steps in order until one gives an error, which it gives back.
func Run[S any](ctx context.Context, scope *S, steps ...Step[S]) error {
	for _, step := range steps {
		if err := step(ctx, scope); err != nil {
			return err
		}
	}
	return nil
}

// Waiting ends a pass in good order: there is nothing to do until something happens, or until a time has passed.
type Waiting struct {
	// After is when to look again at the latest; zero means at the next event only.
	After time.Duration
	// Reason and Message are what the conditions say meanwhile.
	Reason, Message string
}

// Error is the message.
func (w *Waiting) Error() string { return w.Message }

// Wait is a Waiting error.
func Wait(after time.Duration, reason, format string, args ...any) error {
	return &Waiting{After: after, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Result says what the outcome of a pass means for the queue: a Wait is looked at again after its time, a fault when
// something that it depends on changes, any other error with back-off.
func Result(outcome error) (ctrl.Result, error) {
	var wait *Waiting
	if errors.As(outcome, &wait) {
		return ctrl.Result{RequeueAfter: wait.After}, nil
	}
	if _, ok := fault.As(outcome); ok {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, outcome
}

// At is a Result that looks again after d when the outcome itself asks for nothing sooner. A d of zero changes nothing.
func At(d time.Duration, outcome error) (ctrl.Result, error) {
	result, err := Result(outcome)
	if err == nil && d > 0 && (result.RequeueAfter == 0 || d < result.RequeueAfter) {
		result.RequeueAfter = d
	}
	return result, err
}
