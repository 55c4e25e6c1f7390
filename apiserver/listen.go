// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

const (
	// headerLimit and headerTime bound what a client may send before anybody knows who it is; headerTime also bounds the
	// TLS handshake.
	headerLimit = 64 << 10
	headerTime  = 5 * time.Second
	idleTime    = 2 * time.Minute
	// connections is how many each port takes at once; further ones wait to be accepted.
	connections = 4096
	// streams is how many requests one HTTP/2 connection may have open; the kube-apiserver has few connections and opens
	// further ones.
	streams = 250
	// shutdownLimit is how long requests may take to end after the doors were shut.
	shutdownLimit = 20 * time.Second
)

// listeners are the server's ports.
type listeners struct{ https, http, probes net.Listener }

func listen(o Options) (listeners, error) {
	var l listeners
	for _, port := range []struct {
		address string
		at      *net.Listener
	}{{o.HTTPS, &l.https}, {o.HTTP, &l.http}, {o.Probes, &l.probes}} {
		opened, err := net.Listen("tcp", port.address)
		if err != nil {
			l.close()
			return listeners{}, fmt.Errorf("listening on %s: %w", port.address, err)
		}
		*port.at = netutil.LimitListener(opened, connections)
	}
	return l, nil
}

// close closes what is open. A server that has been shut has closed its own already, so the error tells nothing.
func (l listeners) close() {
	for _, one := range []net.Listener{l.https, l.http, l.probes} {
		if one != nil {
			_ = one.Close()
		}
	}
}

// doors are the listeners without the probes.
func (l listeners) doors() listeners { return listeners{https: l.https, http: l.http} }

// Addresses are where the server listens: both doors by TLS, the session door in plain, and the probes.
func (s *Server) Addresses() (https, http, probes net.Addr) {
	return s.listeners.https.Addr(), s.listeners.http.Addr(), s.listeners.probes.Addr()
}

// newHTTP is a server with bounds on whatever a client can make it wait for or keep. The time of a body and of an answer
// is bounded for each request, as streams may take long.
func (s *Server) newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerLimit,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
}

// byPath leads to the door that a path belongs to. Only what Kubernetes calls an API is the aggregated one's.
func (s *Server) byPath(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/apis" || strings.HasPrefix(r.URL.Path, "/apis/") {
		s.aggregated.ServeHTTP(w, r)
		return
	}
	s.session.ServeHTTP(w, r)
}

// tlsConfig asks for client certificates and judges none: what they are worth is found out for each request, since the
// CA may change while a connection lives. Naming the CA keeps browsers from offering a person's certificate.
func (s *Server) tlsConfig() *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: s.keeper.GetCertificate,
		ClientAuth:     tls.RequestClientCert,
	}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		known := config.Clone()
		known.GetConfigForClient = nil
		known.ClientCAs = s.frontProxy.ClientCAs()
		return known, nil
	}
	return config
}

// runProbes answers whether the process lives and whether it should get traffic, and its metrics.
func (s *Server) runProbes(ctx context.Context) error {
	answer := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		if _, err := w.Write([]byte(text + "\n")); err != nil {
			s.options.Log.Debug("probe not answered", "error", err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			answer(w, http.StatusServiceUnavailable, "waiting for the caches, or stopping")
			return
		}
		answer(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	server := s.newHTTP(mux)
	defer context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			s.options.Log.Debug("closing the probes", "error", err)
		}
	})()
	if err := server.Serve(s.listeners.probes); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("probes: %w", err)
	}
	return nil
}
