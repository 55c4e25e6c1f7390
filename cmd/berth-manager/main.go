// SPDX-License-Identifier: Apache-2.0

// Command berth-manager runs the controllers: it decides and acts. It alone makes pods and claims.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/berth-dev/berth/controllers"
	"github.com/berth-dev/berth/internal/version"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "berth-manager:", err)
		os.Exit(1)
	}
}

func run() error {
	var o controllers.Options
	var port int
	var show bool
	level := &slog.LevelVar{}
	flag.StringVar(&o.Namespace, "namespace", "berth-system", "Berth's own `namespace`")
	flag.StringVar(&o.ServiceAccount, "service-account", "berth-manager", "the manager's own `ServiceAccount`")
	flag.StringVar(&o.APIServerAccount, "apiserver-service-account", "berth-apiserver", "the API server's `ServiceAccount`")
	flag.StringVar(&o.AgentImage, "agent-image", "", "the `image` that brings the agent into workspaces")
	flag.IntVar(&o.StartsAtOnce, "starts-at-once", 1000, "how many starts of workspaces may be at work at once; others wait, first come first; 0 sets no bound")
	flag.BoolVar(&o.KubectlAccess, "kubectl-access", false, "give people in the namespaces of their organizations, by RoleBindings, what they may do on the wire; needs the admission policies")
	flag.BoolVar(&o.RequesterStamps, "requester-stamps", false, "believe the annotation berth.dev/requester, which the admission policies of that name write and guard")
	flag.BoolVar(&o.LeaderElect, "leader-elect", false, "have one of several replicas act")
	flag.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8090", "where metrics are served; 0 serves none")
	flag.StringVar(&o.HealthAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; 0 serves none")
	flag.BoolVar(&o.Aggregation, "aggregation", true, "keep the APIService of the aggregated API")
	flag.StringVar(&o.Service, "apiserver-service", "berth-apiserver", "the API server's `Service`")
	flag.IntVar(&port, "apiserver-port", 443, "the HTTPS `port` of that Service")
	flag.StringVar(&o.ClusterRole, "aggregation-cluster-role", "berth-aggregated-api", "the `ClusterRole` that owns the APIService")
	flag.StringVar(&o.Deployment, "deployment", "berth-manager", "the manager's own `Deployment`")
	flag.TextVar(level, "log-level", level, "how much is logged: debug, info, warn or error")
	flag.BoolVar(&show, "version", false, "print the version and end")
	flag.Parse()
	if show {
		_, err := fmt.Println(version.Version)
		return err
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("-apiserver-port: %d is no port", port)
	}
	o.ServicePort = int32(port)

	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	cluster, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	return controllers.Run(ctrl.SetupSignalHandler(), cluster, o)
}
