// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// The subjects of the matrix. All but the outsider and the nobody belong to the organization a.
var subjects = map[string]Subject{
	"owner":          {User: "owner", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}},
	"template-admin": {User: "tess", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleTemplateAdmin}},
	"user-admin":     {User: "uma", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleUserAdmin}},
	"auditor":        {User: "otto", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleAuditor}},
	"org-admin":      {User: "orla", Memberships: in("a", v1alpha1.OrganizationRoleAdmin)},
	"ada":            {User: "ada", Memberships: in("a")},
	"peer":           {User: "pia", Memberships: in("a")},
	"in-group":       {User: "gus", Memberships: in("a"), Groups: map[types.NamespacedName]bool{{Namespace: "a", Name: "backend"}: true}},
	"left":           {User: "ada", Memberships: in("b"), Groups: map[types.NamespacedName]bool{{Namespace: "a", Name: "backend"}: true}},
	"outsider":       {User: "eve", Memberships: in("b", v1alpha1.OrganizationRoleAdmin), Groups: map[types.NamespacedName]bool{{Namespace: "b", Name: "backend"}: true}},
	"nobody":         {Memberships: in("a", v1alpha1.OrganizationRoleAdmin), Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}},
}

func in(organization string, roles ...v1alpha1.OrganizationRole) map[string][]v1alpha1.OrganizationRole {
	return map[string][]v1alpha1.OrganizationRole{organization: roles}
}

func template(access ...v1alpha1.AccessEntry) Object {
	return TemplateObject(&v1alpha1.Template{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}, Spec: v1alpha1.TemplateSpec{Access: access}})
}

func user(name string, change ...func(*v1alpha1.UserSpec)) Object {
	u := &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, f := range change {
		f(&u.Spec)
	}
	return UserObject(u, "a")
}

// The identity provider has the accounts that it keeps, and nothing else; nobody else has those as such.
func TestTheProviderKeepsAccountsAndNothingElse(t *testing.T) {
	provider := Subject{Provider: true, User: "owner", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner}}
	if got := allowed(provider, ProvisionedObject()); got != "rucUdA" {
		t.Errorf("the provider may %q", got)
	}
	for _, o := range []Object{user("ada"), NewUser(), WorkspaceObject("a", "ada"), KeyObject("ada"), NewGroup("a"), NewOrganization()} {
		if got := allowed(provider, o); got != "" {
			t.Errorf("the provider may %q to a %s", got, o.Kind)
		}
	}
	for who, s := range subjects {
		if got := allowed(s, ProvisionedObject()); got != "" {
			t.Errorf("%s may %q to a provisioned account", who, got)
		}
	}
}

// Each cell holds the first letters of the allowed actions: read, use, create, update, delete, and A for administer.
func TestCan(t *testing.T) {
	const all, none = "rucUdA", ""
	for name, c := range map[string]struct {
		object Object
		want   map[string]string
	}{
		"ada's workspace": {
			object: WorkspaceObject("a", "ada"),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": all, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a workspace without an owner": {
			object: WorkspaceObject("a", ""),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a template for everyone": {
			object: template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}),
			want: map[string]string{"owner": all, "template-admin": all, "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": "ru", "peer": "ru", "in-group": "ru", "left": none, "outsider": none, "nobody": none},
		},
		"a template for a group": {
			object: template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindGroup, Name: "backend", Role: v1alpha1.AccessRoleUse}),
			want: map[string]string{"owner": all, "template-admin": all, "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": none, "peer": none, "in-group": "ru", "left": none, "outsider": none, "nobody": none},
		},
		"a template that is open to another organization": {
			object: template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindOrganization, Name: "b", Role: v1alpha1.AccessRoleUse}),
			want: map[string]string{"owner": all, "template-admin": all, "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": none, "peer": none, "in-group": none, "left": "ru", "outsider": "ru", "nobody": none},
		},
		"a template that another organization would change": {
			object: template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindOrganization, Name: "b", Role: v1alpha1.AccessRoleAdmin}),
			want: map[string]string{"owner": all, "template-admin": all, "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a template that ada administers": {
			object: template(
				v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindUser, Name: "ada", Role: v1alpha1.AccessRoleAdmin},
				v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindUser, Name: "eve", Role: v1alpha1.AccessRoleAdmin}),
			want: map[string]string{"owner": all, "template-admin": all, "user-admin": none, "auditor": "r", "org-admin": all,
				"ada": "ruUdA", "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a group": {
			object: GroupObject(&v1alpha1.Group{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}}),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": all, "auditor": "r", "org-admin": all,
				"ada": "r", "peer": "r", "in-group": "r", "left": none, "outsider": none, "nobody": none},
		},
		"the organization": {
			object: OrganizationObject(&v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: "a"}}),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": "r", "auditor": "r", "org-admin": "rU",
				"ada": "r", "peer": "r", "in-group": "r", "left": none, "outsider": none, "nobody": none},
		},
		"ada's archive": {
			object: FileObject("ada", false),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": none,
				"ada": "r", "peer": none, "in-group": none, "left": "r", "outsider": none, "nobody": none},
		},
		"an archive of ada, who may change a template": {
			object: FileObject("ada", true),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": none,
				"ada": "rc", "peer": none, "in-group": none, "left": "rc", "outsider": none, "nobody": none},
		},
		"an archive of an organization's administrator": {
			object: FileObject("orla", false),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": "rc",
				"ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"ada's account": {
			object: user("ada"),
			want: map[string]string{"owner": all, "template-admin": "r", "user-admin": all, "auditor": "r", "org-admin": "r",
				"ada": "rU", "peer": none, "in-group": none, "left": "rU", "outsider": none, "nobody": none},
		},
		"ada's membership": {
			object: MemberObject(&v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "ada"}}, "a"),
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": "r", "auditor": "r", "org-admin": "rcUd", "ada": "r", "peer": none, "in-group": none, "left": "r", "outsider": none, "nobody": none},
		},
		"the membership of an owner, who is called as the subject is": {
			object: MemberObject(&v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Spec: v1alpha1.UserSpec{Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleAuditor}}}, "a"),
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": "r", "auditor": "r", "org-admin": "r", "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a group to be made": {
			object: NewGroup("a"),
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": all, "auditor": "r", "org-admin": all, "ada": "r", "peer": "r", "in-group": "r", "left": none, "outsider": none, "nobody": none},
		},
		"an organization to be made": {
			object: NewOrganization(),
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": "r", "auditor": "r", "org-admin": none, "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"an account to be made": {
			object: NewUser(),
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": all, "auditor": "r", "org-admin": none, "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"a shell in ada's workspace": {
			object: Object{Kind: Execution, Organization: "a", Owner: "ada"},
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none, "ada": all, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"ada's keys": {
			object: KeyObject("ada"),
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none, "ada": all, "peer": none, "in-group": none, "left": all, "outsider": none, "nobody": none},
		},
		"everybody's keys": {
			object: KeyObject(""),
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none, "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"what is kept for ada": {
			object: Object{Kind: UserData, Owner: "ada"},
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none, "ada": "rU", "peer": none, "in-group": none, "left": "rU", "outsider": none, "nobody": none},
		},
		"the giving of roles": {
			object: Object{Kind: AssignRole},
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": "r", "auditor": "r", "org-admin": "r", "ada": "r", "peer": "r", "in-group": "r", "left": "r", "outsider": "r", "nobody": none},
		},
		"the giving of roles in the organization": {
			object: Object{Kind: AssignOrganizationRole, Organization: "a"},
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": all, "ada": "r", "peer": "r", "in-group": "r", "left": none, "outsider": none, "nobody": none},
		},
		"what makes builds": {
			object: Object{Kind: Daemon, Organization: "a"},
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": "r", "ada": "r", "peer": "r", "in-group": "r", "left": none, "outsider": none, "nobody": none},
		},
		"figures of use": {
			object: Object{Kind: Insights, Organization: "a"},
			want:   map[string]string{"owner": all, "template-admin": "r", "user-admin": none, "auditor": "r", "org-admin": none, "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"licences": {
			object: LicenseObject(),
			want:   map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none, "ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
		"what nobody knows": {
			object: Object{Kind: "licence", Organization: "a", Owner: "ada"},
			want: map[string]string{"owner": all, "template-admin": none, "user-admin": none, "auditor": "r", "org-admin": none,
				"ada": none, "peer": none, "in-group": none, "left": none, "outsider": none, "nobody": none},
		},
	} {
		t.Run(name, func(t *testing.T) {
			have := map[string]string{}
			for who, s := range subjects {
				have[who] = allowed(s, c.object)
			}
			if diff := cmp.Diff(c.want, have); diff != "" {
				t.Errorf("(-want +have):\n%s", diff)
			}
		})
	}
}

func allowed(s Subject, o Object) string {
	var letters strings.Builder
	for _, a := range []struct {
		action Action
		letter string
	}{{Read, "r"}, {Use, "u"}, {Create, "c"}, {Update, "U"}, {Delete, "d"}, {Administer, "A"}} {
		if s.Can(a.action, o) {
			letters.WriteString(a.letter)
		}
	}
	return letters.String()
}

// A weaker person never touches a stronger one's account, by whatever action; equals neither.
func TestAdvisory_V16_NobodyTouchesAStrongerAccount(t *testing.T) {
	role := func(r v1alpha1.SiteRole) func(*v1alpha1.UserSpec) {
		return func(s *v1alpha1.UserSpec) { s.Roles = []v1alpha1.SiteRole{r} }
	}
	targets := map[string]Object{
		"an owner":                 user("x", role(v1alpha1.SiteRoleOwner)),
		"a user administrator":     user("x", role(v1alpha1.SiteRoleUserAdmin)),
		"a template administrator": user("x", role(v1alpha1.SiteRoleTemplateAdmin)),
		"an auditor":               user("x", role(v1alpha1.SiteRoleAuditor)),
		"an organization administrator": user("x", func(s *v1alpha1.UserSpec) {
			s.Memberships = []v1alpha1.Membership{{Organization: "a", Roles: []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}}}
		}),
	}
	for target, object := range targets {
		for who, s := range subjects {
			if who == "owner" {
				continue
			}
			for _, a := range []Action{Create, Update, Delete, Administer} {
				if s.Can(a, object) {
					t.Errorf("%s may %s %s", who, a, target)
				}
			}
		}
	}
	self := Subject{User: "x", Roles: []v1alpha1.SiteRole{v1alpha1.SiteRoleUserAdmin}}
	if self.Can(Delete, targets["a user administrator"]) || self.Can(Administer, targets["a user administrator"]) {
		t.Error("a user administrator may delete or administer the own account")
	}
	for who, s := range subjects {
		for _, r := range []v1alpha1.SiteRole{v1alpha1.SiteRoleOwner, v1alpha1.SiteRoleUserAdmin, v1alpha1.SiteRoleTemplateAdmin, v1alpha1.SiteRoleAuditor} {
			if s.CanAssign(r) != (who == "owner") {
				t.Errorf("%s may give the role %s: %v", who, r, s.CanAssign(r))
			}
		}
		if have := s.CanAssignIn("a", v1alpha1.OrganizationRoleAdmin); have != (who == "owner" || who == "org-admin") {
			t.Errorf("%s may make administrators of the organization: %v", who, have)
		}
	}
}

// Every list that is left out, empty or of a form that nobody knows gives no right.
func TestAdvisory_V32_AnUnsetListLetsInNobody(t *testing.T) {
	for name, o := range map[string]Object{
		"no access list":          template(),
		"an entry without a role": template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindEveryone}),
		"an entry without a kind": template(v1alpha1.AccessEntry{Role: v1alpha1.AccessRoleUse}),
		"a user without a name":   template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindUser, Role: v1alpha1.AccessRoleUse}),
		"a group without a name":  template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindGroup, Role: v1alpha1.AccessRoleUse}),
		"the zero object":         {},
		"a workspace of nobody":   WorkspaceObject("", ""),
		"a template nowhere":      NewTemplate(""),
	} {
		t.Run(name, func(t *testing.T) {
			for _, who := range []string{"ada", "peer", "in-group", "outsider", "nobody"} {
				if have := allowed(subjects[who], o); have != "" {
					t.Errorf("%s may %q", who, have)
				}
			}
		})
	}
	if have := allowed(Subject{}, template(v1alpha1.AccessEntry{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleAdmin})); have != "" {
		t.Errorf("nobody may %q", have)
	}
	if From(context.Background()).Known() {
		t.Error("a context without a caller knows somebody")
	}
}

// What a list opens to a group is what its members may do by the list alone, and no more.
func TestOpenToGroup(t *testing.T) {
	backend := types.NamespacedName{Namespace: "a", Name: "backend"}
	entry := func(kind v1alpha1.AccessKind, name string, role v1alpha1.AccessRole) v1alpha1.AccessEntry {
		return v1alpha1.AccessEntry{Kind: kind, Name: v1alpha1.ObjectName(name), Role: role}
	}
	for name, c := range map[string]struct {
		entry v1alpha1.AccessEntry
		want  bool
	}{
		"to use":                       {entry(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleUse), true},
		"to administer":                {entry(v1alpha1.AccessKindGroup, "backend", v1alpha1.AccessRoleAdmin), true},
		"in a role that nobody knows":  {entry(v1alpha1.AccessKindGroup, "backend", "Own"), false},
		"another group":                {entry(v1alpha1.AccessKindGroup, "frontend", v1alpha1.AccessRoleUse), false},
		"a person of its name":         {entry(v1alpha1.AccessKindUser, "backend", v1alpha1.AccessRoleUse), false},
		"an organization of its name":  {entry(v1alpha1.AccessKindOrganization, "backend", v1alpha1.AccessRoleUse), false},
		"everyone, so not as in-group": {entry(v1alpha1.AccessKindEveryone, "", v1alpha1.AccessRoleUse), false},
	} {
		t.Run(name, func(t *testing.T) {
			o := template(c.entry)
			if have := o.OpenToGroup(Use, backend); have != c.want {
				t.Errorf("open: %v", have)
			}
			if o.OpenToGroup(Update, backend) != (c.want && c.entry.Role == v1alpha1.AccessRoleAdmin) {
				t.Error("whom it lets use it alone may change it")
			}
			if c.want && !subjects["in-group"].Can(Use, o) {
				t.Error("a member of the group may not")
			}
			if o.OpenToGroup(Use, types.NamespacedName{Namespace: "b", Name: "backend"}) {
				t.Error("it is open to another organization's group")
			}
		})
	}
	if NewGroup("a").OpenToGroup(Read, backend) {
		t.Error("what is no template is open")
	}
}

func TestMemberships(t *testing.T) {
	member := []v1alpha1.Membership{{Organization: "b"}}
	for name, c := range map[string]struct {
		memberships []v1alpha1.Membership
		byDefault   string
		want        []string
	}{
		"the default one, where none is named": {byDefault: "a", want: []string{"a"}},
		"only those that are named":            {memberships: member, byDefault: "a", want: []string{"b"}},
		"none, where there is no default":      {want: []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			have := Memberships(&v1alpha1.User{Spec: v1alpha1.UserSpec{Memberships: c.memberships}}, c.byDefault)
			names := []string{}
			for n := range have {
				names = append(names, n)
			}
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("(-want +have):\n%s", diff)
			}
		})
	}
}
