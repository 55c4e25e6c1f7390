// SPDX-License-Identifier: Apache-2.0

// Command berth-apiserver serves the codersdk HTTP API: at /api/v2 to people with a session, and through the Kubernetes
// aggregation layer to those with a Kubernetes identity.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/auditlog"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/keys"
	"github.com/berth-dev/berth/apiserver/login"
	"github.com/berth-dev/berth/internal/version"
)

// The bounds of --audit-max-size.
const minAuditSize, maxAuditSize = 1 << 20, 512 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "berth-apiserver:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := apiserver.Options{}
	var kubeconfig, bind, logLevel, auditMaxSize string
	var auditStdout bool
	var https, http, metrics uint16
	var proxies []string
	c := &cobra.Command{
		Use:           "berth-apiserver",
		Short:         "Serve the codersdk API over the cluster's Berth objects",
		Version:       version.Version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			var level slog.Level
			if err := level.UnmarshalText([]byte(logLevel)); err != nil {
				return fmt.Errorf("--log-level: %w", err)
			}
			o.Log = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
			klog.SetSlogLogger(o.Log)
			ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
			for _, text := range proxies {
				network, err := netip.ParsePrefix(text)
				if err != nil {
					return fmt.Errorf("--trusted-proxies: %w", err)
				}
				o.Proxies = append(o.Proxies, network)
			}
			size, err := resource.ParseQuantity(auditMaxSize)
			if err != nil || size.Value() < minAuditSize || size.Value() > maxAuditSize {
				return fmt.Errorf("--audit-max-size: want a size from 1Mi to 512Mi, not %q", auditMaxSize)
			}
			if o.AuditRetention < time.Hour {
				return fmt.Errorf("--audit-retention: want at least 1h, not %s", o.AuditRetention)
			}
			o.AuditMaxSize = int(size.Value())
			if auditStdout {
				o.AuditStream = os.Stdout // the log goes to standard error
			}
			at := func(port uint16) string { return net.JoinHostPort(bind, strconv.Itoa(int(port))) }
			o.HTTPS, o.HTTP, o.Probes = at(https), at(http), at(metrics)
			if o.Config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
				return fmt.Errorf("reaching the cluster: %w", err)
			}
			o.Config.QPS, o.Config.Burst = 100, 200
			server, err := apiserver.New(c.Context(), o)
			if err != nil {
				return err
			}
			return server.Run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file; empty means the pod's own account")
	f.StringVar(&o.Namespace, "namespace", "berth-system", "Berth's own namespace")
	f.StringVar(&o.Service, "service", "berth-apiserver", "name of the Service before the replicas")
	f.StringVar(&o.AccessURL, "access-url", "", "URL at which people reach the server")
	f.StringVar(&o.WildcardAccessURL, "wildcard-access-url", "", "hosts of workspaces' apps, as *.HOST or *.HOST:PORT, reached as the access URL is; empty means apps have none")
	f.StringVar(&bind, "bind-address", "", "address to listen on; empty means all")
	f.Uint16Var(&https, "secure-port", 8443, "port of both doors, by TLS")
	f.Uint16Var(&http, "http-port", 8080, "port of /api/v2 without TLS, for an ingress")
	f.Uint16Var(&metrics, "metrics-port", 8090, "port of /livez, /readyz and /metrics")
	f.StringSliceVar(&proxies, "trusted-proxies", nil, "networks of proxies whose X-Forwarded-For is believed")
	f.DurationVar(&o.SessionLifetime, "session-duration", login.DefaultLifetime, "how long a session lives after its last use")
	f.BoolVar(&o.FixedSessions, "disable-session-expiry-refresh", false, "let a session end that long after it was begun, used or not")
	f.BoolVar(&o.NoPasswords, "disable-password-auth", false, "let only owners sign in with a password")
	f.IntVar(&o.Limits.PerMinute, "api-rate-limit", httpapi.DefaultPerMinute, "how often one person, or address, may ask one route in a minute; negative: without limit")
	f.BoolVar(&o.Limits.Off, "dangerous-disable-rate-limits", false, "lift every limit, also those on wrong passwords")
	f.DurationVar(&o.MaxTokenLifetime, "max-token-lifetime", keys.DefaultMaxLifetime, "how long a token that a person makes may live")
	f.StringVar(&o.SCIMKeyFile, "scim-key-file", "", "file with the key of the identity provider that keeps accounts by SCIM; empty means none does")
	o.SignIn.AddFlags(f)
	o.External.AddFlags(f)
	f.BoolVar(&o.RequesterStamps, "requester-stamps", false, "believe the annotation berth.dev/requester, which the admission policies of that name write and guard")
	f.DurationVar(&o.AuditRetention, "audit-retention", auditlog.DefaultRetention, "how long entries of the audit log are kept in the cluster")
	f.StringVar(&auditMaxSize, "audit-max-size", "16Mi", "how much they may take there, compressed; the oldest go first")
	f.BoolVar(&auditStdout, "audit-stdout", true, "write every audit entry to standard output, as a line of JSON")
	f.DurationVar(&o.Drain, "drain", 5*time.Second, "how long to go on answering when told to stop")
	f.StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}
