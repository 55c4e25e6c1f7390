// SPDX-License-Identifier: Apache-2.0

// Package await waits for a state of another process. It owns how often to look
// and what is said when the time is over; what is looked at belongs to the caller.
package await

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// interval is the pause between two looks: short beside what is waited for,
// long enough not to take a core of a small machine.
const interval = 100 * time.Millisecond

// Final marks an error after which waiting longer is of no use.
type Final struct{ Err error }

// Error is the marked error's text.
func (f Final) Error() string { return f.Err.Error() }

// Unwrap gives the marked error.
func (f Final) Unwrap() error { return f.Err }

// Until calls check until it returns nil, a Final error, or limit is over; then
// the error says what was waited for and why it was not so at last.
func Until(ctx context.Context, what string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		var final Final
		if err == nil {
			return nil
		}
		if errors.As(err, &final) {
			return fmt.Errorf("waiting for %s: %w", what, final.Err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if context.Cause(ctx) == errTimeout {
				return fmt.Errorf("%s did not happen within %s: %w", what, limit, err)
			}
			return ctx.Err()
		}
	}
}

var errTimeout = errors.New("time is over")
