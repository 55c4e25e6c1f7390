// SPDX-License-Identifier: Apache-2.0

package apiservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

const (
	group   = "codersdk.berth.dev"
	version = "v2"
	// Name is the APIService's, as Kubernetes wants it: version and group.
	Name = version + "." + group

	// priority is low: nothing of ours comes before another group.
	priority = 100
	// longest is how much of an answer to a probe is read.
	longest = 64 << 10
)

// errForeign is told when somebody else has made an APIService of our name.
var errForeign = errors.New("an APIService of this name was made by somebody else; it is left alone")

// apply writes the APIService where it differs from what it should be.
func (p *Publisher) apply(ctx context.Context, owner *rbacv1.ClusterRole) error {
	var is apiregistrationv1.APIService
	err := p.Client.Get(ctx, client.ObjectKey{Name: Name}, &is)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil {
		if is.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy {
			return errForeign
		}
		if is.DeletionTimestamp == nil && p.same(&is, owner) {
			return nil
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{
			"labels": map[string]any{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			"ownerReferences": []any{map[string]any{
				"apiVersion": rbacv1.SchemeGroupVersion.String(), "kind": "ClusterRole", "name": owner.Name,
				"uid": string(owner.UID), "blockOwnerDeletion": false,
			}},
		},
		"spec": map[string]any{
			"group": group, "version": version, "groupPriorityMinimum": int64(priority), "versionPriority": int64(priority),
			"caBundle": base64.StdEncoding.EncodeToString(p.bundle),
			"service":  map[string]any{"namespace": p.Namespace, "name": p.Service, "port": int64(p.Port)},
		},
	}}
	u.SetGroupVersionKind(apiregistrationv1.SchemeGroupVersion.WithKind("APIService"))
	u.SetName(Name)
	return p.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), phase.Owner, client.ForceOwnership)
}

// same tells whether the APIService is as it should be.
func (p *Publisher) same(is *apiregistrationv1.APIService, owner *rbacv1.ClusterRole) bool {
	s := is.Spec.Service
	return s != nil && s.Namespace == p.Namespace && s.Name == p.Service && ptr.Deref(s.Port, 443) == p.Port &&
		bytes.Equal(is.Spec.CABundle, p.bundle) && !is.Spec.InsecureSkipTLSVerify &&
		len(is.OwnerReferences) == 1 && is.OwnerReferences[0].UID == owner.UID
}

// withdraw removes the APIService, if it is there and ours.
func (p *Publisher) withdraw(ctx context.Context) error {
	var is apiregistrationv1.APIService
	err := p.Client.Get(ctx, client.ObjectKey{Name: Name}, &is)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case is.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy:
		return nil // not ours to take away
	}
	return client.IgnoreNotFound(p.Client.Delete(ctx, &is, client.Preconditions{UID: &is.UID}))
}

// ask is the probe: a request of its own connection through the Service, as the kube-apiserver would make it. Any answer
// that is not the server's own failure will do.
func (p *Publisher) ask(ctx context.Context, bundle []byte) error {
	host := fmt.Sprintf("%s.%s.svc", p.Service, p.Namespace)
	return Ask(ctx, fmt.Sprintf("https://%s:%d/api/v2/buildinfo", host, p.Port), host, bundle)
}

// Ask tells whether a server answers at the URL, with a certificate for the host that the bundle vouches for.
func Ask(ctx context.Context, url, host string, bundle []byte) (err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: host},
		DisableKeepAlives: true, // each probe may meet another replica
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request) // follows no redirect
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, longest)); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("GET %s: %s", request.URL.Path, response.Status)
	}
	return nil
}
