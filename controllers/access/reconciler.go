// SPDX-License-Identifier: Apache-2.0

// Package access lets people do with kubectl, in the namespaces of their organizations, what they may do on the wire. For
// each User who lists Kubernetes identities it keeps RoleBindings of those to the chart's fixed ClusterRoles, and one Role
// with the names of what is the User's own or open to the User. Both follow from the present Users, Groups, Organizations,
// Templates and Workspaces alone, and belong to the User. For each Group that lists groups of Kubernetes identities it keeps
// a Role with the names of the templates that are open to the Group, bound to those; it belongs to the Group.
//
// It gives nobody a right over the whole cluster, and no right that the manager lacks: the kube-apiserver sees to that.
// Which owner and which template a member may write into a Workspace is asked by the admission policy berth-owners; without
// the policies this package is not to run.
package access

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/index"
)

// What is given must be had: a Role can only name verbs that the manager has itself. Where it may write Roles and
// bindings, berth-mountable says; it reads them everywhere, to see what somebody has changed or left behind.
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=berth-member;berth-owner;berth-organization-admin;berth-template-admin;berth-user-admin;berth-auditor,verbs=bind
// +kubebuilder:rbac:groups=berth.dev,resources=owners,verbs=own
// +kubebuilder:rbac:groups=berth.dev,resources=templates,verbs=get;list;watch;use
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces,verbs=get;list;watch;update;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=users;groups;organizations,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch

// Reconciler keeps what Users may do with kubectl.
type Reconciler struct {
	// Client reads from a cache that holds the Roles and RoleBindings that are ours.
	client.Client
	// Off takes back what was given, and gives nothing.
	Off bool
	// Writable is the RoleBinding by which the manager may write Roles and bindings in a namespace; until it is there,
	// nothing is given in that namespace.
	Writable string
}

// scope is what one pass knows.
type scope struct {
	user v1alpha1.User
	kept
}

// Reconcile has one User have what is theirs. Of one that is gone it takes away what the cluster's collector has left.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s := &scope{}
	err := r.Get(ctx, req.NamespacedName, &s.user)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	s.kept = keep(index.BearerUser(req.Name), "User", &s.user, s.user.Spec.Subjects)
	observe := func(ctx context.Context, s *scope) error { return s.observe(ctx, r) }
	withdraw := func(ctx context.Context, s *scope) error { return s.withdraw(ctx, r) }
	grant := func(ctx context.Context, s *scope) error { return s.grant(ctx, r) }
	steps := []phase.Step[scope]{observe, r.want, withdraw, grant}
	if err != nil || s.user.DeletionTimestamp != nil || r.Off {
		steps = []phase.Step[scope]{observe, withdraw}
	}
	return phase.Result(phase.Run(ctx, s, steps...))
}

// want finds what the User is to have: nothing without an identity that is theirs alone, nor while suspended.
func (r *Reconciler) want(ctx context.Context, s *scope) error {
	if s.user.Spec.Suspended || len(s.user.Spec.Subjects) == 0 {
		return nil
	}
	for _, subject := range s.user.Spec.Subjects {
		rivals, err := phase.Rivals(ctx, r, &s.user, &v1alpha1.UserList{}, client.MatchingFields{index.Subject: index.SubjectKey(subject)})
		if err != nil {
			return err
		}
		if len(rivals) > 0 { // one of them is somebody's mistake, and which is not known
			return nil
		}
	}
	var organizations v1alpha1.OrganizationList
	if err := r.List(ctx, &organizations, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	person, err := r.person(ctx, &s.user)
	if err != nil {
		return err
	}
	standing := map[string]bool{}
	for _, o := range organizations.Items {
		standing[o.Name] = o.DeletionTimestamp == nil
	}
	places, err := r.places(ctx, person)
	if err != nil {
		return err
	}
	for _, p := range places {
		if standing[p.organization] {
			s.kept.want.add(name(s.user.Name), p.namespace, rightsAt(person, p))
		}
	}
	return nil
}

// person is the User as far as rights go. The groups that an identity brings along are known to whoever has proven it.
func (r *Reconciler) person(ctx context.Context, u *v1alpha1.User) (authz.Subject, error) {
	groups, err := phase.Groups(ctx, r, u)
	if err != nil {
		return authz.Subject{}, err
	}
	byDefault, err := phase.DefaultOrganization(ctx, r)
	if err != nil {
		return authz.Subject{}, err
	}
	return authz.Subject{
		User: u.Name, Roles: u.Spec.Roles, Groups: groups, Memberships: authz.Memberships(u, byDefault),
	}, nil
}

// places are the namespaces of organizations in which the manager may give rights.
func (r *Reconciler) places(ctx context.Context, person authz.Subject) ([]place, error) {
	var namespaces corev1.NamespaceList
	if err := r.List(ctx, &namespaces, client.HasLabels{v1alpha1.LabelOrganization}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var own v1alpha1.WorkspaceList
	if err := r.List(ctx, &own, client.MatchingFields{index.Owner: person.User}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	workspaces := map[string][]string{}
	for i := range own.Items {
		w := &own.Items[i]
		workspaces[w.Namespace] = append(workspaces[w.Namespace], w.Name)
	}
	var all []place
	for i := range namespaces.Items {
		n := &namespaces.Items[i]
		p := place{
			namespace: n.Name, organization: n.Labels[v1alpha1.LabelOrganization], owner: n.Labels[v1alpha1.LabelOwner],
			workspaces: workspaces[n.Name],
		}
		if n.DeletionTimestamp != nil || p.owner != "" && p.owner != person.User && nothing(rightsAt(person, p)) {
			continue
		}
		if ok, err := mayWrite(ctx, r, n.Name, r.Writable); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		var err error
		if p.templates, err = r.templates(ctx, p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// templates are those that stand in a home namespace; elsewhere there are none that count.
func (r *Reconciler) templates(ctx context.Context, p place) ([]*v1alpha1.Template, error) {
	if p.namespace != p.organization {
		return nil, nil
	}
	return templatesIn(ctx, r, p.namespace)
}

// mayWrite tells whether the manager may give rights in a namespace, by the RoleBinding of that name.
func mayWrite(ctx context.Context, c client.Reader, namespace, writable string) (bool, error) {
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: writable}, &rbacv1.RoleBinding{})
	return err == nil, client.IgnoreNotFound(err)
}

// templatesIn are the cache's own templates of a namespace.
func templatesIn(ctx context.Context, c client.Reader, namespace string) ([]*v1alpha1.Template, error) {
	var list v1alpha1.TemplateList
	if err := c.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	all := make([]*v1alpha1.Template, 0, len(list.Items))
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all, nil
}
