// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
)

// Rights are what a User may do, whoever calls. Where it is the caller, they are the caller's, with what the groups of a
// Kubernetes identity brought along.
func Rights(ctx context.Context, d Directory, u *v1alpha1.User) (authz.Subject, error) {
	if caller := authz.From(ctx); caller.Known() && caller.User == u.Name {
		return caller.Subject, nil
	}
	c, err := Caller(ctx, d, u, nil)
	if err != nil {
		return authz.Subject{}, err
	}
	return c.Subject, nil
}
