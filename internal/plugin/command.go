// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// session is what one run of the plug-in knows.
type session struct {
	genericiooptions.IOStreams
	flags *genericclioptions.ConfigFlags
	now   func() time.Time
}

// Run runs one command line and gives its exit code.
func Run(ctx context.Context, arguments []string, streams genericiooptions.IOStreams) int {
	out, errOut := &escaper{to: streams.Out}, &escaper{to: streams.ErrOut}
	streams.Out, streams.ErrOut = out, errOut
	s := &session{IOStreams: streams, flags: genericclioptions.NewConfigFlags(true), now: time.Now}
	root := s.root()
	root.SetArgs(arguments)
	ran, err := root.ExecuteContextC(ctx)
	code := s.report(ran, err)
	if err := errors.Join(out.Close(), errOut.Close()); err != nil && code == exitDone {
		return exitFailed
	}
	return code
}

// report tells the person how a command ended, and what they may type next.
func (s *session) report(ran *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	var f *failure
	if !errors.As(err, &f) { // cobra's own: it has not come to run anything
		f = &failure{exitMisuse, err.Error(), ran.CommandPath() + " --help"}
	}
	if f.text != "" {
		fmt.Fprintf(s.ErrOut, "error: %s\nnext: %s\n", strings.TrimSpace(f.text), f.next)
	}
	return f.code
}

// root is the command with all others below it.
func (s *session) root() *cobra.Command {
	c := &cobra.Command{
		Use:           "kubectl-berth",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl berth"},
		Short:         "Developer workspaces on Kubernetes",
		Long:          "Workspaces and their templates, from the command line. Exit codes: 0 done, 1 refused, failed or found something,\n2 wrong command line, 3 not done in time, 4 the cluster does not answer or does not let you.",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	c.SetIn(s.In)
	c.SetOut(s.Out)
	c.SetErr(s.ErrOut)
	s.flags.AddFlags(c.PersistentFlags())
	c.AddGroup(
		&cobra.Group{ID: "workspaces", Title: "Workspaces:"},
		&cobra.Group{ID: "templates", Title: "Templates:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, sub := range commands {
			sub.GroupID = group
			c.AddCommand(sub)
		}
	}
	add("workspaces", s.list(), s.create(), s.transition(v1alpha1.RequestStart), s.transition(v1alpha1.RequestStop),
		s.transition(v1alpha1.RequestRestart), s.delete(), s.trash(), s.undelete(), s.logs(), s.why())
	add("templates", s.template(), s.rollout())
	add("other", s.audit(), s.doctor(), s.version())
	c.SetHelpCommandGroupID("other")
	c.SetCompletionCommandGroupID("other")
	return c
}

// run makes a command's errors failures, whose next commands name the namespace that it was about.
func (s *session) run(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		err := do(c.Context(), args)
		if err == nil {
			return nil
		}
		namespace := ""
		if s.flags.Namespace != nil {
			namespace = *s.flags.Namespace
		}
		return explain(err, namespace, c.CommandPath()+" --help")
	}
}
