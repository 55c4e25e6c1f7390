// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// book is a directory of a test.
type book struct {
	users        []*v1alpha1.User
	groups       []*v1alpha1.Group
	organization string
}

func (b book) UsersBySubject(_ context.Context, s v1alpha1.Subject) (found []*v1alpha1.User, _ error) {
	for _, u := range b.users {
		for _, one := range u.Spec.Subjects {
			if one == s {
				found = append(found, u)
			}
		}
	}
	return found, nil
}

func (b book) GroupsBySubject(_ context.Context, s v1alpha1.Subject) (found []*v1alpha1.Group, _ error) {
	for _, g := range b.groups {
		for _, one := range g.Spec.Subjects {
			if one == s {
				found = append(found, g)
			}
		}
	}
	return found, nil
}

func (b book) GroupsOf(_ context.Context, u *v1alpha1.User) (map[types.NamespacedName]bool, error) {
	found := map[types.NamespacedName]bool{}
	for _, g := range b.groups {
		for _, m := range g.Spec.Members {
			if string(m) == u.Name {
				found[types.NamespacedName{Namespace: g.Namespace, Name: g.Name}] = true
			}
		}
	}
	return found, nil
}

func (b book) DefaultOrganization(context.Context) (*v1alpha1.Organization, error) {
	if b.organization == "" {
		return nil, fault.New(fault.NotFound, "none")
	}
	return &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: b.organization}}, nil
}

func user(name string, subjects ...v1alpha1.Subject) *v1alpha1.User {
	return &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.UserSpec{Subjects: subjects}}
}

func TestPerson(t *testing.T) {
	d := book{users: []*v1alpha1.User{
		user("ada", v1alpha1.Subject{Kind: "User", Name: "oidc:ada"}, v1alpha1.Subject{Kind: "User", Name: "shared"}),
		user("bob", v1alpha1.Subject{Kind: "User", Name: "shared"}, v1alpha1.Subject{Kind: "User", Name: "system:anonymous"}),
		user("bot", v1alpha1.Subject{Kind: "ServiceAccount", Namespace: "ci", Name: "bot"}),
		user("odd", v1alpha1.Subject{Kind: "User", Name: ""}, v1alpha1.Subject{Kind: "User", Name: "a:b"}),
	}}
	for name, c := range map[string]struct {
		identity Kubernetes
		want     string
		wantKind fault.Kind
	}{
		"a user":                                  {identity: Kubernetes{Name: "oidc:ada"}, want: "ada"},
		"a service account":                       {identity: Kubernetes{Name: "system:serviceaccount:ci:bot"}, want: "bot"},
		"a service account elsewhere":             {identity: Kubernetes{Name: "system:serviceaccount:cd:bot"}, wantKind: fault.Forbidden},
		"half a service account":                  {identity: Kubernetes{Name: "system:serviceaccount:ci"}, wantKind: fault.Forbidden},
		"more than a service account":             {identity: Kubernetes{Name: "system:serviceaccount:ci:bot:x"}, wantKind: fault.Forbidden},
		"an identity of two":                      {identity: Kubernetes{Name: "shared"}, wantKind: fault.Forbidden},
		"another case":                            {identity: Kubernetes{Name: "OIDC:ada"}, wantKind: fault.Forbidden},
		"a stranger":                              {identity: Kubernetes{Name: "oidc:eve"}, wantKind: fault.Forbidden},
		"no name, though a User lists one":        {identity: Kubernetes{Name: ""}, wantKind: fault.Unauthenticated},
		"blanks":                                  {identity: Kubernetes{Name: " \t"}, wantKind: fault.Unauthenticated},
		"the anonymous, though a User lists them": {identity: Kubernetes{Name: "system:anonymous"}, wantKind: fault.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := Person(t.Context(), d, c.identity)
			if c.wantKind != 0 {
				if !fault.Is(err, c.wantKind) {
					t.Errorf("%v, %v, want a fault: %v", have, err, c.wantKind)
				}
				return
			}
			if err != nil || have.Name != c.want {
				t.Errorf("%v, %v, want %s", have, err, c.want)
			}
		})
	}
}

func TestAStrangerIsToldWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		identity Kubernetes
		want     string
	}{
		"a user in groups": {
			identity: Kubernetes{Name: "oidc:eve", Groups: []string{"dev", "system:authenticated", "all"}},
			want: `you are "oidc:eve" (groups all, dev), which no User lists in spec.subjects. ` +
				`A user-admin can add {kind: User, name: "oidc:eve"} there: kubectl edit users.berth.dev eve`,
		},
		"an address": {
			identity: Kubernetes{Name: "Eve.Smith@example.org"},
			want: `you are "Eve.Smith@example.org", which no User lists in spec.subjects. ` +
				`A user-admin can add {kind: User, name: "Eve.Smith@example.org"} there: kubectl edit users.berth.dev evesmith`,
		},
		"a service account": {
			identity: Kubernetes{Name: "system:serviceaccount:ci:bot", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"}},
			want: `you are "system:serviceaccount:ci:bot", which no User lists in spec.subjects. ` +
				`A user-admin can add {kind: ServiceAccount, namespace: "ci", name: "bot"} there: kubectl edit users.berth.dev bot`,
		},
		"one of many groups": {
			identity: Kubernetes{Name: "x", Groups: []string{"f", "e", "d", "c", "b", "a"}},
			want: `you are "x" (groups a, b, c, d, e, …), which no User lists in spec.subjects. ` +
				`A user-admin can add {kind: User, name: "x"} there: kubectl edit users.berth.dev x`,
		},
		"a name of signs": {
			identity: Kubernetes{Name: "%\n%"},
			want: `you are "%\n%", which no User lists in spec.subjects. ` +
				`A user-admin can add {kind: User, name: "%\n%"} there: kubectl edit users.berth.dev NAME`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Person(t.Context(), book{}, c.identity)
			if err == nil {
				t.Fatal("a stranger is somebody")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("(-want +have):\n%s", diff)
			}
		})
	}
}

func TestCaller(t *testing.T) {
	group := func(namespace, name string, spec v1alpha1.GroupSpec) *v1alpha1.Group {
		return &v1alpha1.Group{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
	}
	d := book{organization: "a", groups: []*v1alpha1.Group{
		group("a", "declared", v1alpha1.GroupSpec{Members: []v1alpha1.ObjectName{"ada"}}),
		group("a", "brought", v1alpha1.GroupSpec{Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "oidc:dev"}}}),
		group("b", "brought", v1alpha1.GroupSpec{Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "oidc:dev"}}}),
		group("a", "other", v1alpha1.GroupSpec{Members: []v1alpha1.ObjectName{"bob"}, Subjects: []v1alpha1.Subject{{Kind: "User", Name: "oidc:dev"}}}),
	}}
	u := user("ada")
	u.Spec.Roles = []v1alpha1.SiteRole{v1alpha1.SiteRoleAuditor}
	have, err := Caller(t.Context(), d, u, []string{"oidc:dev", "system:authenticated"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[types.NamespacedName]bool{
		{Namespace: "a", Name: "declared"}: true, {Namespace: "a", Name: "brought"}: true, {Namespace: "b", Name: "brought"}: true,
	}
	if diff := cmp.Diff(want, have.Groups); diff != "" {
		t.Errorf("groups (-want +have):\n%s", diff)
	}
	if !have.Member("a") || have.Member("b") || have.User != "ada" || len(have.Roles) != 1 {
		t.Errorf("%+v", have.Subject)
	}
	d.organization = ""
	if have, err = Caller(t.Context(), d, u, nil); err != nil || len(have.Memberships) != 0 || len(have.Groups) != 1 {
		t.Errorf("%+v, %v: without a default organization there is no membership, and without groups none is brought", have, err)
	}
}
