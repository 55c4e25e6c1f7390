// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/diagnosis"
	"github.com/berth-dev/berth/internal/ledger"
)

// lastWords is how much of a container's log is read for its last line.
const lastWords = 4096

func (s *session) why() *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:   "why NAME | template/NAME",
		Short: "Tell why a workspace or a template is as it is, and what can be done",
		Long: "Why prints one word for how it stands, the steps that led there, each with its time, and where something is wrong\n" +
			"what puts it right. It reads what you may read: what is left out for lack of rights is said.",
		Example:           "  kubectl berth why api\n  kubectl berth why ada/api\n  kubectl berth why template/go-dev",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.complete(workspaceNames),
		RunE: s.run(func(ctx context.Context, args []string) error {
			if err := o.check("kubectl berth why --help"); err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			account, err := s.account(ctx, c, args[0])
			if err != nil {
				return err
			}
			if done, err := o.machine(s.Out, account); done {
				return err
			}
			_, err = io.WriteString(s.Out, account.Text(s.now()))
			return err
		}),
	}
	o.add(c)
	return c
}

func (s *session) account(ctx context.Context, c *connection, typed string) (diagnosis.Account, error) {
	if name, ok := strings.CutPrefix(typed, "template/"); ok {
		t, err := c.template(ctx, name)
		return diagnosis.Template(t), err
	}
	w, err := c.workspace(ctx, typed)
	if err != nil {
		return diagnosis.Account{}, err
	}
	c.namespace = w.Namespace
	found, err := s.gather(ctx, c, w)
	return diagnosis.Workspace(found), err
}

// gather reads what the story of a workspace is made of. What this person may not read, or is not there, is left out.
func (s *session) gather(ctx context.Context, c *connection, w *v1alpha1.Workspace) (diagnosis.Case, error) {
	d := diagnosis.Case{Now: s.now(), Workspace: w, LastWords: map[string]string{}}
	var refused error
	read := func(err error) bool {
		if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) && refused == nil {
			refused = err
		}
		return err == nil
	}
	home := w.Spec.TemplateRef.Home(c.home(ctx))
	var t v1alpha1.Template
	if read(c.Get(ctx, client.ObjectKey{Namespace: home, Name: string(w.Spec.TemplateRef.Name)}, &t)) {
		d.Template = &t
	}
	if builds, err := c.builds(ctx, w); read(err) {
		for _, b := range builds {
			d.Builds = append(d.Builds, *b)
			if ledger.IsAccepted(w, b) && b.Spec.VersionRef != nil {
				var v v1alpha1.TemplateVersion
				if read(c.Get(ctx, client.ObjectKey{Namespace: home, Name: string(b.Spec.VersionRef.Name)}, &v)) {
					d.Version = &v
				}
			}
		}
	}
	if w.Status.Pod != nil {
		var p corev1.Pod
		if read(c.Get(ctx, c.key(w.Status.Pod.Name), &p)) && p.UID == w.Status.Pod.UID {
			d.Pod = &p
		}
	}
	var claims corev1.PersistentVolumeClaimList
	if read(c.List(ctx, &claims, client.InNamespace(w.Namespace), client.MatchingLabels{v1alpha1.LabelID: ledger.ID(w)})) {
		d.Claims = claims.Items
	}
	if d.Pod != nil {
		var events corev1.EventList
		if read(c.List(ctx, &events, client.InNamespace(w.Namespace), client.MatchingFields{"involvedObject.uid": string(d.Pod.UID)})) {
			d.Events = events.Items
		}
		s.lastWords(ctx, c, &d)
	}
	if d.Pod != nil && d.Pod.Spec.NodeName == "" {
		var nodes corev1.NodeList
		if read(c.List(ctx, &nodes)) {
			d.Nodes = append([]corev1.Node{}, nodes.Items...)
		}
		var pods corev1.PodList
		if read(c.List(ctx, &pods, client.MatchingFields{"status.phase": string(corev1.PodRunning)})) {
			d.Neighbours = append([]corev1.Pod{}, pods.Items...)
		}
	}
	return d, refused
}

// lastWords reads what containers that end again and again wrote last.
func (s *session) lastWords(ctx context.Context, c *connection, d *diagnosis.Case) {
	core, err := c.core()
	if err != nil {
		return
	}
	one, bytes := int64(1), int64(lastWords)
	for _, status := range d.Pod.Status.ContainerStatuses {
		if status.LastTerminationState.Terminated == nil || status.Ready {
			continue
		}
		// a log that is gone, or may not be read, leaves the story as it is
		text, err := core.CoreV1().Pods(d.Pod.Namespace).GetLogs(d.Pod.Name, &corev1.PodLogOptions{
			Container: status.Name, Previous: true, TailLines: &one, LimitBytes: &bytes,
		}).DoRaw(ctx)
		if err == nil {
			d.LastWords[status.Name] = string(text)
		}
	}
}
