// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/testing/contract"
	"github.com/berth-dev/berth/internal/testing/given"
)

// update writes the golden files anew: go test ./apiserver/view -update. Read the difference before you keep it.
var update = flag.Bool("update", false, "write the golden files anew")

var (
	start = time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	now   = start.Add(time.Hour)
)

// after is a time of a status, some minutes after the start.
func after(minutes int) *metav1.Time {
	return &metav1.Time{Time: start.Add(time.Duration(minutes) * time.Minute)}
}

// stored makes an object look as if the cluster had it: with a uid whose last digits are n, and an age.
func stored[T metav1.Object](o T, n string) T {
	o.SetUID(types.UID("00000000-0000-4000-8000-00000000" + n))
	o.SetCreationTimestamp(*after(0))
	return o
}

// parts are a running workspace of ada's with everything that the wire shows.
func parts() view.WorkspaceParts {
	port, threshold := int32(13337), int32(5)
	minimum, maximum := v1alpha1.ValueOf(0.5), v1alpha1.ValueOf(8.5)
	version := stored(given.TemplateVersion("platform", "go-dev-7c9f2a", "go-dev", func(v *v1alpha1.TemplateVersion) {
		v.Spec.Message = "newer Go"
		v.Spec.Content.Readme = "# Go"
		v.Spec.Content.Parameters = []v1alpha1.Parameter{
			{Name: "token", Type: v1alpha1.TypeString, Required: true, Order: 2, Pattern: "^[a-z]+$", PatternMessage: "must be letters"},
			given.Parameter("cpu", v1alpha1.TypeNumber, 2, func(p *v1alpha1.Parameter) {
				p.DisplayName, p.Mutable, p.Minimum, p.Maximum, p.Monotonic = "CPUs", true, &minimum, &maximum, v1alpha1.MonotonicIncreasing
				p.Description = "How *many* **cores**; see [the page](https://example.org).\n\n- `1` is enough"
			}),
			given.Parameter("shares", v1alpha1.TypeArray, []string{"a", "b"}, func(p *v1alpha1.Parameter) { p.Order = 1 }),
			given.Parameter("gpus", v1alpha1.TypeInteger, 1, func(p *v1alpha1.Parameter) {
				p.Order = 3
				p.Options = []v1alpha1.ParameterOption{{Value: v1alpha1.ValueOf(1)}, {Value: v1alpha1.ValueOf(4), DisplayName: "Four", Icon: "/gpu.svg"}}
			}),
			given.Parameter("reset", v1alpha1.TypeBoolean, false, func(p *v1alpha1.Parameter) { p.Order, p.Ephemeral = 4, true }),
		}
		v.Spec.Content.Agents = []v1alpha1.Agent{
			{Name: "main", Arch: "amd64", Directory: "~/src", ConnectionTimeout: "1m", TroubleshootingURL: "https://example.org/help",
				Env: []v1alpha1.EnvVar{{Name: "A", Value: "plain"}, {Name: "B", Value: "${parameters.cpu}"}, {Name: "C", Value: "$${HOME}"},
					{Name: "D", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "s", Key: "k"}}}}},
			{Name: "web", DisplayApps: []v1alpha1.DisplayApp{"WebTerminal"}},
		}
		v.Spec.Content.Apps = []v1alpha1.App{
			{Name: "code", DisplayName: "VS Code", Port: &port, Sharing: v1alpha1.AppSharingAuthenticated, Subdomain: true,
				HealthCheck: &v1alpha1.AppHealthCheck{Path: "/healthz", Interval: "5s", Threshold: &threshold}},
			{Name: "docs", Agent: "web", URL: "https://example.org/?token=$SESSION_TOKEN"},
			{Name: "top", Command: "htop"},
		}
		v.Spec.Content.Scripts = []v1alpha1.Script{
			{Name: "clone", RunAt: v1alpha1.ScriptRunAtStart, Run: "git clone", BlocksLogin: true, Timeout: "1m", LogPath: "/tmp/clone.log"},
			{Name: "prune", Agent: "web", RunAt: v1alpha1.ScriptRunAtSchedule, Schedule: "0 0 * * * *", Run: "prune"},
		}
		v.Status.ContentHash = "7c9f2a"
		v.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: after(0), CompletedAt: after(1), Worker: "berth-manager-0"}
	}), "0001")
	template := stored(given.Template("platform", "go-dev", func(t *v1alpha1.Template) {
		t.Spec.DisplayName, t.Spec.Description, t.Spec.Icon = "Go", "A Go workspace", "/icon/go.svg"
		t.Spec.Lifecycle = &v1alpha1.Lifecycle{AutostopAfter: "8h", AutostopMax: "12h", AutostartDays: []v1alpha1.Weekday{"Friday", "Monday"}, UserCancel: v1alpha1.PermissionForbid}
		t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: "go-dev-7c9f2a", UID: version.UID}
	}), "0002")
	workspace := stored(given.Workspace("platform", "ada--api", "ada", "go-dev", func(w *v1alpha1.Workspace) {
		w.Spec.Name, w.Spec.Updates = "Api", v1alpha1.UpdatesManual
		w.Spec.Autostart = &v1alpha1.Schedule{Schedule: "30 9 * * 1-5", TimeZone: "Europe/Zurich"}
		w.Annotations = map[string]string{v1alpha1.AnnotationCreatedAt: "2026-01-31T09:00:00.123456789Z"}
		w.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: after(30)}}
		w.Status.Phase = v1alpha1.PhaseRunning
		w.Status.LastUsedAt = after(50)
		w.Status.Build = &v1alpha1.AcceptedBuild{Number: 3}
		w.Status.Schedule = &v1alpha1.WorkspaceSchedule{Deadline: after(480), MaxDeadline: after(720)}
		w.Status.Agents = []v1alpha1.AgentStatus{
			{Name: "main", Build: 3, Ready: true, ConnectedAt: after(2), Apps: []v1alpha1.AppStatus{{Name: "code", Health: "healthy"}}},
			{Name: "web", Build: 2, Ready: true, ConnectedAt: after(-60)},
		}
	}), "0003")
	build := stored(given.Build(workspace, 3, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) {
		b.Spec.VersionRef = template.Status.ActiveVersion
		b.Spec.Initiator = v1alpha1.Initiator{User: "grace", ID: "00000000-0000-4000-8000-000000000009", Name: "Grace"}
		b.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded, StartedAt: after(1), CompletedAt: after(2), Worker: "berth-manager-0"}
		b.Status.Resources = []v1alpha1.BuildResource{
			{Kind: "PersistentVolumeClaim", Name: "home", DailyCost: 1, Items: []v1alpha1.ResourceMetadataItem{{Key: "size", Value: "10Gi"}, {Key: "key", Value: "secret", Sensitive: true}}},
			{Kind: "Pod", Name: "pod", DailyCost: 6, Icon: "/icon/pod.svg"},
		}
	}), "0004")
	build.CreationTimestamp = *after(1)
	return view.WorkspaceParts{
		Workspace: workspace, Template: template, Active: version, Build: build, Version: version,
		Owner:        stored(given.User("ada", func(u *v1alpha1.User) { u.Spec.Username, u.Spec.AvatarURL = "Ada", "https://example.org/ada.png" }), "0005"),
		Organization: stored(given.Organization("platform", func(o *v1alpha1.Organization) { o.Spec.DisplayName = "Platform" }), "0006"),
	}
}

// TestGolden compares whole answers with what was once read and found right, and with the contract.
func TestGolden(t *testing.T) {
	facts := contract.Seed(t)
	p := parts()
	stopped, deleting, coming, failed := parts(), parts(), parts(), parts()
	stopped.Build.Spec.Transition = v1alpha1.TransitionStop
	stopped.Build.Spec.Reason = v1alpha1.BuildReasonDormancy
	stopped.Build.Spec.Initiator = v1alpha1.Initiator{Name: "system"}
	stopped.Build.Status.Resources = stopped.Build.Status.Resources[:1]
	stopped.Workspace.Annotations[v1alpha1.AnnotationDormantSince] = after(40).UTC().Format(time.RFC3339)
	stopped.Template.Spec.Lifecycle.DeleteDormantAfter = "82h40m"
	deleting.Workspace.DeletionTimestamp = after(55)
	coming.Build, coming.Workspace.Status = nil, v1alpha1.WorkspaceStatus{}
	failed.Build.Status = v1alpha1.WorkspaceBuildStatus{Job: &v1alpha1.Job{Phase: v1alpha1.JobFailed, StartedAt: after(1), CompletedAt: after(11), Error: "image registry.example/base:24.04 can't be pulled"}}
	failed.Version, failed.Workspace.Status.Agents = nil, nil

	creator := stored(given.User("grace"), "0007")
	template := view.TemplateParts{Template: p.Template, Organization: p.Organization, Active: p.Active}
	version := view.VersionParts{Version: p.Version, Organization: p.Organization, Template: p.Template, Creator: creator}
	for name, c := range map[string]struct {
		schema string
		shown  any
	}{
		"workspace-running":  {"codersdk.Workspace", view.Workspace(p, now)},
		"workspace-stopped":  {"codersdk.Workspace", view.Workspace(stopped, now)},
		"workspace-deleting": {"codersdk.Workspace", view.Workspace(deleting, now)},
		"workspace-coming":   {"codersdk.Workspace", view.Workspace(coming, now)},
		"build-failed":       {"codersdk.WorkspaceBuild", view.Build(failed, now)},
		"template":           {"codersdk.Template", view.Template(template)},
		"version":            {"codersdk.TemplateVersion", view.Version(version)},
		"parameters":         {"", view.Parameters(p.Version)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(c.shown, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if c.schema != "" {
				for _, err := range facts.CheckJSON(c.schema, got) {
					t.Error(err)
				}
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
	for _, p := range view.Parameters(p.Version) {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range facts.CheckJSON("codersdk.TemplateVersionParameter", data) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// TestNothingIsChanged proves that views only read: what they get is shared with the cache.
func TestNothingIsChanged(t *testing.T) {
	p, same := parts(), parts()
	p.Workspace.Annotations[corev1.LastAppliedConfigAnnotation] = "{}"
	same.Workspace.Annotations[corev1.LastAppliedConfigAnnotation] = "{}"
	view.Workspace(p, now)
	view.Version(view.VersionParts{Version: p.Version, Organization: p.Organization, Template: p.Template})
	view.Template(view.TemplateParts{Template: p.Template, Organization: p.Organization, Active: p.Active})
	view.Parameters(p.Version)
	if diff := cmp.Diff(same, p); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}
