// SPDX-License-Identifier: Apache-2.0

// Package serving keeps the certificate that the API server's replicas serve with. They make it themselves and share it:
// a CA and a leaf in a Secret of Berth's namespace, so that no chart has to render a secret and nothing outside of Berth
// has to rotate one. The CA's bundle is published in a ConfigMap, for whoever has to trust the replicas.
//
// It does not serve, and does not decide who trusts the bundle: the manager puts it into the APIService.
package serving

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// SecretName is the Secret that the replicas share.
	SecretName = "berth-serving-cert"
	// ConfigMapName is the ConfigMap with the CA's bundle, under BundleKey.
	ConfigMapName = "berth-serving-ca"
	// BundleKey is the bundle's key in the ConfigMap.
	BundleKey = "ca.crt"

	fieldOwner = client.FieldOwner("berth-apiserver")
	// checkEvery is how often a replica looks whether the certificate was replaced or must be.
	checkEvery = time.Minute
)

// Keeper keeps one replica's certificate up to date. It may be used by many goroutines at once.
type Keeper struct {
	// Client reads and writes the Secret and the ConfigMap. It must not read from a cache, so that no decision follows
	// from an old state.
	Client client.Client
	// Namespace is Berth's own.
	Namespace string
	// Names are the DNS names that the leaf is for.
	Names []string
	// Now tells the time.
	Now func() time.Time
	// Failed is told when a check did not succeed; the certificate in use stays in use.
	Failed func(error)

	current atomic.Pointer[tls.Certificate]
}

// Names are the names under which a Service is reached within a cluster, and localhost.
func Names(service, namespace string) []string {
	full := service + "." + namespace
	return []string{full + ".svc", full, full + ".svc.cluster.local", service, "localhost"}
}

// GetCertificate gives the certificate of the moment; it is made for tls.Config.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.current.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("the serving certificate is not there yet")
}

// Run checks the certificate until the context ends. Call Check once before, so that there is one to begin with.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := k.Check(ctx); err != nil && ctx.Err() == nil {
				k.Failed(err)
			}
		}
	}
}

// Check loads the certificate that the replicas share, makes or replaces it where that is due, and publishes the bundle.
func (k *Keeper) Check(ctx context.Context) error {
	m, err := k.shared(ctx)
	if err != nil {
		return err
	}
	k.current.Store(&m.leaf)
	return k.publish(ctx, m)
}

// shared is the material in the Secret. Of two replicas that want to write it, one does, and the other takes that.
func (k *Keeper) shared(ctx context.Context) (*material, error) {
	const tries = 5
	for range tries {
		secret := &corev1.Secret{}
		err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: SecretName}, secret)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Secret %s: %w", SecretName, err)
		}
		there := err == nil
		old, err := decode(secret.Data)
		if err == nil && old.good(k.Names, k.Now()) {
			return old, nil
		}
		if err != nil {
			old = nil // absent or damaged: begin anew
		}
		next, err := old.renew(k.Names, k.Now())
		if err != nil {
			return nil, fmt.Errorf("making a certificate: %w", err)
		}
		err = k.write(ctx, secret, next, there)
		if err == nil {
			return next, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("writing Secret %s: %w", SecretName, err)
		}
	}
	return nil, fmt.Errorf("the Secret %s changed %d times while it was being written", SecretName, tries)
}

func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, m *material, there bool) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	secret.Data = data
	if there {
		return k.Client.Update(ctx, secret, fieldOwner) // at the version that was read
	}
	secret.ObjectMeta = k.meta(SecretName)
	secret.Type = corev1.SecretTypeTLS
	return k.Client.Create(ctx, secret, fieldOwner)
}

// publish writes the bundle where it is not what it should be.
func (k *Keeper) publish(ctx context.Context, m *material) error {
	want := map[string]string{BundleKey: string(encodeBundle(m.bundle))}
	published := &corev1.ConfigMap{}
	err := k.Client.Get(ctx, client.ObjectKey{Namespace: k.Namespace, Name: ConfigMapName}, published)
	switch {
	case apierrors.IsNotFound(err):
		err = k.Client.Create(ctx, &corev1.ConfigMap{ObjectMeta: k.meta(ConfigMapName), Data: want}, fieldOwner)
	case err == nil && !maps.Equal(published.Data, want):
		published.Data = want
		err = k.Client.Update(ctx, published, fieldOwner)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return nil // another replica publishes at this moment; the next check sees whether it is the same
	}
	if err != nil {
		return fmt.Errorf("publishing ConfigMap %s: %w", ConfigMapName, err)
	}
	return nil
}

func (k *Keeper) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: k.Namespace, Name: name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}}
}
