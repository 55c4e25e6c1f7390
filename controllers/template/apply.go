// SPDX-License-Identifier: Apache-2.0

package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// keep is how many versions stay beside those that something names.
const keep = 5

// errReleased ends the last pass of a Template: there is nothing left to write a status to.
var errReleased = errors.New("the template is released")

// prune removes versions that nothing names: not active nor the one before, not of the present content, not pinned or held
// at, in no kept build, held by no workspace, and not among the newest.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	held := map[string]bool{}
	for _, w := range s.workspaces {
		if w.Spec.VersionRef != nil {
			held[string(w.Spec.VersionRef.Name)] = true
		}
	}
	if s.template.Spec.Rollout != nil {
		held[string(s.template.Spec.Rollout.Pin)] = true
	}
	if s.template.Spec.Hold != nil {
		held[string(s.template.Spec.Hold.Version)] = true
	}
	if s.plan.previous != nil {
		held[string(s.plan.previous.Name)] = true
	}
	spare := 0
	for i := range s.versions {
		v := &s.versions[i]
		if v == s.plan.active || v == s.plan.latest || held[v.Name] || len(v.builds) > 0 {
			continue
		}
		if spare++; spare <= keep {
			continue
		}
		if err := r.remove(ctx, v.TemplateVersion); err != nil {
			return err
		}
	}
	return nil
}

// release lets a deleted Template go once no workspace uses it, and its versions with it. In a namespace that is being
// deleted nothing is waited for: the namespace takes what is there.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	var namespace corev1.Namespace
	err := r.Get(ctx, client.ObjectKey{Name: s.template.Namespace}, &namespace)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if n := len(s.workspaces); n > 0 && namespace.DeletionTimestamp == nil {
		return phase.Wait(0, v1alpha1.ReasonInUse, "it goes when the %d workspaces that use it are gone: %s", n, s.users())
	}
	if err := r.observeVersions(ctx, s); err != nil {
		return err
	}
	for i := range s.versions {
		if err := r.remove(ctx, s.versions[i].TemplateVersion); err != nil {
			return err
		}
	}
	if err := phase.RemoveFinalizer(ctx, r.Client, &s.template, Finalizer); err != nil {
		return err
	}
	return errReleased
}

// users names the first few of the workspaces by owner and name.
func (s *scope) users() string {
	const shown = 3
	names := make([]string, 0, len(s.workspaces))
	for _, w := range s.workspaces {
		names = append(names, string(w.Spec.Owner.User)+"/"+w.WireName())
	}
	slices.Sort(names)
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// remove deletes just the version that was read.
func (r *Reconciler) remove(ctx context.Context, v *v1alpha1.TemplateVersion) error {
	if v.DeletionTimestamp != nil {
		return nil
	}
	return client.IgnoreNotFound(r.Delete(ctx, v, client.Preconditions{UID: &v.UID}))
}
