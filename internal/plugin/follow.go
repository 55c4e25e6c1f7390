// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// relook is how often an object is looked at even if no watch tells of a change: a watch may be refused or end unseen.
const relook = time.Second

// errEnough ends a follow that has seen what it waited for.
var errEnough = errors.New("enough")

// follow calls look at once, after each change of the named object of list's kind, and every second, until look says
// that it is enough.
func (c *connection) follow(ctx context.Context, list client.ObjectList, name string, look func() error) error {
	tick := time.NewTicker(relook)
	defer tick.Stop()
	changes, stop := c.watch(ctx, list, name)
	defer func() { stop() }()
	for {
		switch err := look(); {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case _, open := <-changes:
			if !open { // the server ends every watch some day
				stop()
				changes, stop = nil, func() {}
			}
		}
		if changes == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
				changes, stop = c.watch(ctx, list, name)
			}
		}
	}
}

// watch tells of changes of one object; it gives no channel where this person may not watch.
func (c *connection) watch(ctx context.Context, list client.ObjectList, name string) (<-chan watch.Event, func()) {
	w, err := c.Watch(ctx, list, client.InNamespace(c.namespace), client.MatchingFields{metav1.ObjectNameField: name})
	if err != nil {
		return nil, func() {}
	}
	return w.ResultChan(), w.Stop
}

// progress prints what happens while somebody waits: the lines of builds' logs and what the workspace says of itself,
// each once.
type progress struct {
	s     *session
	build string
	line  int64
	said  string
}

// build prints the lines that came since the last time.
func (p *progress) log(b *v1alpha1.WorkspaceBuild) error {
	if p.build != b.Name {
		p.build, p.line = b.Name, 0
	}
	for _, line := range b.Status.Log {
		if line.ID <= p.line {
			continue
		}
		p.line = line.ID
		if _, err := fmt.Fprintln(p.s.ErrOut, plain(line)); err != nil {
			return err
		}
	}
	return nil
}

// condition prints why a workspace is not ready, when that is another reason than before.
func (p *progress) condition(w *v1alpha1.Workspace) error {
	ready := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || w.Status.ObservedGeneration != w.Generation || ready.Status == metav1.ConditionTrue {
		return nil
	}
	text := fmt.Sprintf("%s: %s", ready.Reason, single(ready.Message))
	if text == p.said {
		return nil
	}
	p.said = text
	_, err := fmt.Fprintln(p.s.ErrOut, text)
	return err
}

// plain is a line of a log as it is printed: the time, the heading, and what is said.
func plain(line v1alpha1.LogLine) string {
	at := line.At
	if t, err := time.Parse(time.RFC3339Nano, line.At); err == nil {
		at = t.Local().Format(time.TimeOnly)
	}
	level := ""
	if line.Level == v1alpha1.LogWarn || line.Level == v1alpha1.LogError {
		level = line.Level + ": "
	}
	return fmt.Sprintf("%s  %-16s  %s%s", at, single(line.Stage), level, single(line.Output))
}
