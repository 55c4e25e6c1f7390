// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/gitops"
)

func (s *session) rollout() *cobra.Command {
	c := &cobra.Command{
		Use:   "rollout",
		Short: "See, pause, resume, undo, promote or hold the version of a template",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var version, at string
	var lasts time.Duration
	promote := s.steer("promote TEMPLATE", "Make a version the active one for everybody, now",
		"Promote pins the template to a version: to --version, else to the one that is being rolled out, else to that of the\npresent content. A later content waits until it is promoted, or until rollout resume.",
		func(ctx context.Context, c *connection, t *v1alpha1.Template) (map[string]any, string, error) {
			to, err := c.promoted(ctx, t, version)
			return map[string]any{"rollout": map[string]any{"pin": to}}, "promoted to " + to, err
		})
	promote.Flags().StringVar(&version, "version", "", "the TemplateVersion")
	undo := s.steer("undo TEMPLATE", "Go back to the version before",
		"Undo pins the template to --version, else to the active version while another is being rolled out, else to the newest\ngood version before the active one.",
		func(ctx context.Context, c *connection, t *v1alpha1.Template) (map[string]any, string, error) {
			to, err := c.before(ctx, t, at)
			return map[string]any{"rollout": map[string]any{"pin": to}}, "went back to " + to, err
		})
	undo.Flags().StringVar(&at, "version", "", "the TemplateVersion")
	var held string
	hold := s.steer("hold TEMPLATE --for DURATION", "Keep a template at a version for a while, whatever its rollout says",
		"Hold writes spec.hold, which no GitOps tool takes back unless it declares the field, and which ends by itself.\nRollout resume ends it early.",
		func(ctx context.Context, c *connection, t *v1alpha1.Template) (map[string]any, string, error) {
			if lasts <= 0 {
				return nil, "", misuse("kubectl berth rollout hold --help", "--for: say how long, such as 24h")
			}
			to := held
			if to == "" && t.Status.ActiveVersion != nil {
				to = string(t.Status.ActiveVersion.Name)
			}
			if err := c.isVersion(ctx, t, to); err != nil {
				return nil, "", err
			}
			until := s.now().Add(lasts).UTC().Truncate(time.Second).Format(time.RFC3339)
			hold := map[string]any{"version": to, "until": until}
			var review authenticationv1.SelfSubjectReview
			if c.Create(ctx, &review) == nil { // by whom is a help for those who find it, and no more
				hold["by"] = review.Status.UserInfo.Username
			}
			return map[string]any{"hold": hold}, fmt.Sprintf("held at %s until %s", to, until), nil
		})
	hold.Flags().StringVar(&held, "version", "", "the TemplateVersion; absent means the active one")
	hold.Flags().DurationVar(&lasts, "for", 0, "how long")
	c.AddCommand(s.rolloutStatus(), promote, undo, hold,
		s.steer("pause TEMPLATE", "Stop a rollout where it is", "Pause keeps every workspace on the version that it would get now, until rollout resume.",
			func(context.Context, *connection, *v1alpha1.Template) (map[string]any, string, error) {
				return map[string]any{"rollout": map[string]any{"paused": true}}, "paused", nil
			}),
		s.steer("resume TEMPLATE", "Let a template follow its content again", "Resume takes away pause, pin and hold.",
			func(_ context.Context, _ *connection, t *v1alpha1.Template) (map[string]any, string, error) {
				change := map[string]any{"hold": nil}
				if t.Spec.Rollout != nil {
					change["rollout"] = map[string]any{"paused": nil, "pin": nil}
				}
				return change, "resumed", nil
			}))
	return c
}

// steer is a command that changes a template's spec: to what decide says, done in words.
func (s *session) steer(use, short, long string,
	decide func(context.Context, *connection, *v1alpha1.Template) (spec map[string]any, done string, err error)) *cobra.Command {
	var o waiting
	command := &cobra.Command{
		Use: use, Short: short, Long: long,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(templateNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			c, err := s.connect()
			if err != nil {
				return err
			}
			t, err := c.template(ctx, args[0])
			if err != nil {
				return err
			}
			spec, done, err := decide(ctx, c, t)
			if err != nil {
				return err
			}
			text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": t.UID}, "spec": spec})
			if err != nil {
				return err
			}
			if err := c.Patch(ctx, t, client.RawPatch(types.MergePatchType, text), owner); err != nil {
				return err
			}
			if tool := gitops.Tool(t); tool != "" && spec["hold"] == nil {
				if _, err := fmt.Fprintf(s.ErrOut, "%s holds this template: where git declares spec.rollout, it puts that back. A hold stays: kubectl berth rollout hold %s -n %s --for 24h\n",
					tool, t.Name, t.Namespace); err != nil {
					return err
				}
			}
			if o.wait {
				if err := c.seen(ctx, t, o.timeout); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(s.Out, "template.berth.dev/%s %s\n", t.Name, done)
			return err
		}),
	}
	o.add(command)
	return command
}

// seen waits until the manager has acted upon the template as it is now, so that what is started next goes by it.
func (c *connection) seen(ctx context.Context, t *v1alpha1.Template, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	in := *c
	in.namespace = t.Namespace
	changed := t.Generation
	err := in.follow(ctx, &v1alpha1.TemplateList{}, t.Name, func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(t), t); err != nil {
			return err
		}
		if t.Status.ObservedGeneration >= changed {
			return errEnough
		}
		return nil
	})
	if ctx.Err() == context.DeadlineExceeded {
		return &failure{exitWaiting, fmt.Sprintf("it is written, and the manager has not acted upon it after %s", timeout), "kubectl berth doctor"}
	}
	return err
}

// template reads a template of the organization.
func (c *connection) template(ctx context.Context, name string) (*v1alpha1.Template, error) {
	home := c.home(ctx)
	var t v1alpha1.Template
	err := c.Get(ctx, client.ObjectKey{Namespace: home, Name: name}, &t)
	if apierrors.IsNotFound(err) {
		err = c.noTemplate(ctx, home, name)
	}
	return &t, err
}

// isVersion refuses what is no version of the template.
func (c *connection) isVersion(ctx context.Context, t *v1alpha1.Template, name string) error {
	next := fmt.Sprintf("kubectl get btv -n %s --field-selector spec.templateRef.name=%s", t.Namespace, t.Name)
	if name == "" {
		return fail(next, "template %s has no such version yet", t.Name)
	}
	var v v1alpha1.TemplateVersion
	err := c.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: name}, &v)
	if apierrors.IsNotFound(err) || err == nil && (v.Spec.TemplateRef == nil || string(v.Spec.TemplateRef.Name) != t.Name) {
		return fail(next, "template %s has no version %q", t.Name, name)
	}
	return err
}

// promoted is the version that promote means.
func (c *connection) promoted(ctx context.Context, t *v1alpha1.Template, asked string) (string, error) {
	if asked == "" {
		if err := c.checked(ctx, t); err != nil {
			return "", err
		}
	}
	switch {
	case asked != "":
	case t.Status.Candidate != nil:
		asked = string(t.Status.Candidate.Name)
	case t.Status.LatestVersion != nil:
		asked = string(t.Status.LatestVersion.Name)
	}
	return asked, c.isVersion(ctx, t, asked)
}

// checking is how long the check of a version is waited for.
const checking = time.Minute

// checked waits until the manager has found out whether the present content is right, and refuses what is not.
func (c *connection) checked(ctx context.Context, t *v1alpha1.Template) error {
	ctx, cancel := context.WithTimeout(ctx, checking)
	defer cancel()
	in := *c
	in.namespace = t.Namespace
	return in.follow(ctx, &v1alpha1.TemplateList{}, t.Name, func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(t), t); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || t.Status.ObservedGeneration != t.Generation || ready.Reason == v1alpha1.ReasonVersionChecking {
			return nil
		}
		if ready.Reason == v1alpha1.ReasonVersionInvalid {
			return fail(fmt.Sprintf("kubectl berth why template/%s -n %s", t.Name, t.Namespace), "the present content is wrong: %s", ready.Message)
		}
		return errEnough
	})
}

// before is the version that undo means.
func (c *connection) before(ctx context.Context, t *v1alpha1.Template, asked string) (string, error) {
	active := t.Status.ActiveVersion
	if asked != "" || active == nil {
		return asked, c.isVersion(ctx, t, asked)
	}
	if t.Status.Candidate != nil {
		return string(active.Name), nil
	}
	var versions v1alpha1.TemplateVersionList
	if err := c.List(ctx, &versions, client.InNamespace(t.Namespace), client.MatchingFields{"spec.templateRef.name": t.Name}); err != nil {
		return "", err
	}
	older := versions.Items
	i := slices.IndexFunc(older, func(v v1alpha1.TemplateVersion) bool { return v.UID == active.UID })
	if i < 0 {
		return "", fail(fmt.Sprintf("kubectl get btv -n %s", t.Namespace), "the active version %s is gone", active.Name)
	}
	made := v1alpha1.CreatedAt(&older[i])
	older = slices.DeleteFunc(older, func(v v1alpha1.TemplateVersion) bool {
		return v.UID == active.UID || v.Spec.Archived || v1alpha1.CreatedAt(&v).After(made) ||
			!meta.IsStatusConditionTrue(v.Status.Conditions, v1alpha1.ConditionReady)
	})
	if len(older) == 0 {
		return "", fail(fmt.Sprintf("kubectl get btv -n %s --field-selector spec.templateRef.name=%s", t.Namespace, t.Name),
			"there is no good version of template %s before %s", t.Name, active.Name)
	}
	newest := slices.MaxFunc(older, func(a, b v1alpha1.TemplateVersion) int {
		return v1alpha1.CreatedAt(&a).Compare(v1alpha1.CreatedAt(&b))
	})
	return newest.Name, nil
}
