// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
)

// patience is how long anything that is waited for may take: it would have to be broken.
const patience = 10 * time.Minute

// until tries again until done, or until it was too long. An error counts only once it is done.
func until(ctx context.Context, try func() (done bool, err error)) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		done, err := try()
		if !done {
			err = nil
		}
		return done, err
	})
}

// missingNamespace tells whether a namespace has to come first.
func missingNamespace(err error) bool {
	return apierrors.IsNotFound(err) && strings.Contains(err.Error(), "namespaces")
}
