// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/testing/given"
)

// values are an object's values in the index of the name.
func values(t *testing.T, o client.Object, name string) []string {
	t.Helper()
	for _, i := range index.For(o) {
		if i.Name == name {
			return i.Values(o)
		}
	}
	t.Fatalf("no index %s of %T", name, o)
	return nil
}

func TestValues(t *testing.T) {
	id := uuid.NewString()
	user := given.User("ada", func(u *v1alpha1.User) {
		u.UID, u.Spec.Username, u.Spec.Email = types.UID(id), "Ada", "Ada@Example.org"
		u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:ada"}, {Kind: "ServiceAccount", Namespace: "ci", Name: "ada"}}
	})
	workspace := given.Workspace("platform", "ada--api", "ada", "go-dev", func(w *v1alpha1.Workspace) {
		w.UID, w.Spec.Name = types.UID(id), "Api"
	})
	version := given.TemplateVersion("platform", "v", "go-dev")
	uploaded := given.TemplateVersion("platform", "u", "go-dev", func(v *v1alpha1.TemplateVersion) {
		v.Spec.Source = &v1alpha1.VersionSource{File: v1alpha1.ID(id)}
	})
	tried := &v1alpha1.DryRun{ObjectMeta: metav1.ObjectMeta{UID: types.UID(id)}, Spec: v1alpha1.DryRunSpec{Owner: v1alpha1.WorkspaceOwner{User: "ada"}}}
	for name, c := range map[string]struct {
		o    client.Object
		in   string
		want []string
	}{
		"an uploaded archive":        {uploaded, index.File, []string{id}},
		"one that can be written":    {version, index.File, []string{ids.VersionFile(version).String()}},
		"a dry run's job":            {tried, index.Job, []string{ids.Job(uuid.MustParse(id)).String()}},
		"a dry run's owner":          {tried, index.Owner, []string{"ada"}},
		"a uid until there is an id": {user, index.ID, []string{id}},
		"a name without case":        {user, index.Name, []string{"ada"}},
		"an address without case":    {user, index.Email, []string{"ada@example.org"}},
		"identities":                 {user, index.Subject, []string{"User//oidc:ada", "ServiceAccount/ci/ada"}},
		"no membership":              {user, index.Membership, []string{""}},
		"owner and name":             {workspace, index.OwnerName, []string{"ada/api"}},
		"the first build":            {workspace, index.Coming, []string{ids.Build(uuid.MustParse(id), 1).String()}},
		"a version's template":       {version, index.Template, []string{"go-dev"}},
		"a workspace's template":     {workspace, index.Template, []string{"go-dev"}},
		"another organization's template": {given.Workspace("guests", "w", "ada", "go-dev", func(w *v1alpha1.Workspace) {
			w.Spec.TemplateRef.Organization = "platform"
		}), index.Template, []string{index.SharedTemplate(given.Template("platform", "go-dev"))}},
		"members":                     {given.Group("platform", "g", func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{"ada", "grace"} }), index.Member, []string{"ada", "grace"}},
		"groups that a login brought": {given.User("ada", func(u *v1alpha1.User) { u.Status.Groups = []string{"platform/backend"} }), index.Brought, []string{"platform/backend"}},
		"why a workspace is Stalled": {given.Workspace("platform", "w", "ada", "go-dev", func(w *v1alpha1.Workspace) {
			w.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonQuotaExceeded}}
		}), index.Refused, []string{v1alpha1.ReasonQuotaExceeded}},
		"a workspace that is not": {workspace, index.Refused, nil},
		"whom a Role is for":      {bearing(&rbacv1.Role{}, "user", "User/ada", "Group/backend"), index.Bearer, []string{index.BearerUser("ada"), index.BearerGroup("platform", "backend")}},
		"whom a binding is for":   {bearing(&rbacv1.RoleBinding{}, "user", "Group/backend"), index.Bearer, []string{"platform/backend"}},
		"a Role that is not ours": {bearing(&rbacv1.Role{}, "", "User/ada", "Group/backend"), index.Bearer, nil},
		"not the default":         {given.Organization("o"), index.Default, nil},
		"the default":             {given.Organization("o", func(o *v1alpha1.Organization) { o.Spec.Default = true }), index.Default, []string{"true"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, values(t, c.o, c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
	version.Spec.TemplateRef = nil
	if got := values(t, version, index.Template); got != nil {
		t.Errorf("a version without a template is found by %v", got)
	}
}

// bearing is an object in namespace platform that belongs to those whom KIND/NAME name, marked for access where it is.
func bearing(o client.Object, access string, owners ...string) client.Object {
	o.SetNamespace("platform")
	o.SetLabels(map[string]string{v1alpha1.LabelAccess: access})
	var refs []metav1.OwnerReference
	for _, owner := range owners {
		kind, name, _ := strings.Cut(owner, "/")
		refs = append(refs, metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Name: name})
	}
	o.SetOwnerReferences(refs)
	return o
}

func TestBuildIDs(t *testing.T) {
	uid, kept := uuid.New(), uuid.New()
	w := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "dev", UID: types.UID(uid.String())}}
	for name, c := range map[string]struct {
		label string
		want  []string
	}{
		"no label":              {"", []string{ids.Build(uid, 7).String()}},
		"the same":              {uid.String(), []string{ids.Build(uid, 7).String()}},
		"an id that was kept":   {kept.String(), []string{ids.Build(uid, 7).String(), ids.Build(kept, 7).String()}},
		"a label of no meaning": {"mine", []string{ids.Build(uid, 7).String()}},
	} {
		b := given.Build(w, 7, v1alpha1.TransitionStart, func(b *v1alpha1.WorkspaceBuild) { b.Labels = map[string]string{v1alpha1.LabelID: c.label} })
		if diff := cmp.Diff(c.want, values(t, b, index.ID)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestEveryKindIsFoundByID: a kind without an id would have no answer on the wire.
func TestEveryKindIsFoundByID(t *testing.T) {
	have := map[string]bool{}
	for _, i := range index.All() {
		if i.Name == index.ID {
			have[fmt.Sprintf("%T", i.Object)] = true
		}
		if got := i.Values(&corev1.Secret{}); len(got) > 0 && !slices.Equal(got, []string{""}) {
			t.Errorf("%s of %T finds a Secret by %v", i.Name, i.Object, got)
		}
	}
	if len(have) != 8 {
		t.Errorf("found by id: %v", have)
	}
}

// TestAdvisory_V26_OwnerNameKeysAreInjective: two (owner, name) pairs never share a key, whatever the API server admits.
func TestAdvisory_V26_OwnerNameKeysAreInjective(t *testing.T) {
	parts := []string{"a", "b", "ab", "a-b", "b-a", "a-b-a", "b-a-b"}
	seen := map[string][2]string{}
	for _, owner := range parts {
		for _, name := range parts {
			key := index.OwnerNameKey(owner, name)
			if other, ok := seen[key]; ok {
				t.Errorf("%s of %s and %s of %s are both %s", name, owner, other[1], other[0], key)
			}
			seen[key] = [2]string{owner, name}
		}
	}
}
