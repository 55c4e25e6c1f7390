// SPDX-License-Identifier: Apache-2.0

// Package apiserver is the process that shows and accepts. It joins the tables of its packages to two doors, /api/v2 and
// the Kubernetes aggregation layer, and runs them beside the caches that they read from. It keeps nothing of its own:
// every replica answers the same.
package apiserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/berth-dev/berth/apiserver/auditlog"
	"github.com/berth-dev/berth/apiserver/authn"
	"github.com/berth-dev/berth/apiserver/externalauth"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/keys"
	"github.com/berth-dev/berth/apiserver/login"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/apphost"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/podtoken"
	"github.com/berth-dev/berth/internal/records"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/serving"
	"github.com/berth-dev/berth/internal/version"
)

// Options says what a server is and where it listens. An address is HOST:PORT; port 0 takes any.
type Options struct {
	// Config reaches the kube-apiserver as the API server's own account.
	Config *rest.Config
	// Namespace is Berth's own, Service the name of the Service before the replicas.
	Namespace, Service string
	// AccessURL is where people reach the server.
	AccessURL string
	// WildcardAccessURL is where people reach workspaces' apps, as *.HOST or *.HOST:PORT; empty where apps have no hosts.
	WildcardAccessURL string
	// HTTPS takes both doors, HTTP the session door alone, Probes the probes and metrics.
	HTTPS, HTTP, Probes string
	// Proxies are the networks of the proxies before the server, whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// SessionLifetime is how long a session lives after its last use; zero means login.DefaultLifetime.
	SessionLifetime time.Duration
	// FixedSessions says that a session lives that long after it was begun, used or not.
	FixedSessions bool
	// NoPasswords says that only owners sign in with a password.
	NoPasswords bool
	// Limits say how often one party may ask.
	Limits httpapi.Limits
	// SignIn says at which identity providers people sign in.
	SignIn login.Options
	// External says to which external providers people may sign in for their workspaces.
	External externalauth.Options
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// MaxTokenLifetime is how long a token may live at most; zero means keys.DefaultMaxLifetime.
	MaxTokenLifetime time.Duration
	// SCIMKeyFile holds the key of the identity provider that keeps accounts by SCIM; empty lets none.
	SCIMKeyFile string
	// Drain is how long the server goes on to answer after it was told to stop, so that the Service forgets it first.
	Drain time.Duration
	// RequesterStamps tells that the cluster writes down on each object who asked for its spec, and keeps that from being
	// forged; the audit log names the person by it.
	RequesterStamps bool
	// AuditRetention is how long entries of the audit log are kept, and AuditMaxSize how many bytes they may take; zero means
	// auditlog's defaults.
	AuditRetention time.Duration
	AuditMaxSize   int
	// AuditStream takes every entry as a line of JSON; nil takes none.
	AuditStream io.Writer
	// Log takes everything that is said.
	Log *slog.Logger
}

// Server is a server that listens, or is about to.
type Server struct {
	options    Options
	store      *store.Store
	seen       *store.Seen
	frontProxy *authn.FrontProxy
	keeper     *serving.Keeper
	proofs     *credentials.Store
	passwords  *store.Passwords
	auditor    *auditlog.Auditor
	registry   *prometheus.Registry
	ready      atomic.Bool
	// stopping is closed when the doors are about to be shut, so that streams end.
	stopping chan struct{}

	session, aggregated http.Handler
	listeners           listeners
}

// New builds both doors and listens, without answering yet: Run does.
func New(ctx context.Context, o Options) (*Server, error) {
	access, err := accessURL(o.AccessURL)
	if err != nil {
		return nil, err
	}
	wildcard, err := apphost.Parse(o.WildcardAccessURL, access, serving.Names(o.Service, o.Namespace)...)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, registry: prometheus.NewRegistry(), stopping: make(chan struct{})}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.store, err = store.New(ctx, store.Options{Config: o.Config, Namespace: o.Namespace}); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s.seen = store.NewSeen(s.store, time.Now, func(user string, err error) {
		o.Log.Warn("not noted when a user was seen", "user", user, "error", err)
	})
	clientset, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, err
	}
	if s.frontProxy, err = authn.NewFrontProxy(clientset, s.store, s.seen); err != nil {
		return nil, fmt.Errorf("front proxy: %w", err)
	}
	s.keeper = &serving.Keeper{
		Client: s.store.Live(), Namespace: o.Namespace, Names: serving.Names(o.Service, o.Namespace),
		Now: time.Now, Failed: func(err error) { o.Log.Error("serving certificate", "error", err) },
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	providers, err := o.SignIn.Providers(access, now)
	if err != nil {
		return nil, err
	}
	external, err := o.External.Providers(access, now)
	if err != nil {
		return nil, err
	}
	s.proofs = credentials.New(s.store.Client(), o.Namespace, now)
	hashes := prometheus.NewCounter(prometheus.CounterOpts{Name: "berth_api_password_hashes_total", Help: "Password hashes that were computed."})
	s.registry.MustRegister(hashes)
	s.proofs.Fixed, s.proofs.Hashed = o.FixedSessions, hashes.Inc
	took := func(r *audit.Record, secret string) { s.auditor.Declared(ctx, r, secret) }
	s.passwords, err = store.NewPasswords(ctx, s.store, s.proofs, took, func(user string, err error) {
		o.Log.Warn("a declared password was not taken", "user", user, "error", err)
	})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	var provisioner httpapi.Authenticator
	if o.SCIMKeyFile != "" {
		provisioner = &authn.Provider{File: o.SCIMKeyFile}
	}
	s.auditor = s.newAuditor(clientset)
	if err := s.store.Observe(ctx, s.auditor.Saw); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	replica, err := newReplica()
	if err != nil {
		return nil, err
	}
	deps := Deps{
		Store: s.store, Files: s.store.Files(now), Credentials: s.proofs, Attempts: httpapi.NewAttempts(o.Limits), Noter: s.seen, Providers: providers, Auditor: s.auditor,
		SCIM:            provisioner != nil,
		External:        &links.Links{Providers: external, Keys: s.proofs, Note: s.store.SetSignedIn, Log: o.Log, Now: now},
		SessionLifetime: cmp.Or(o.SessionLifetime, login.DefaultLifetime), NoPasswords: o.NoPasswords,
		MaxTokenLifetime: cmp.Or(o.MaxTokenLifetime, keys.DefaultMaxLifetime), AccessURL: access, Apps: wildcard, Secure: strings.HasPrefix(access, "https://"),
		Replica: replica, Log: o.Log, Now: now,
	}
	fresh := &login.Fresh{Keys: s.proofs, Handlers: deps.login(), Log: o.Log}
	s.session, s.aggregated, err = httpapi.New(httpapi.Config{
		Routes:  Routes(deps),
		Version: version.Wire(), Log: o.Log, Metrics: s.registry, Proxies: o.Proxies,
		Session: &authn.Session{Keys: fresh, People: s.store, Noter: s.seen, Secure: deps.Secure}, Aggregated: s.frontProxy, Provider: provisioner,
		Agents: &authn.Agents{Tokens: podtoken.New(podtoken.Of(clientset), render.TokenAudience, now), Pods: s.store},
		Site:   access, Stopping: s.stopping, Limits: o.Limits, Audit: s.auditor, Apps: deps.apps(),
	})
	if err != nil {
		return nil, err
	}
	s.listeners, err = listen(o)
	return s, err
}

// newAuditor keeps the audit log in Berth's own namespace.
func (s *Server) newAuditor(clientset kubernetes.Interface) *auditlog.Auditor {
	namespace := s.options.Namespace
	own := ""
	if s.options.RequesterStamps {
		own = namespace
	}
	return auditlog.New(auditlog.Options{
		Store: s.store, StampsBeside: own, Retention: s.options.AuditRetention, MaxSize: s.options.AuditMaxSize,
		Stream: s.options.AuditStream, Log: s.options.Log, Now: time.Now,
		Keep: func(o records.Options) *records.Series {
			o.Cluster, o.Namespace = s.store.Live(), namespace
			return records.New(o)
		},
		Follow: func(series ...*records.Series) *records.Follower {
			return records.Follow(clientset, namespace, series...)
		},
	})
}

// newReplica names this process: by its host, which is the pod's name, and by chance, since a container may start again in
// the same pod.
func newReplica() (string, error) {
	host, err := os.Hostname()
	return host + "-" + strings.ToLower(rand.Text()[:6]), err
}

// accessURL is the URL without a trailing slash.
func accessURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("access URL %q: want http://HOST or https://HOST", text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// Run answers until the context ends: first the probes, and the doors once the caches hold everything. Then it stops to be
// ready, goes on for as long as the Service may still send requests, and lets those that are being answered end.
func (s *Server) Run(ctx context.Context) error {
	// What the doors need outlives ctx until they are shut.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	work, failed := errgroup.WithContext(background)
	for _, part := range []func(context.Context) error{s.store.Start, s.frontProxy.Run, s.seen.Run, s.proofs.Run, s.passwords.Run, s.keeper.Run, s.auditor.Run, s.runProbes} {
		work.Go(func() error { return part(failed) })
	}
	work.Go(func() error {
		defer stop()
		defer s.listeners.doors().close()
		if err := s.prepare(ctx, failed); err != nil || ctx.Err() != nil {
			return err
		}
		return s.runDoors(ctx, failed)
	})
	return work.Wait()
}

// prepare waits for the caches and for a certificate; it gives up when either context ends.
func (s *Server) prepare(ctx, failed context.Context) error {
	either, cancel := context.WithCancel(failed)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	if !s.store.Synced(either) || !s.auditor.Synced(either) {
		return nil // ctx ended, or what failed says why
	}
	if err := s.keeper.Check(either); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serving certificate: %w", err)
	}
	return nil
}

// runDoors opens the doors, and shuts them when either context ends.
func (s *Server) runDoors(ctx, failed context.Context) error {
	https, plain := s.newHTTP(http.HandlerFunc(s.byPath)), s.newHTTP(s.session)
	ended := make(chan error, 2)
	go func() { ended <- https.Serve(tls.NewListener(s.listeners.https, s.tlsConfig())) }()
	go func() { ended <- plain.Serve(s.listeners.http) }()
	s.ready.Store(true)
	defer s.ready.Store(false)
	s.options.Log.Info("serving", "https", s.listeners.https.Addr().String(), "http", s.listeners.http.Addr().String(),
		"probes", s.listeners.probes.Addr().String())

	var errs []error
	select {
	case err := <-ended:
		errs = append(errs, fmt.Errorf("a door shut by itself: %w", err))
	case <-failed.Done():
	case <-ctx.Done():
		s.ready.Store(false)
		s.options.Log.Info("stopping")
		drained := time.NewTimer(s.options.Drain)
		defer drained.Stop()
		select {
		case <-drained.C:
		case <-failed.Done():
		}
	}
	close(s.stopping)
	limit, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	return errors.Join(append(errs, https.Shutdown(limit), plain.Shutdown(limit))...)
}
