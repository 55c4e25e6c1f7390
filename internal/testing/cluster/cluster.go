// SPDX-License-Identifier: Apache-2.0

// Package cluster gives tests a real kube-apiserver and etcd with Berth's CRDs. It starts them once a test package
// (BeforeSuite, TestMain); specs keep apart by namespace. It runs no kubelet and no controller: what those do, a test
// does itself or runs on the one-node cluster.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// AssetsVariable names the environment variable that holds the folder of etcd and kube-apiserver; `make test` sets it.
const AssetsVariable = "KUBEBUILDER_ASSETS"

// startTimeout is how long the control plane may take to start, and to stop.
const startTimeout = 2 * time.Minute

// Cluster is a running control plane.
type Cluster struct {
	// Config reaches it as an administrator.
	Config *rest.Config
	// Client reads and writes it live, without a cache.
	Client client.WithWatch
	// Scheme knows the built-in kinds and Berth's.
	Scheme *k8sruntime.Scheme

	environment *envtest.Environment
}

// Start starts a control plane with Berth's CRDs. Each configure function may change the environment before it starts:
// flags of the kube-apiserver, further CRDs.
func Start(configure ...func(*envtest.Environment)) (*Cluster, error) {
	if os.Getenv(AssetsVariable) == "" {
		return nil, errors.New(AssetsVariable + " is not set; run the tests by `make test`, or set it to the output of " +
			"`go run -C hack/cluster . assets`")
	}
	s := k8sruntime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		return nil, err
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(Root(), "config", "crd")},
		ErrorIfCRDPathMissing: true,
		Scheme:                s,
		// envtest's own 20 s are too few where something else is being compiled
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: startTimeout,
	}
	// with its watch cache, a kube-apiserver answers a list after a write to any other kind only when etcd has told it how far
	// it is, up to 100 ms later; a test that drives Reconcile itself would spend most of its time on that
	environment.ControlPlane.GetAPIServer().Configure().Set("watch-cache", "false")
	for _, f := range configure {
		f(environment)
	}
	config, err := environment.Start()
	if err != nil {
		// what did start, as when a CRD is refused, would outlive the test
		return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), environment.Stop())
	}
	config.QPS, config.Burst = -1, -1 // the tests' own waiting is the limit
	c, err := client.NewWithWatch(config, client.Options{Scheme: s})
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	return &Cluster{Config: config, Client: c, Scheme: s, environment: environment}, nil
}

// Stop ends the control plane.
func (c *Cluster) Stop() error { return c.environment.Stop() }

// AddUser gives a client configuration for a Kubernetes identity, authenticated by certificate.
func (c *Cluster) AddUser(name string, groups ...string) (*rest.Config, error) {
	user, err := c.environment.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		return nil, err
	}
	return user.Config(), nil
}

// Organization makes an Organization of a new name with its home namespace, as the manager would leave them, and gives
// the name back.
func (c *Cluster) Organization(ctx context.Context, prefix string) (string, error) {
	org := &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}
	if err := c.Client.Create(ctx, org); err != nil {
		return "", err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   org.Name,
		Labels: map[string]string{v1alpha1.LabelOrganization: org.Name},
	}}
	return org.Name, c.Client.Create(ctx, namespace)
}

// Root is the top folder of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
