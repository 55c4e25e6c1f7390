// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
)

func (s *session) create() *cobra.Command {
	var o waiting
	var template, version, user, preset string
	var typed []string
	c := &cobra.Command{
		Use:     "create NAME --template TEMPLATE",
		Short:   "Make a workspace and start it",
		Example: "  kubectl berth create api --template go-dev --parameter cpu=4",
		Args:    cobra.ExactArgs(1),
		RunE: s.run(func(ctx context.Context, args []string) error {
			if template == "" {
				return misuse("kubectl get btpl", "--template: name the template")
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			if user == "" {
				me, err := c.me(ctx)
				if err != nil {
					return fail("kubectl berth create "+args[0]+" --template "+template+" --owner USER", "whose workspace it is could not be found out: %v", err)
				}
				user = me.Name
			}
			w := &v1alpha1.Workspace{
				ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: args[0]},
				Spec: v1alpha1.WorkspaceSpec{
					Owner:       v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(user)},
					TemplateRef: templateRef(template),
				},
			}
			if version != "" {
				w.Spec.VersionRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(version)}
			}
			content, err := c.contentOf(ctx, w.Spec.TemplateRef, version)
			switch {
			case err == nil:
				if w.Spec.Parameters, err = chooseWith(preset, typed, content); err != nil {
					return err
				}
			case !apierrors.IsForbidden(err) || len(typed) > 0 || preset != "":
				return err
			}
			if err := c.Create(ctx, w, owner); err != nil {
				return err
			}
			done := "created"
			if o.wait {
				if err := s.await(ctx, c, w, o.timeout, "", v1alpha1.TransitionStart); err != nil {
					return err
				}
				done = "created and started"
			}
			_, err = fmt.Fprintf(s.Out, "workspace.berth.dev/%s %s\n", w.Name, done)
			return err
		}),
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&template, "template", "", "the template, by its metadata.name; ORGANIZATION/NAME is one that another organization has opened to yours")
	f.StringVar(&version, "version", "", "hold it to a TemplateVersion; absent means the template's active one")
	f.StringVar(&user, "owner", "", "whose workspace it is, a User's metadata.name; absent means yours")
	f.StringVar(&preset, "preset", "", "the template's preset of this name, for each parameter that --parameter does not give")
	f.StringArrayVar(&typed, "parameter", nil, "value of a parameter, `NAME=VALUE`; may be given several times")
	_ = c.RegisterFlagCompletionFunc("template", s.complete(templateNames))
	return c
}

// templateRef is a template as it is typed: one of the own organization by its name, another's as ORGANIZATION/NAME.
func templateRef(typed string) v1alpha1.TemplateReference {
	organization, name, ok := strings.Cut(typed, "/")
	if !ok {
		return v1alpha1.TemplateReference{Name: v1alpha1.ObjectName(typed)}
	}
	return v1alpha1.TemplateReference{Name: v1alpha1.ObjectName(name), Organization: v1alpha1.ObjectName(organization)}
}

// contentOf reads what a version of a template offers: the named one, or the active one.
func (c *connection) contentOf(ctx context.Context, ref v1alpha1.TemplateReference, version string) (*v1alpha1.TemplateContent, error) {
	home, template := ref.Home(c.home(ctx)), string(ref.Name)
	var t v1alpha1.Template
	err := c.Get(ctx, client.ObjectKey{Namespace: home, Name: template}, &t)
	if apierrors.IsNotFound(err) {
		return nil, c.noTemplate(ctx, home, template)
	}
	if err != nil {
		return nil, err
	}
	if version == "" || version == "active" {
		if t.Status.ActiveVersion == nil {
			return nil, fail(fmt.Sprintf("kubectl berth why template/%s -n %s", template, home), "template %s has no version that could be started", template)
		}
		version = string(t.Status.ActiveVersion.Name)
	}
	var v v1alpha1.TemplateVersion
	err = c.Get(ctx, client.ObjectKey{Namespace: home, Name: version}, &v)
	if apierrors.IsNotFound(err) {
		return nil, fail("kubectl get btv -n "+home, "there is no version %q of template %s", version, template)
	}
	return &v.Spec.Content, err
}

// noTemplate suggests the template that was meant.
func (c *connection) noTemplate(ctx context.Context, home, name string) error {
	var all v1alpha1.TemplateList
	var names []string
	if c.List(ctx, &all, client.InNamespace(home)) == nil { // a suggestion is worth no second error
		for _, t := range all.Items {
			names = append(names, t.Name)
		}
	}
	hint := ""
	if near := fault.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fail("kubectl get btpl -n "+home, "there is no template %q in %s%s", name, home, hint)
}

// createHelp shows how create is used.
const createHelp = "kubectl berth create --help"

// chooseWith is what was typed for parameters, above a preset's values where one is named.
func chooseWith(preset string, typed []string, content *v1alpha1.TemplateContent) (map[string]v1alpha1.Value, error) {
	if preset == "" {
		return choose(createHelp, typed, content, nil, nil)
	}
	var names []string
	for _, p := range content.Presets {
		if p.Name == preset {
			values, err := choose(createHelp, typed, content, p.Parameters, nil)
			if err != nil {
				return nil, err
			}
			all := maps.Clone(p.Parameters)
			maps.Copy(all, values)
			return all, nil
		}
		names = append(names, p.Name)
	}
	hint := "it has none"
	if len(names) > 0 {
		hint = "it has " + strings.Join(names, ", ")
	}
	return nil, misuse(createHelp, "--preset: the template has no preset %q; %s", preset, hint)
}

// choose reads what was typed for parameters, and refuses what the content does not allow beside the values that are given
// already. started are the values of the workspace's last start, of which some never change; help shows how the command is used.
func choose(help string, typed []string, content *v1alpha1.TemplateContent, already, started map[string]v1alpha1.Value) (map[string]v1alpha1.Value, error) {
	values := map[string]v1alpha1.Value{}
	for _, text := range typed {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, misuse(help, "--parameter: %q is not of the form NAME=VALUE", text)
		}
		read := v1alpha1.ValueOf(value)
		for _, p := range content.Parameters {
			if p.Name != name {
				continue
			}
			var refusal *fault.Error
			if read, refusal = parameters.FromWire(p, value); refusal != nil {
				return nil, refusal
			}
		}
		values[name] = read
	}
	all := map[string]v1alpha1.Value{}
	maps.Copy(all, already)
	maps.Copy(all, values)
	if _, refusal := parameters.Resolve(content.Parameters, all, started, func(name string) string { return "--parameter " + name }); refusal != nil {
		return nil, refusal
	}
	return values, nil
}
