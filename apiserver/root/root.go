// SPDX-License-Identifier: Apache-2.0

// Package root answers what is asked before anybody is known: which server this is, and whether it is well.
package root

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/version"
)

const (
	releaseURL      = "https://github.com/berth-dev/berth"
	agentAPIVersion = "2.0"
)

// Handlers serves the root.
type Handlers struct {
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/healthz", Tag: "Root", Door: httpapi.AnyoneDirect, Action: authz.Read, Status: 200,
			Do: httpapi.Raw(h.healthz)},
		{Method: "GET", Path: "/api/v2/", Tag: "General", Door: httpapi.AnyoneDirect, Action: authz.Read, Status: 200,
			Do: httpapi.Plain(h.greet)},
		{Method: "GET", Path: "/api/v2/buildinfo", Tag: "General", Door: httpapi.Anyone, Action: authz.Read, Status: 200,
			Do: httpapi.Plain(h.buildInfo)},
	}
}

// healthz says that the server answers. Whether it should get traffic is what the probes on the metrics port say.
func (h *Handlers) healthz(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := w.Write([]byte("OK"))
	return err
}

func (h *Handlers) greet(context.Context, httpapi.None) (codersdk.Response, error) {
	return codersdk.Response{Message: "This is Berth."}, nil
}

func (h *Handlers) buildInfo(context.Context, httpapi.None) (codersdk.BuildInfoResponse, error) {
	return codersdk.BuildInfoResponse{
		Version:         version.Wire(),
		ExternalURL:     releaseURL,
		DashboardURL:    h.AccessURL,
		AgentAPIVersion: agentAPIVersion,
	}, nil
}
