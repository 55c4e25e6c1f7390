// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

func (s *session) rolloutStatus() *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:               "status TEMPLATE",
		Short:             "Show where the rollout of a template stands",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(templateNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			if err := o.check("kubectl berth rollout status --help"); err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			t, err := c.template(ctx, args[0])
			if err != nil {
				return err
			}
			if done, err := o.machine(s.Out, map[string]any{"name": t.Name, "namespace": t.Namespace, "rollout": t.Spec.Rollout, "hold": t.Spec.Hold, "status": t.Status}); done {
				return err
			}
			for _, line := range stands(t, s.now()) {
				if _, err := fmt.Fprintln(s.Out, single(line)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	o.add(c)
	return c
}

// stands says in words where a rollout stands.
func stands(t *v1alpha1.Template, now time.Time) []string {
	var lines []string
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	say("template %s/%s: %s", t.Namespace, t.Name, orDash(t.Status.Rollout))
	if v := t.Status.ActiveVersion; v != nil {
		say("active: %s, %d of %d workspaces are on it", v.Name, t.Status.UpToDate, t.Status.Workspaces)
	} else {
		say("active: none; nothing can start")
	}
	if v := t.Status.Candidate; v != nil {
		steps := 0
		if t.Spec.Rollout != nil {
			steps = len(t.Spec.Rollout.Steps)
		}
		say("coming: %s, step %d of %d since %s; starts in this step: %d succeeded, %d failed since the rollout began",
			v.Name, v.Step+1, steps, v.Since.UTC().Format(time.RFC3339), v.Succeeded, v.Failed)
	}
	if v := t.Status.Rejected; v != nil {
		say("taken back: %s at %s: %s", v.Name, v.At.UTC().Format(time.RFC3339), v.Why)
	}
	if r := t.Spec.Rollout; r != nil && r.Paused {
		say("paused: until kubectl berth rollout resume %s -n %s", t.Name, t.Namespace)
	}
	if r := t.Spec.Rollout; r != nil && r.Pin != "" {
		say("pinned: to %s, until kubectl berth rollout resume %s -n %s", r.Pin, t.Name, t.Namespace)
	}
	if h := t.Spec.Hold; h != nil {
		if until, err := time.Parse(time.RFC3339, h.Until); err == nil && until.After(now) {
			say("held: at %s until %s, by %s", h.Version, h.Until, orDash(h.By))
		}
	}
	if ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Status != metav1.ConditionTrue {
		say("%s: %s", ready.Reason, ready.Message)
	}
	return lines
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
