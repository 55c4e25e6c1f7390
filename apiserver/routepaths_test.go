// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

func fixed(path string) func(*world, *v1alpha1.Workspace) string {
	return func(*world, *v1alpha1.Workspace) string { return path }
}

func always(body any) func(*world) any { return func(*world) any { return body } }

func ofMember(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string { return "/api/v2/users/" + w.member.Name + rest }
}

func ofOrganization(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/organizations/" + w.organization.Name + rest
	}
}

func ofTemplate(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/templates/" + ids.Of(w.template).String() + rest
	}
}

// ofSpare is a new template for each request.
func ofSpare(w *world, _ *v1alpha1.Workspace) string {
	return "/api/v2/templates/" + w.spare(context.Background())
}

func ofEarlier(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/templateversions/" + ids.Of(w.earlier).String() + rest
	}
}

func ofVersion(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/templateversions/" + ids.Of(w.version).String() + rest
	}
}

func ofDryRun(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, ws *v1alpha1.Workspace) string {
		return ofVersion("/dry-run/"+ids.Job(ids.Of(w.dryRun)).String()+rest)(w, ws)
	}
}

func ofWorkspace(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(_ *world, ws *v1alpha1.Workspace) string {
		return "/api/v2/workspaces/" + ids.Of(ws).String() + rest
	}
}

func ofBuild(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(_ *world, ws *v1alpha1.Workspace) string {
		return "/api/v2/workspacebuilds/" + ids.Build(ids.Of(ws), 1).String() + rest
	}
}

func byName(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, ws *v1alpha1.Workspace) string {
		return "/api/v2/users/" + w.member.Name + "/workspace/" + ws.Name + rest
	}
}
