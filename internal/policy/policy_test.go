// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/testing/given"
)

func member(user string) authz.Subject {
	return authz.Subject{User: user, Memberships: map[string][]v1alpha1.OrganizationRole{"platform": nil}}
}

func templateAdmin() authz.Subject {
	return authz.Subject{User: "root", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleTemplateAdmin}}
}

// start is a start of ada's workspace that nothing speaks against.
func start() policy.Start {
	active := given.TemplateVersion("platform", "go-dev-1", "go-dev", func(v *v1alpha1.TemplateVersion) {
		v.UID = types.UID("v1")
		v.Status.Job = &v1alpha1.Job{Phase: v1alpha1.JobSucceeded}
		maximum := v1alpha1.ValueOf(8)
		v.Spec.Content.Parameters = []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, 2, func(p *v1alpha1.Parameter) { p.Maximum = &maximum })}
	})
	return policy.Start{
		Workspace:    given.Workspace("platform", "ada--dev", "ada", "go-dev"),
		New:          true,
		Owner:        given.User("ada"),
		Rights:       member("ada"),
		Organization: "platform",
		Template: given.Template("platform", "go-dev", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
			t.Status.ActiveVersion = &v1alpha1.UIDReference{Name: "go-dev-1", UID: "v1"}
		}),
		Version: active,
	}
}

func TestMayStart(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*policy.Start)
		want       fault.Kind // 0: it may
		wantReason string
		wantField  string
	}{
		"as it should be":     {func(*policy.Start) {}, 0, "", ""},
		"the owner suspended": {func(s *policy.Start) { s.Owner.Spec.Suspended = true }, fault.Forbidden, v1alpha1.ReasonOwnerSuspended, ""},
		"access taken away":   {func(s *policy.Start) { s.Template.Spec.Access = nil }, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"no longer a member":  {func(s *policy.Start) { s.Rights.Memberships = nil }, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"nobody at all":       {func(s *policy.Start) { s.Rights = authz.Subject{} }, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"another organization's, closed": {func(s *policy.Start) {
			s.Organization, s.Rights.Roles = "guests", []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}
		}, fault.Forbidden, v1alpha1.ReasonTemplateNotOpen, "spec.templateRef.organization"},
		"another organization's, open": {func(s *policy.Start) {
			s.Organization, s.Rights.Memberships = "guests", map[string][]v1alpha1.OrganizationRole{"guests": nil}
			s.Template.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindOrganization, Name: "guests", Role: v1alpha1.AccessRoleUse}}
		}, 0, "", ""},
		"another organization's, open, to who has left": {func(s *policy.Start) {
			s.Organization, s.Rights.Memberships = "guests", nil
			s.Template.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindOrganization, Name: "guests", Role: v1alpha1.AccessRoleUse}}
		}, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"no organization at all": {func(s *policy.Start) { s.Organization = "" }, fault.Forbidden, v1alpha1.ReasonTemplateNotOpen, "spec.templateRef.organization"},
		"deprecated":             {func(s *policy.Start) { s.Template.Spec.Deprecated = true }, fault.Invalid, v1alpha1.ReasonNotAllowed, ""},
		"deprecated in words":    {func(s *policy.Start) { s.Template.Spec.DeprecationMessage = "old" }, fault.Invalid, v1alpha1.ReasonNotAllowed, ""},
		"deprecated, not new":    {func(s *policy.Start) { s.Template.Spec.Deprecated, s.New = true, false }, 0, "", ""},
		"another's version":      {func(s *policy.Start) { s.Version.Spec.TemplateRef.Name = "python" }, fault.Invalid, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"a foreign version":      {func(s *policy.Start) { s.Version.Namespace = "other" }, fault.Invalid, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"a version of nobody":    {func(s *policy.Start) { s.Version.Spec.TemplateRef = nil }, fault.Invalid, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"an archived version":    {func(s *policy.Start) { s.Version.Spec.Archived = true }, fault.Invalid, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"an unchecked version":   {func(s *policy.Start) { s.Version.Status.Job = nil }, fault.Conflict, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"a failed version":       {func(s *policy.Start) { s.Version.Status.Job.Phase = v1alpha1.JobFailed }, fault.Invalid, v1alpha1.ReasonTemplateNotReady, "template_version_id"},
		"an old version": {func(s *policy.Start) {
			s.Template.Spec.RequireActiveVersion, s.Version.UID = true, "v0"
		}, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"an old version, chosen by the owner": {func(s *policy.Start) {
			s.Template.Spec.RequireActiveVersion, s.Version.UID, s.Chooser = true, "v0", member("ada")
		}, fault.Forbidden, v1alpha1.ReasonNotAllowed, ""},
		"an old version, chosen by an administrator": {func(s *policy.Start) {
			s.Template.Spec.RequireActiveVersion, s.Version.UID, s.Chooser = true, "v0", templateAdmin()
		}, 0, "", ""},
		"an old version, and it is free": {func(s *policy.Start) { s.Version.UID = "v0" }, 0, "", ""},
		"a bad cron":                     {func(s *policy.Start) { s.Workspace.Spec.Autostart = &v1alpha1.Schedule{Schedule: "1 1 1 1 1"} }, fault.Invalid, v1alpha1.ReasonScheduleInvalid, "spec.autostart.schedule"},
		"two days":                       {func(s *policy.Start) { s.Workspace.Spec.Autostop = &v1alpha1.Autostop{After: "2 days"} }, fault.Invalid, v1alpha1.ReasonScheduleInvalid, "spec.autostop.after"},
		"out of range":                   {func(s *policy.Start) { s.Given = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(9)} }, fault.Invalid, v1alpha1.ReasonParameterRefused, "spec.parameters.cpu"},
		"out of range, on the wire": {func(s *policy.Start) {
			s.Given, s.At = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(9)}, func(name string) string { return name }
		}, fault.Invalid, v1alpha1.ReasonParameterRefused, "cpu"},
		"an immutable one changed": {func(s *policy.Start) {
			s.Given, s.Previous = map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4)}, map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(2)}
		}, fault.Invalid, v1alpha1.ReasonParameterRefused, "spec.parameters.cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start()
			c.change(&s)
			resolved, err := policy.MayStart(s)
			if c.want == 0 {
				if err != nil || resolved.Values["cpu"].String() != "2" {
					t.Errorf("%v, %v", resolved, err)
				}
				return
			}
			f, ok := fault.As(err)
			if !ok || f.Kind != c.want || f.Reason != c.wantReason || c.wantField != "" && (len(f.Fields) != 1 || f.Fields[0].Path != c.wantField) {
				t.Errorf("%v, want %s for %s about %q", err, c.want, c.wantReason, c.wantField)
			}
		})
	}
}

func TestWhetherAScheduleMayBeChosen(t *testing.T) {
	forbids := given.Template("platform", "t", func(t *v1alpha1.Template) {
		t.Spec.Lifecycle = &v1alpha1.Lifecycle{UserAutostart: v1alpha1.PermissionForbid, UserAutostop: v1alpha1.PermissionForbid}
	})
	for name, c := range map[string]struct {
		template *v1alpha1.Template
		want     bool
	}{
		"nothing said":       {given.Template("platform", "t"), true},
		"an empty lifecycle": {given.Template("platform", "t", func(t *v1alpha1.Template) { t.Spec.Lifecycle = &v1alpha1.Lifecycle{} }), true},
		"forbidden":          {forbids, false},
	} {
		for what, may := range map[string]func(*v1alpha1.Template) error{"autostart": policy.MayAutostart, "autostop": policy.MayAutostop} {
			err := may(c.template)
			if (err == nil) != c.want || err != nil && !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func TestFromWire(t *testing.T) {
	declared := []v1alpha1.Parameter{
		given.Parameter("cpu", v1alpha1.TypeInteger, 2), given.Parameter("list", v1alpha1.TypeArray, []string{}),
		given.Parameter("reset", v1alpha1.TypeBoolean, false, func(p *v1alpha1.Parameter) { p.Ephemeral = true }),
		{Name: "needed", Type: v1alpha1.TypeString},
	}
	got, err := policy.FromWire(declared, maps.All(map[string]string{"cpu": "4", "list": `["a"]`, "reset": "true"}))
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Given{
		Lasting:   map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4), "list": v1alpha1.ValueOf([]string{"a"})},
		Ephemeral: map[string]v1alpha1.Value{"reset": v1alpha1.ValueOf(true)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	twice := func(yield func(string, string) bool) {
		for _, v := range [][2]string{{"cpu", "1"}, {"cpu", "1"}, {"cpus", "x"}, {"list", "a,b"}} {
			if !yield(v[0], v[1]) {
				return
			}
		}
	}
	_, err = policy.FromWire(declared, twice)
	f, ok := fault.As(err)
	if !ok {
		t.Fatalf("%v, want a fault", err)
	}
	var named []string
	for _, field := range f.Fields {
		named = append(named, field.Path)
	}
	if slices.Sort(named); !slices.Equal(named, []string{"cpu", "cpus", "list"}) {
		t.Errorf("it names %v: %v", named, f.Fields)
	}
}

func TestOver(t *testing.T) {
	declared := []v1alpha1.Parameter{given.Parameter("cpu", v1alpha1.TypeInteger, 2), given.Parameter("disk", v1alpha1.TypeInteger, 2),
		given.Parameter("reset", v1alpha1.TypeBoolean, false, func(p *v1alpha1.Parameter) { p.Ephemeral = true })}
	given := policy.Given{Lasting: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(8)}, Ephemeral: map[string]v1alpha1.Value{"reset": v1alpha1.ValueOf(true)}}
	has := map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(4), "disk": v1alpha1.ValueOf(10), "old": v1alpha1.ValueOf(1), "reset": v1alpha1.ValueOf(true)}
	want := map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(8), "disk": v1alpha1.ValueOf(10)}
	if diff := cmp.Diff(want, given.Over(declared, has).Lasting); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(given.Over(declared, nil).All()) != 2 {
		t.Error("both kinds are not there together")
	}
}
