// SPDX-License-Identifier: Apache-2.0

package authn

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
)

// The ConfigMap in which every kube-apiserver says whom aggregated servers may believe.
const (
	authenticationConfig = "extension-apiserver-authentication"
	clientCAKey          = "requestheader-client-ca-file"
	// nobodysName stands for an empty list of allowed names, which the library would read as "any". No certificate has it.
	nobodysName = "\x00no name is allowed"
)

// FrontProxy knows callers by the identity headers that the kube-apiserver sets. They count only on a connection whose
// client certificate comes from the front-proxy CA and has an allowed name; both are read live from the cluster. While
// they are unknown, or where the cluster allows no name, nobody is let in.
type FrontProxy struct {
	// People are the accounts.
	People People
	// Noter is told who was there; it may be nil.
	Noter Noter

	ca      *dynamiccertificates.ConfigMapCAController
	headers *headerrequest.RequestHeaderAuthRequestController
	verify  authenticator.Request
}

// NewFrontProxy watches the cluster's word on its front proxies once Run runs.
func NewFrontProxy(client kubernetes.Interface, people People, noter Noter) (*FrontProxy, error) {
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("front-proxy", metav1.NamespaceSystem, authenticationConfig, clientCAKey, client)
	if err != nil {
		return nil, err
	}
	headers := headerrequest.NewRequestHeaderAuthRequestController(authenticationConfig, metav1.NamespaceSystem, client,
		"requestheader-username-headers", "requestheader-uid-headers", "requestheader-group-headers",
		"requestheader-extra-headers-prefix", "requestheader-allowed-names")
	f := &FrontProxy{People: people, Noter: noter, ca: ca, headers: headers}
	f.verify = headerrequest.NewDynamicVerifyOptionsSecure(ca.VerifyOptions, provider(f.allowedNames), provider(headers.UsernameHeaders),
		provider(headers.UIDHeaders), provider(headers.GroupHeaders), provider(headers.ExtraHeaderPrefixes))
	return f, nil
}

type provider func() []string

// Value gives the strings as they are now.
func (p provider) Value() []string { return p() }

func (f *FrontProxy) allowedNames() []string {
	if names := f.headers.AllowedClientNames(); len(names) > 0 {
		return names
	}
	return []string{nobodysName}
}

// Run follows the cluster's word until the context ends.
func (f *FrontProxy) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { f.ca.Run(ctx, 1) })
	both.Go(func() { f.headers.Run(ctx, 1) })
	both.Wait()
	return nil
}

// ClientCAs are the CAs of front proxies, to be named in TLS handshakes so that browsers offer no other certificate; nil
// while they are unknown.
func (f *FrontProxy) ClientCAs() *x509.CertPool {
	options, ok := f.ca.VerifyOptions()
	if !ok {
		return nil
	}
	return options.Roots
}

// Authenticate finds the person whom the kube-apiserver speaks for. Where nobody need be known, the kube-apiserver must
// be known all the same, and must name somebody.
func (f *FrontProxy) Authenticate(r *http.Request, required bool) (*authz.Caller, error) {
	who, err := f.identity(r)
	if err != nil {
		return nil, err
	}
	if !required {
		return nil, nil
	}
	user, err := identity.Person(r.Context(), f.People, who)
	if err != nil {
		return nil, &httpapi.RefusedCaller{Identity: who.Name, Err: err}
	}
	if _, err := f.People.User(r.Context(), user.Name); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.Forbidden, "you are %q, and User %s, which lists you, is stalled: kubectl describe buser %s says why",
				who.Name, user.Name, user.Name)
		}
		return nil, &httpapi.RefusedCaller{Identity: who.Name, Err: err}
	}
	return admit(r.Context(), f.People, f.Noter, user, who.Groups)
}

// identity is whom the kube-apiserver names, on a connection that is the kube-apiserver's.
func (f *FrontProxy) identity(r *http.Request) (identity.Kubernetes, error) {
	if name := f.hopByHop(r); name != "" {
		return identity.Kubernetes{}, unproven("The request drops its own identity header " + name + ".")
	}
	for _, header := range f.headers.UsernameHeaders() {
		if len(r.Header.Values(header)) > 1 {
			return identity.Kubernetes{}, unproven("The request names more than one user.")
		}
	}
	response, ok, err := f.verify.AuthenticateRequest(r)
	if err != nil || !ok || response == nil || response.User == nil || strings.TrimSpace(response.User.GetName()) == "" {
		refusal := unproven("This door is for the Kubernetes API server; use /api/v2, or kubectl get --raw.")
		refusal.Cause = err
		return identity.Kubernetes{}, refusal
	}
	return identity.Kubernetes{Name: response.User.GetName(), Groups: response.User.GetGroups()}, nil
}

// hopByHop is an identity header that the request's Connection header names; empty when it names none. A proxy between
// the kube-apiserver and us would drop such a header, and with it the identity.
func (f *FrontProxy) hopByHop(r *http.Request) string {
	for _, line := range r.Header.Values("Connection") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); f.isIdentity(name) {
				return http.CanonicalHeaderKey(name)
			}
		}
	}
	return ""
}

func (f *FrontProxy) isIdentity(name string) bool {
	for _, names := range [][]string{f.headers.UsernameHeaders(), f.headers.UIDHeaders(), f.headers.GroupHeaders()} {
		for _, one := range names {
			if strings.EqualFold(name, one) {
				return true
			}
		}
	}
	for _, prefix := range f.headers.ExtraHeaderPrefixes() {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return len(name) >= len("x-remote-") && strings.EqualFold(name[:len("x-remote-")], "x-remote-")
}

func unproven(message string) *fault.Error { return fault.New(fault.Unauthenticated, "%s", message) }
