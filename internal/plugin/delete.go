// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

func (s *session) delete() *cobra.Command {
	var o waiting
	var orphan bool
	c := &cobra.Command{
		Use:               "delete NAME",
		Short:             "Delete a workspace; its volumes are kept for a while",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(workspaceNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			c, err := s.connect()
			if err != nil {
				return err
			}
			w, err := c.workspace(ctx, args[0])
			if err != nil {
				return err
			}
			c.namespace = w.Namespace
			how := []client.DeleteOption{client.Preconditions{UID: &w.UID}}
			if orphan {
				how = append(how, client.PropagationPolicy(metav1.DeletePropagationOrphan))
			}
			if err := c.Delete(ctx, w, how...); err != nil {
				return err
			}
			done := "deletion requested"
			if o.wait {
				done = "deleted"
				if err := s.gone(ctx, c, w, o.timeout); err != nil {
					return err
				}
			}
			if _, err = fmt.Fprintf(s.Out, "workspace.berth.dev/%s %s\n", w.Name, done); err != nil || !o.wait {
				return err
			}
			return s.kept(ctx, c, w)
		}),
	}
	o.add(c)
	c.Flags().BoolVar(&orphan, "orphan", false, "leave its volumes behind for good, without Berth's labels")
	return c
}

// gone waits until the workspace is no more.
func (s *session) gone(ctx context.Context, c *connection, w *v1alpha1.Workspace, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &progress{s: s}
	err := c.follow(ctx, &v1alpha1.WorkspaceList{}, w.Name, func() error {
		var now v1alpha1.Workspace
		err := c.Get(ctx, client.ObjectKeyFromObject(w), &now)
		switch {
		case apierrors.IsNotFound(err) || err == nil && now.UID != w.UID:
			return errEnough
		case err != nil:
			return err
		}
		return p.condition(&now)
	})
	if ctx.Err() == context.DeadlineExceeded {
		return &failure{exitWaiting, fmt.Sprintf("it is not gone after %s, and still going", timeout), fmt.Sprintf("kubectl berth why %s -n %s", w.Name, w.Namespace)}
	}
	return err
}

// kept tells until when the volumes of a deleted workspace can be had back. Who may not list claims is not told.
func (s *session) kept(ctx context.Context, c *connection, w *v1alpha1.Workspace) error {
	var claims corev1.PersistentVolumeClaimList
	if c.List(ctx, &claims, client.InNamespace(w.Namespace), client.MatchingLabels{v1alpha1.LabelID: ledger.ID(w)}) != nil {
		return nil
	}
	until := ""
	for _, claim := range claims.Items {
		until = max(until, claim.Annotations[v1alpha1.AnnotationDeleteAfter])
	}
	if until == "" {
		return nil
	}
	_, err := fmt.Fprintf(s.ErrOut, "its volumes are kept until %s: kubectl berth undelete %s -n %s\n", until, w.Name, w.Namespace)
	return err
}
