// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// behind is how soon a pass is made again whose cache was behind the cluster.
const behind = time.Second

// Calm has a reconciler's pass made again that met a conflict, in place of an error: somebody else was faster, or the
// cache had not yet seen what this process wrote. That is in good order, and no line of the log.
func Calm(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
		result, err := r.Reconcile(ctx, request)
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: behind}, nil
		}
		return result, err
	})
}
