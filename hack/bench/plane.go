// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

const (
	// system is Berth's own namespace, account the manager's user there.
	system  = "berth-system"
	account = "system:serviceaccount:" + system + ":berth-manager"
	// organization has all that is measured; bare is the namespace of the bare pods.
	organization, bare = "bench", "bare"
	owner, template    = "bench", "bench"
)

// plane is a control plane with a manager and a player on it.
type plane struct {
	*cluster.Cluster
	dir     string
	audit   string
	player  *player
	manager *manager
	// workspaces is how many grow has made.
	workspaces int
	stop       context.CancelFunc
}

// auditPolicy has every write of anybody logged, and no read.
const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
"rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}]}`

func newPlane(ctx context.Context, rate float64) (*plane, error) {
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, err
	}
	p := &plane{dir: dir, audit: filepath.Join(dir, "audit.log"), stop: func() {}}
	policy := filepath.Join(dir, "policy.json")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.Cluster, err = cluster.Start(func(e *envtest.Environment) {
		e.ControlPlane.GetAPIServer().Configure().
			Set("watch-cache", "true"). // as clusters have it; the tests' control plane has none
			Set("audit-policy-file", policy).Set("audit-log-path", p.audit).
			Set("max-requests-inflight", "3000").Set("max-mutating-requests-inflight", "1000")
	})
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	running, stop := context.WithCancel(ctx)
	p.stop = stop
	if err := p.prepare(running, rate); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// prepare makes what the measurements need, and starts manager and player.
func (p *plane) prepare(ctx context.Context, rate float64) error {
	namespace := func(name string) client.Object { return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	if err := p.create(ctx, namespace(system), namespace(bare)); err != nil {
		return err
	}
	if err := p.install(ctx); err != nil {
		return err
	}
	config, err := p.AddUser(account)
	if err != nil {
		return err
	}
	if p.manager, err = startManager(ctx, p.dir, config); err != nil {
		return err
	}
	if p.player, err = startPlayer(ctx, p.Config, rate); err != nil {
		return err
	}
	return p.create(ctx,
		given.Organization(organization),
		given.User(owner, func(u *v1alpha1.User) { u.Spec.Memberships = []v1alpha1.Membership{{Organization: organization}} }),
		given.Template(organization, template, func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
			t.Spec.Lifecycle = &v1alpha1.Lifecycle{KeepDeletedFor: "0s"}
		}))
}

// install gives the manager the rights of the chart and the cluster the chart's policies.
func (p *plane) install(ctx context.Context) error {
	for _, pattern := range []string{"rbac/m*.yaml", "policies/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(cluster.Root(), "config", pattern))
		if err != nil || len(files) == 0 {
			return errors.Join(err, fmt.Errorf("config/%s: %d files", pattern, len(files)))
		}
		for _, f := range files {
			if err := p.apply(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	name := metav1.ObjectMeta{Name: "berth-manager", Namespace: system}
	who := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: system, Name: name.Name}}
	return p.create(ctx,
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name.Name}, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name}},
		&rbacv1.RoleBinding{ObjectMeta: name, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name.Name}})
}

func (p *plane) apply(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		u := &unstructured.Unstructured{}
		if err := documents.Decode(&u.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if u.GetKind() == "" {
			continue
		}
		if err := p.Client.Create(ctx, u); err != nil {
			return err
		}
	}
}

// create makes objects, in order. What needs a namespace that the manager makes waits for it.
func (p *plane) create(ctx context.Context, objects ...client.Object) error {
	for _, o := range objects {
		err := until(ctx, func() (bool, error) {
			err := p.Client.Create(ctx, o)
			return !missingNamespace(err), err
		})
		if err != nil {
			return fmt.Errorf("%T %s: %w", o, o.GetName(), err)
		}
	}
	return nil
}

// close ends everything that the plane has started.
func (p *plane) close() error {
	p.stop()
	var errs []error
	if p.manager != nil {
		errs = append(errs, p.manager.wait())
	}
	if p.player != nil {
		errs = append(errs, p.player.wait())
	}
	if p.Cluster != nil {
		errs = append(errs, p.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}
