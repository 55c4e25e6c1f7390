// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// remains is one deleted workspace of a list.
type remains struct {
	Owner        string `json:"owner"`
	Name         string `json:"name"`
	Namespace    string `json:"namespace"`
	Object       string `json:"object"`
	Template     string `json:"template"`
	DeletedAt    string `json:"deletedAt"`
	Volumes      int    `json:"volumes"`
	VolumesUntil string `json:"volumesUntil,omitempty"`
}

func (s *session) trash() *cobra.Command {
	var o output
	var all bool
	c := &cobra.Command{
		Use:   "trash",
		Short: "List deleted workspaces that can be brought back",
		Args:  cobra.NoArgs,
		RunE: s.run(func(ctx context.Context, _ []string) error {
			if err := o.check("kubectl berth trash --help"); err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			var where []client.ListOption
			if !all {
				where = append(where, client.InNamespace(c.namespace))
			}
			records, err := c.deleted(ctx, s.now(), where...)
			if err != nil {
				return err
			}
			found := []remains{}
			for _, d := range records {
				found = append(found, remains{string(d.Spec.Owner.User), d.Spec.Name, d.Namespace, string(d.Spec.ObjectName), d.Spec.TemplateRef.Key(),
					d.Spec.DeletedAt, len(d.Spec.Volumes), d.Spec.KeepClaimsUntil})
			}
			if done, err := o.machine(s.Out, map[string]any{"items": found}); done {
				return err
			}
			if len(found) == 0 {
				_, err := fmt.Fprintln(s.ErrOut, "no deleted workspace can be brought back here")
				return err
			}
			var rows [][]string
			for _, r := range found {
				until := r.VolumesUntil
				if until == "" {
					until = "for ever"
				}
				rows = append(rows, []string{r.Owner, r.Name, r.Template, r.DeletedAt, count(r.Volumes, "volume"), until, r.Namespace, r.Object})
			}
			return table(s.Out, []string{"OWNER", "NAME", "TEMPLATE", "DELETED", "KEPT", "UNTIL", "NAMESPACE", "OBJECT"}, rows)
		}),
	}
	o.add(c)
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "of every namespace")
	return c
}

// deleted are the records of workspaces whose volumes are still there and that were not brought back, the newest first. A
// workspace that was brought back and deleted again has one record of each time; the last one tells what is left of it.
func (c *connection) deleted(ctx context.Context, now time.Time, where ...client.ListOption) ([]v1alpha1.DeletedWorkspace, error) {
	var records v1alpha1.DeletedWorkspaceList
	if err := c.List(ctx, &records, where...); err != nil {
		return nil, err
	}
	var living v1alpha1.WorkspaceList
	if err := c.List(ctx, &living, where...); err != nil && !apierrors.IsForbidden(err) {
		return nil, err
	}
	lives := map[string]bool{}
	for i := range living.Items {
		lives[ids.Of(&living.Items[i]).String()] = true
	}
	found := slices.DeleteFunc(records.Items, func(d v1alpha1.DeletedWorkspace) bool {
		until, err := time.Parse(time.RFC3339, d.Spec.KeepClaimsUntil)
		over := err == nil && until.Before(now)
		return lives[ids.Of(&d).String()] || d.Spec.Orphan || len(d.Spec.Volumes) == 0 || over
	})
	slices.SortStableFunc(found, func(a, b v1alpha1.DeletedWorkspace) int { return strings.Compare(b.Spec.DeletedAt, a.Spec.DeletedAt) })
	told := map[string]bool{}
	return slices.DeleteFunc(found, func(d v1alpha1.DeletedWorkspace) bool {
		id := ids.Of(&d).String()
		again := told[id]
		told[id] = true
		return again
	}), nil
}

func (s *session) undelete() *cobra.Command {
	var o waiting
	c := &cobra.Command{
		Use:   "undelete NAME",
		Short: "Bring a deleted workspace back, with its id and its volumes",
		Long: "Undelete makes the workspace anew as it was at last, stopped, with its id, by which it takes its volumes up again.\n" +
			"Labels and annotations are left out, so that what pruned it does not take it for its own again. It needs the verb\n" +
			"restore on workspaces.berth.dev beside create.",
		Example:           "  kubectl berth trash\n  kubectl berth undelete ada/api",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(deletedNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			c, err := s.connect()
			if err != nil {
				return err
			}
			d, err := c.record(ctx, s.now(), args[0])
			if err != nil {
				return err
			}
			w, err := revived(d)
			if err != nil {
				return err
			}
			err = c.Create(ctx, w, owner)
			switch {
			case apierrors.IsAlreadyExists(err):
				return fail(fmt.Sprintf("kubectl berth why %s -n %s", w.Name, w.Namespace), "there is a workspace %s again; delete that one first", w.Name)
			case apierrors.IsForbidden(err):
				return &failure{exitUnreachable, err.Error(), "kubectl auth can-i restore workspaces.berth.dev -n " + w.Namespace}
			case err != nil:
				return err
			}
			if o.wait {
				if err := s.back(ctx, c, w, o.timeout); err != nil {
					return err
				}
			}
			if _, err = fmt.Fprintf(s.Out, "workspace.berth.dev/%s brought back\n", w.Name); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.ErrOut, "it is stopped; to start it: kubectl berth start %s -n %s\n", w.Name, w.Namespace)
			return err
		}),
	}
	o.add(c)
	return c
}

// back waits until the manager has taken a workspace up again.
func (s *session) back(ctx context.Context, c *connection, w *v1alpha1.Workspace, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &progress{s: s}
	err := c.follow(ctx, &v1alpha1.WorkspaceList{}, w.Name, func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(w), w); err != nil {
			return err
		}
		if w.Status.ObservedGeneration == w.Generation && meta.IsStatusConditionTrue(w.Status.Conditions, v1alpha1.ConditionReady) {
			return errEnough
		}
		return p.condition(w)
	})
	if ctx.Err() == context.DeadlineExceeded {
		return &failure{exitWaiting, fmt.Sprintf("it is not back after %s", timeout), fmt.Sprintf("kubectl berth why %s -n %s", w.Name, w.Namespace)}
	}
	return err
}

// record finds what is remembered of a workspace, by its metadata.name, by OWNER/NAME, or by the name that people saw.
func (c *connection) record(ctx context.Context, now time.Time, typed string) (*v1alpha1.DeletedWorkspace, error) {
	all, err := c.deleted(ctx, now, client.InNamespace(c.namespace))
	if err != nil {
		return nil, err
	}
	owner, name, qualified := strings.Cut(typed, "/")
	var found *v1alpha1.DeletedWorkspace
	for i := range all {
		d := &all[i]
		switch {
		case !qualified && string(d.Spec.ObjectName) == typed:
			return d, nil // the newest of that name
		case qualified && string(d.Spec.Owner.User) == owner && strings.EqualFold(d.Spec.Name, name), !qualified && strings.EqualFold(d.Spec.Name, typed):
			if found != nil && found.Spec.Owner != d.Spec.Owner {
				return nil, fail("kubectl berth trash -n "+c.namespace, "several people had a workspace %q; say whose: OWNER/%s", typed, typed)
			}
			if found == nil {
				found = d
			}
		}
	}
	if found == nil {
		return nil, fail("kubectl berth trash -n "+c.namespace, "no deleted workspace %q can be brought back in namespace %s", typed, c.namespace)
	}
	return found, nil
}

// revived is the workspace as it was at last, to be made anew.
func revived(d *v1alpha1.DeletedWorkspace) (*v1alpha1.Workspace, error) {
	var last v1alpha1.Workspace
	if err := json.Unmarshal(d.Spec.Workspace.Raw, &last); err != nil {
		return nil, fmt.Errorf("the record %s can't be read: %w", d.Name, err)
	}
	w := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: string(d.Spec.ObjectName)}, Spec: last.Spec}
	w.Spec.ID = d.Spec.ID
	w.Spec.Request = nil // it was acted upon in the earlier life
	for _, kept := range []string{v1alpha1.AnnotationCreatedAt, v1alpha1.AnnotationCreatedBy} {
		if value, ok := last.Annotations[kept]; ok {
			metav1.SetMetaDataAnnotation(&w.ObjectMeta, kept, value)
		}
	}
	return w, nil
}

func deletedNames(ctx context.Context, c *connection) ([]string, error) {
	all, err := c.deleted(ctx, time.Now(), client.InNamespace(c.namespace))
	var found []string
	for _, d := range all {
		found = append(found, string(d.Spec.ObjectName))
	}
	return found, err
}
