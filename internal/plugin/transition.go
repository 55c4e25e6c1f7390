// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// owner is the field manager of what the plug-in writes.
const owner = client.FieldOwner("kubectl-berth")

// stillStalled is how long a workspace must say that it can't go on, after a request, until that is believed: what it
// said before the request may stand for a moment.
const stillStalled = 3 * time.Second

// waiting are the flags of what takes a while.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (o *waiting) add(c *cobra.Command) {
	c.Flags().BoolVar(&o.wait, "wait", true, "wait until it is done, and print how far it is")
	c.Flags().DurationVar(&o.timeout, "timeout", 15*time.Minute, "how long to wait")
}

// verbs are the transitions that a request can ask for.
var verbs = map[v1alpha1.RequestTransition]struct{ verb, short, done string }{
	v1alpha1.RequestStart:   {"start", "Start a workspace", "started"},
	v1alpha1.RequestStop:    {"stop", "Stop a workspace; its volumes are kept", "stopped"},
	v1alpha1.RequestRestart: {"restart", "Stop and start a workspace", "restarted"},
}

func (s *session) transition(t v1alpha1.RequestTransition) *cobra.Command {
	var o waiting
	var version string
	var parameters []string
	words := verbs[t]
	c := &cobra.Command{
		Use:               words.verb + " NAME",
		Short:             words.short,
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
			change, err := c.changes(ctx, w, "kubectl berth "+words.verb+" --help", version, parameters)
			if err != nil {
				return err
			}
			at := s.now().UTC().Format(time.RFC3339Nano)
			change["request"] = map[string]any{"transition": t, "at": at}
			if err := c.patch(ctx, w, change); err != nil {
				return err
			}
			if o.wait {
				if err := s.await(ctx, c, w, o.timeout, at, expected(t)); err != nil {
					return err
				}
			} else {
				words.done = words.verb + " requested"
			}
			_, err = fmt.Fprintf(s.Out, "workspace.berth.dev/%s %s\n", w.Name, words.done)
			return err
		}),
	}
	o.add(c)
	if t != v1alpha1.RequestStop {
		c.Flags().StringVar(&version, "version", "", "hold it to a TemplateVersion from now on; \"active\" follows the template again")
		c.Flags().StringArrayVar(&parameters, "parameter", nil, "value of a parameter from now on, `NAME=VALUE`; may be given several times")
	}
	return c
}

// expected is the transition of the build that a request leads to.
func expected(t v1alpha1.RequestTransition) v1alpha1.Transition {
	if t == v1alpha1.RequestStop {
		return v1alpha1.TransitionStop
	}
	return v1alpha1.TransitionStart
}

// changes are what a request changes of the spec beside itself.
func (c *connection) changes(ctx context.Context, w *v1alpha1.Workspace, help, version string, typed []string) (map[string]any, error) {
	change := map[string]any{}
	switch version {
	case "":
	case "active":
		change["versionRef"] = nil
	default:
		change["versionRef"] = map[string]any{"name": version}
	}
	if len(typed) == 0 {
		return change, nil
	}
	content, err := c.contentOf(ctx, w.Spec.TemplateRef, version)
	if err != nil {
		return nil, err
	}
	started, err := c.started(ctx, w)
	if err != nil {
		return nil, err
	}
	values, err := choose(help, typed, content, w.Spec.Parameters, started)
	if err != nil {
		return nil, err
	}
	change["parameters"] = values
	return change, nil
}

// started are the values of the workspace's last start that went well; nil when there is none.
func (c *connection) started(ctx context.Context, w *v1alpha1.Workspace) (map[string]v1alpha1.Value, error) {
	builds, err := c.builds(ctx, w)
	if apierrors.IsForbidden(err) {
		return nil, nil // what may not be changed is refused by the manager then
	}
	last := ledger.LastStart(builds)
	if err != nil || last == nil || last.Spec.Parameters == nil {
		return nil, err
	}
	return last.Spec.Parameters.Values, nil
}

// builds are those of this very workspace.
func (c *connection) builds(ctx context.Context, w *v1alpha1.Workspace) ([]*v1alpha1.WorkspaceBuild, error) {
	var list v1alpha1.WorkspaceBuildList
	if err := c.List(ctx, &list, client.InNamespace(w.Namespace), client.MatchingFields{"spec.workspaceRef.name": w.Name}); err != nil {
		return nil, err
	}
	var own []*v1alpha1.WorkspaceBuild
	for i := range list.Items {
		if list.Items[i].Spec.WorkspaceRef.UID == w.UID {
			own = append(own, &list.Items[i])
		}
	}
	return own, nil
}

// patch changes fields of the spec, of this very workspace.
func (c *connection) patch(ctx context.Context, w *v1alpha1.Workspace, spec map[string]any) error {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": w.UID}, "spec": spec})
	if err != nil {
		return err
	}
	return c.Patch(ctx, w, client.RawPatch(types.MergePatchType, text), owner)
}

// await waits until what was asked of a workspace is done, and prints how far it is. at is the request's time; empty
// means the first build.
func (s *session) await(ctx context.Context, c *connection, w *v1alpha1.Workspace, timeout time.Duration, at string, want v1alpha1.Transition) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p := &progress{s: s}
	why := fmt.Sprintf("kubectl berth why %s -n %s", w.Name, w.Namespace)
	var stalledAt time.Time
	err := c.follow(ctx, &v1alpha1.WorkspaceList{}, w.Name, func() error {
		err := c.Get(ctx, client.ObjectKeyFromObject(w), w)
		if apierrors.IsNotFound(err) {
			return fail("kubectl berth list -n "+w.Namespace, "workspace %s was deleted meanwhile", w.Name)
		}
		if err != nil {
			return err
		}
		if !accepted(w, at) {
			stalled := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionStalled)
			if stalled == nil || w.Status.ObservedGeneration != w.Generation {
				stalledAt = time.Time{}
				return nil
			}
			if stalledAt.IsZero() {
				stalledAt = s.now()
			}
			if s.now().Sub(stalledAt) < stillStalled {
				return nil
			}
			return fail(why, "it was refused, %s: %s", stalled.Reason, stalled.Message)
		}
		return p.step(ctx, c, w, want, why)
	})
	if ctx.Err() == context.DeadlineExceeded {
		return &failure{exitWaiting, fmt.Sprintf("it is not done after %s, and goes on", timeout), why}
	}
	return err
}

// accepted tells whether the manager has acted upon a request.
func accepted(w *v1alpha1.Workspace, at string) bool {
	if at == "" {
		return w.Status.Build != nil
	}
	return w.Status.Acted != nil && w.Status.Acted.Request != nil && w.Status.Acted.Request.At == at
}

// phaseAfter is the phase of a workspace after a transition that went well.
var phaseAfter = map[v1alpha1.Transition]v1alpha1.WorkspacePhase{
	v1alpha1.TransitionStart: v1alpha1.PhaseRunning, v1alpha1.TransitionStop: v1alpha1.PhaseStopped,
}

// step looks at the build that the workspace is held to, prints what is new, and ends the waiting with the build.
func (p *progress) step(ctx context.Context, c *connection, w *v1alpha1.Workspace, want v1alpha1.Transition, why string) error {
	if w.Status.Build == nil {
		return errEnough // acted upon, and no build was needed
	}
	var b v1alpha1.WorkspaceBuild
	if err := c.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: string(w.Status.Build.Name)}, &b); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := p.log(&b); err != nil {
		return err
	}
	if !b.Phase().Ended() {
		if len(b.Status.Log) > 0 { // it tells the same, and more
			return nil
		}
		return p.condition(w)
	}
	switch {
	case b.Spec.Transition != want:
		return fail(why, "build %d, a %s by %s, came in between", b.Spec.Number, strings.ToLower(string(b.Spec.Transition)), b.Spec.Initiator.Name)
	case b.Phase() == v1alpha1.JobSucceeded && w.Status.Phase != phaseAfter[want]:
		return nil // a moment later the workspace says so too, for whoever looks at it next
	case b.Phase() == v1alpha1.JobSucceeded:
		return errEnough
	case b.Phase() == v1alpha1.JobCanceled:
		return fail(why, "build %d was canceled", b.Spec.Number)
	}
	message := "it failed"
	if b.Status.Job != nil && b.Status.Job.Error != "" {
		message = b.Status.Job.Error
	}
	return fail(why, "build %d: %s", b.Spec.Number, message)
}
