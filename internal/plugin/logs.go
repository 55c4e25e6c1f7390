// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// logging are the flags of logs.
type logging struct {
	follow, previous bool
	container        string
	build, tail      int64
}

func (s *session) logs() *cobra.Command {
	var o logging
	c := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the log of a workspace's last build, or of a container (-c)",
		Long: "Logs prints what the manager tells of a build: of the one that the workspace is held to, or of --build. With -c it\n" +
			"prints what a container of the workspace wrote. Control bytes are shown escaped, colours among them.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(workspaceNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			if o.container == "" && (o.previous || o.tail >= 0) {
				return misuse("kubectl berth logs --help", "--previous and --tail are about a container; name it with -c")
			}
			if o.container != "" && o.build != 0 {
				return misuse("kubectl berth logs --help", "give one of --container and --build")
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			w, err := c.workspace(ctx, args[0])
			if err != nil {
				return err
			}
			c.namespace = w.Namespace
			if o.container != "" {
				return s.containerLog(ctx, c, w, o)
			}
			return s.buildLog(ctx, c, w, o)
		}),
	}
	f := c.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, until the build or the container ends")
	f.BoolVarP(&o.previous, "previous", "p", false, "of a container that was started again: what the one before wrote")
	f.StringVarP(&o.container, "container", "c", "", "the container")
	f.Int64Var(&o.build, "build", 0, "the number of the build")
	f.Int64Var(&o.tail, "tail", -1, "how many lines of a container, from its end")
	return c
}

// buildLog prints the log of a build.
func (s *session) buildLog(ctx context.Context, c *connection, w *v1alpha1.Workspace, o logging) error {
	name := ledger.Name(w.Name, o.build)
	if o.build == 0 {
		if w.Status.Build == nil {
			return fail(fmt.Sprintf("kubectl berth why %s -n %s", w.Name, w.Namespace), "workspace %s has no build yet", w.Name)
		}
		name = string(w.Status.Build.Name)
	}
	toOut := *s
	toOut.ErrOut = s.Out // here the lines are the result
	p := &progress{s: &toOut}
	look := func() error {
		var b v1alpha1.WorkspaceBuild
		err := c.Get(ctx, c.key(name), &b)
		if apierrors.IsNotFound(err) {
			return fail("kubectl get bwb -n "+c.namespace, "there is no build %s any more", name)
		}
		if err != nil {
			return err
		}
		if err := p.log(&b); err != nil {
			return err
		}
		if b.Phase().Ended() || !o.follow {
			if p.line == 0 {
				_, err := fmt.Fprintf(s.ErrOut, "build %d has no log\n", b.Spec.Number)
				return errorOr(err, errEnough)
			}
			return errEnough
		}
		return nil
	}
	return c.follow(ctx, &v1alpha1.WorkspaceBuildList{}, name, look)
}

func errorOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// containerLog prints what a container wrote.
func (s *session) containerLog(ctx context.Context, c *connection, w *v1alpha1.Workspace, o logging) error {
	if w.Status.Pod == nil {
		return fail(fmt.Sprintf("kubectl berth start %s -n %s", w.Name, w.Namespace), "workspace %s has no pod", w.Name)
	}
	core, err := c.core()
	if err != nil {
		return err
	}
	options := &corev1.PodLogOptions{Container: o.container, Follow: o.follow, Previous: o.previous}
	if o.tail >= 0 {
		options.TailLines = &o.tail
	}
	stream, err := core.CoreV1().Pods(w.Namespace).GetLogs(w.Status.Pod.Name, options).Stream(ctx)
	if apierrors.IsBadRequest(err) {
		return fail(fmt.Sprintf("kubectl get pod %s -n %s -o jsonpath='{.spec.containers[*].name}'", w.Status.Pod.Name, w.Namespace), "%v", err)
	}
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = io.Copy(s.Out, stream)
	return client.IgnoreNotFound(err)
}
