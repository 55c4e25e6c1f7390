// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strconv"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// The health check of an app that does not say.
const (
	checkInterval  = 10 * time.Second
	checkThreshold = 3
)

// apps shows what the agent's container serves.
func (a agentParts) apps() []codersdk.WorkspaceApp {
	all := []codersdk.WorkspaceApp{}
	for _, app := range a.content.Apps {
		if slices.Contains(a.hidden, app.Name) {
			continue
		}
		if app.Agent == a.agent.Name || app.Agent == "" && a.first {
			all = append(all, a.app(app))
		}
	}
	return all
}

// app shows one app. Its id follows from its agent's, whatever the template says, and an address outside is sent as the
// template has it: no token is ever put in. There is no wildcard host yet, so no app has a host name of its own.
func (a agentParts) app(app v1alpha1.App) codersdk.WorkspaceApp {
	return codersdk.WorkspaceApp{
		ID:           ids.App(a.id, app.Name),
		URL:          orText(app.URL, loopback(app)),
		External:     app.URL != "",
		Slug:         app.Name,
		DisplayName:  orText(string(app.DisplayName), app.Name),
		Command:      app.Command,
		Icon:         string(app.Icon),
		Subdomain:    app.Subdomain,
		SharingLevel: sharing(app.Sharing),
		Healthcheck:  healthcheck(app),
		Health:       a.appHealth(app),
	}
}

// loopback is where an app listens inside the workspace; empty for one that listens nowhere.
func loopback(app v1alpha1.App) string {
	if app.Port == nil {
		return ""
	}
	return "http://localhost:" + strconv.Itoa(int(*app.Port))
}

// sharing is who may open the app: the owner alone unless the template says more.
func sharing(s v1alpha1.AppSharing) codersdk.WorkspaceAppSharingLevel {
	switch s {
	case v1alpha1.AppSharingAuthenticated:
		return codersdk.WorkspaceAppSharingLevelAuthenticated
	case v1alpha1.AppSharingPublic:
		return codersdk.WorkspaceAppSharingLevelPublic
	}
	return codersdk.WorkspaceAppSharingLevelOwner
}

func healthcheck(app v1alpha1.App) codersdk.Healthcheck {
	if app.HealthCheck == nil {
		return codersdk.Healthcheck{}
	}
	interval := schedule.Duration(app.HealthCheck.Interval)
	if interval < time.Second {
		interval = checkInterval
	}
	check := codersdk.Healthcheck{URL: loopback(app) + app.HealthCheck.Path, Interval: int32(interval / time.Second), Threshold: checkThreshold}
	if app.HealthCheck.Threshold != nil {
		check.Threshold = *app.HealthCheck.Threshold
	}
	return check
}

func (a agentParts) appHealth(app v1alpha1.App) codersdk.WorkspaceAppHealth {
	if app.HealthCheck == nil {
		return codersdk.WorkspaceAppHealthDisabled
	}
	for _, s := range a.reported.Apps {
		if s.Name != app.Name {
			continue
		}
		switch h := codersdk.WorkspaceAppHealth(s.Health); h {
		case codersdk.WorkspaceAppHealthHealthy, codersdk.WorkspaceAppHealthUnhealthy:
			return h
		}
	}
	return codersdk.WorkspaceAppHealthInitializing
}
