// SPDX-License-Identifier: Apache-2.0

// Package controllers makes the manager: which kinds are reconciled, what of the cluster is cached for them, and how one
// replica leads. What is done about a kind is its own package's.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
)

// Options are what a manager is started with.
type Options struct {
	// Namespace is Berth's own: claims of names and the leader's Lease are there.
	Namespace string
	// ServiceAccount is the manager's own, in that namespace. It is what organizations' namespaces let look at Secrets.
	ServiceAccount string
	// APIServerAccount is the API server's service account in that namespace. It is what organizations' namespaces let
	// store the values of variables; empty lets nobody.
	APIServerAccount string
	// AgentImage is the image that brings the agent into workspaces.
	AgentImage string
	// StartsAtOnce is how many starts of workspaces may be at work at once; 0 sets no bound.
	StartsAtOnce int
	// Brief is for how long a start that goes its way is left untold, since what follows tells it along; absent means a
	// second.
	Brief time.Duration
	// Worker is the name of this replica; absent means the host's name, which is the pod's.
	Worker string
	// KubectlAccess gives people, by RoleBindings in the namespaces of their organizations, what they may do on the wire. It
	// goes by the admission policies, which must be installed.
	KubectlAccess bool
	// RequesterStamps tells that the cluster writes down on each object who asked for its spec, and keeps that from being
	// forged; builds name the person by it.
	RequesterStamps bool
	// LeaderElect has one of several replicas act.
	LeaderElect bool
	// MetricsAddress and HealthAddress are where metrics and probes are served; "0" serves none.
	MetricsAddress, HealthAddress string
	// Aggregation keeps the APIService of the aggregated door.
	Aggregation bool
	// Service and ServicePort are the API server's Service and its HTTPS port.
	Service     string
	ServicePort int32
	// ClusterRole is the chart's role that owns the APIService; Deployment is the manager's own.
	ClusterRole, Deployment string
}

// concurrency is how many objects of a kind are worked on at once.
const concurrency = 16

// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=berth-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=events,verbs=create;patch

// New makes a manager with all controllers. It is not started.
func New(ctx context.Context, cluster *rest.Config, o Options) (ctrl.Manager, error) {
	if o.Namespace == "" || o.ServiceAccount == "" || o.AgentImage == "" {
		return nil, errors.New("each of Berth's own namespace, the manager's service account and the agent's image must be given")
	}
	if o.Worker == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("the name of this replica: %w", err)
		}
		o.Worker = host
	}
	s := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(s), v1alpha1.AddToScheme(s), apiregistrationv1.AddToScheme(s)); err != nil {
		return nil, err
	}
	kept, err := cached(o.Namespace)
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme:                        s,
		Cache:                         kept,
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Controller:                    config.Controller{MaxConcurrentReconciles: concurrency},
		Metrics:                       server.Options{BindAddress: o.MetricsAddress},
		HealthProbeBindAddress:        o.HealthAddress,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              "berth-manager",
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true, // the process ends when the manager does
	})
	if err != nil {
		return nil, err
	}
	return mgr, errors.Join(
		Setup(ctx, mgr, o),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("ping", healthz.Ping),
	)
}

// Run makes a manager and runs it until the context ends.
func Run(ctx context.Context, cluster *rest.Config, o Options) error {
	mgr, err := New(ctx, cluster, o)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// cached is what of the cluster is kept in memory: our own kinds, and of others only what is ours, by label. No Secret.
func cached(own string) (cache.Options, error) {
	ours := labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy})
	member, err := labels.NewRequirement(v1alpha1.LabelOrganization, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, err
	}
	claim, err := labels.NewRequirement(claims.LabelKind, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, err
	}
	s := newShared()
	return cache.Options{
		DefaultTransform: s.trim,
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                   {Label: ours, Transform: s.trimPod},
			&corev1.PersistentVolumeClaim{}: {Label: ours, Transform: s.trimClaim},
			&corev1.ServiceAccount{}:        {Label: ours},
			&rbacv1.Role{}:                  {Label: ours},
			&rbacv1.RoleBinding{}:           {Label: ours},
			&corev1.Namespace{}:             {Label: labels.NewSelector().Add(*member)},
			&coordinationv1.Lease{}: {Namespaces: map[string]cache.Config{
				own: {LabelSelector: labels.NewSelector().Add(*claim)},
			}},
		},
	}, nil
}

// uncached is a client that reads from no cache.
func uncached(mgr ctrl.Manager) (client.Client, error) {
	return client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
}
