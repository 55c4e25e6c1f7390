// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Source gives the body of a GET of the Kubernetes API, which for a watch does
// not end by itself.
type Source func(ctx context.Context, path string) (io.ReadCloser, error)

// Run keeps the node's rules as the cluster's objects want them, until ctx ends.
// It must run inside the node's network namespace.
func Run(ctx context.Context, from Source, log *slog.Logger) error {
	changed := make(chan struct{}, 1)
	pods := &mirror[Pod]{path: "/api/v1/pods", from: from, changed: changed, log: log}
	namespaces := &mirror[Namespace]{path: "/api/v1/namespaces", from: from, changed: changed, log: log}
	policies := &mirror[NetworkPolicy]{path: "/apis/networking.k8s.io/v1/networkpolicies", from: from, changed: changed, log: log}
	var mirrors sync.WaitGroup
	defer mirrors.Wait()
	mirrors.Go(func() { pods.run(ctx) })
	mirrors.Go(func() { namespaces.run(ctx) })
	mirrors.Go(func() { policies.run(ctx) })

	var applied string
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		var state State
		var complete [3]bool
		state.Pods, complete[0] = pods.objects()
		state.Namespaces, complete[1] = namespaces.objects()
		state.Policies, complete[2] = policies.objects()
		rules := state.Rules()
		// Half a picture would open what is closed.
		if complete != [3]bool{true, true, true} || rules == applied {
			continue
		}
		if err := apply(ctx, rules); err != nil {
			log.Error("rules", "error", err, "script", rules)
			continue
		}
		applied = rules
	}
}

func apply(ctx context.Context, rules string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

type identified interface{ meta() Meta }

// mirror holds all objects of one kind, by list and watch.
type mirror[T identified] struct {
	path    string
	from    Source
	changed chan<- struct{}
	log     *slog.Logger

	mu       sync.Mutex
	complete bool
	byUID    map[string]T
}

func (m *mirror[T]) objects() (all []T, complete bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, object := range m.byUID {
		all = append(all, object)
	}
	return all, m.complete
}

// run lists and watches, and begins anew when a watch ends, until ctx does.
func (m *mirror[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		version, err := m.list(ctx)
		if err == nil {
			err = m.watch(ctx, version)
		}
		if err != nil && ctx.Err() == nil {
			m.log.Warn("watching", "path", m.path, "error", err)
		}
		// The API server may be restarting: no tight loop.
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func (m *mirror[T]) list(ctx context.Context) (version string, err error) {
	body, err := m.from(ctx, m.path)
	if err != nil {
		return "", err
	}
	defer body.Close() //nolint:errcheck // read as far as needed
	var list struct {
		Metadata Meta `json:"metadata"`
		Items    []T  `json:"items"`
	}
	if err := json.NewDecoder(body).Decode(&list); err != nil {
		return "", err
	}
	m.mu.Lock()
	m.complete, m.byUID = true, make(map[string]T, len(list.Items))
	for _, object := range list.Items {
		m.byUID[object.meta().UID] = object
	}
	m.mu.Unlock()
	m.notify()
	return list.Metadata.ResourceVersion, nil
}

func (m *mirror[T]) watch(ctx context.Context, version string) error {
	body, err := m.from(ctx, m.path+"?watch=1&resourceVersion="+version)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // ends the watch
	events := json.NewDecoder(body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("the watch ended: %s", event.Object)
		}
		var object T
		if err := json.Unmarshal(event.Object, &object); err != nil {
			return err
		}
		m.mu.Lock()
		if event.Type == "DELETED" {
			delete(m.byUID, object.meta().UID)
		} else {
			m.byUID[object.meta().UID] = object
		}
		m.mu.Unlock()
		m.notify()
	}
}

// notify never blocks: one pending change stands for all.
func (m *mirror[T]) notify() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}
