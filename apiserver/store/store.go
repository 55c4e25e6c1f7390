// SPDX-License-Identifier: Apache-2.0

// Package store is the API server's only way to Kubernetes objects: it finds them in informer caches by indexes, joins
// what an answer shows together, and writes them. It owns read-your-writes (a client reads what it wrote), how an edit is
// sent (a merge patch of just the fields that were changed, with uid and resourceVersion), which objects are on the wire
// at all, and what an error of the Kubernetes API means to a person.
//
// It does not decide who may see or change something (internal/authz), what is right (the rules under internal), or what
// an object looks like on the wire (apiserver/view). It never acts on the cluster: pods and claims are the manager's.
//
// Objects that the store hands out are shared with the cache: read them, and change them through Change only.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/activity"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/index"
	kept "github.com/berth-dev/berth/internal/records"
)

// Owner is the field manager of everything that the API server writes.
const Owner = "berth-apiserver"

// patience is how long a read waits for the cache to see this process's own writes, and a create for what stands in its
// way and is going.
const patience = 10 * time.Second

// Options says what a store reads and writes.
type Options struct {
	// Config reaches the kube-apiserver.
	Config *rest.Config
	// Namespace is Berth's own, the only one whose Secrets are read.
	Namespace string
}

// Store reads from caches and writes to the kube-apiserver. It may be used by many goroutines at once, as soon as Start
// runs.
type Store struct {
	cache  cache.Cache
	client client.Client // reads from the cache, and waits there for what it wrote
	live   client.Client // goes past the cache: for what a write ran into, and for kinds that are not cached; never to answer a read

	times     *buildTimes
	records   *records
	namespace string // Berth's own

	hub *hub // tells streams of changes
}

// New makes a store that reads nothing before Start.
func New(ctx context.Context, o Options) (*Store, error) {
	types := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(types), v1alpha1.AddToScheme(types)); err != nil {
		return nil, err
	}
	organizations, err := labels.Parse(v1alpha1.LabelOrganization)
	if err != nil {
		return nil, err
	}
	byObject := map[client.Object]cache.ByObject{
		&corev1.Namespace{}: {Label: organizations},
		&corev1.Secret{}: {
			Namespaces: map[string]cache.Config{o.Namespace: {}},
			// Releases of Helm and batches of records are large and many; records have a reader of their own.
			Field: fields.AndSelectors(fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"), kept.Others()),
		},
	}
	records, err := labels.Parse(activity.Label)
	if err != nil {
		return nil, err
	}
	byObject[&corev1.ConfigMap{}] = cache.ByObject{Namespaces: map[string]cache.Config{o.Namespace: {LabelSelector: records}}}
	for _, kind := range kinds() {
		byObject[kind] = cache.ByObject{}
	}
	c, err := cache.New(o.Config, cache.Options{
		Scheme:                      types,
		ByObject:                    byObject,
		DefaultTransform:            trim,
		ReaderFailOnMissingInformer: true, // nothing else is read, and nothing by accident
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	if err := errors.Join(index.Register(ctx, c, index.All()...), credentials.IndexKeys(ctx, c)); err != nil {
		return nil, err
	}
	for kind := range byObject {
		if _, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("informer of %T: %w", kind, err)
		}
	}
	changes := newHub()
	for _, kind := range kinds() {
		informer, err := c.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(changes.handler())
		}
		if err != nil {
			return nil, fmt.Errorf("changes of %T: %w", kind, err)
		}
	}
	times := newBuildTimes()
	builds, err := c.GetInformer(ctx, &v1alpha1.WorkspaceBuild{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("informer of builds: %w", err)
	}
	if err := times.follow(builds); err != nil {
		return nil, fmt.Errorf("build times: %w", err)
	}
	writer, err := client.New(o.Config, client.Options{
		Scheme:     types,
		FieldOwner: Owner,
		Cache:      &client.CacheOptions{Reader: c, EnableReadYourWritesConsistency: ptr.To(true)},
	})
	if err != nil {
		return nil, err
	}
	live, err := client.New(o.Config, client.Options{Scheme: types, FieldOwner: Owner})
	if err != nil {
		return nil, err
	}
	s := &Store{cache: c, times: times, records: newRecords(), namespace: o.Namespace, hub: changes}
	s.client, s.live = &recorded{writer, s}, &recorded{live, s}
	return s, nil
}

// kinds are the kinds of ours that are cached.
func kinds() []client.Object {
	return []client.Object{
		&v1alpha1.Organization{}, &v1alpha1.User{}, &v1alpha1.Group{}, &v1alpha1.Template{}, &v1alpha1.TemplateVersion{},
		&v1alpha1.Workspace{}, &v1alpha1.WorkspaceBuild{}, &v1alpha1.DeletedWorkspace{}, &v1alpha1.DryRun{}, &v1alpha1.WarmWorkspace{},
	}
}

// Start runs the caches until the context ends.
func (s *Store) Start(ctx context.Context) error { return s.cache.Start(ctx) }

// Synced waits until the caches hold everything, and tells whether they do before the context ends.
func (s *Store) Synced(ctx context.Context) bool { return s.cache.WaitForCacheSync(ctx) }

// Client is the store's own client, for the services that keep objects of theirs in Berth's namespace: it reads from the
// cache, where it waits for what it wrote, and writes as the API server.
func (s *Store) Client() client.Client { return s.client }

// Live reads from the kube-apiserver and writes there without waiting for the cache. It is for kinds that are not cached,
// and for what must not be missed once, as at a first sign-in; not for answers.
func (s *Store) Live() client.Client { return s.live }
