// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/index"
)

// name is that of a User's Role in a namespace, and of the binding to it.
func name(user string) string { return "berth:user:" + user }

// bindingName is that of a User's binding to a ClusterRole of the chart. No User's name has a colon.
func bindingName(user, role string) string { return name(user) + ":" + role }

// wanted is all that is to be there for one User.
type wanted struct {
	roles    map[client.ObjectKey][]rbacv1.PolicyRule
	bindings map[client.ObjectKey]rbacv1.RoleRef
}

func (w *wanted) add(user, namespace string, r rights) {
	if len(r.rules) > 0 {
		key := client.ObjectKey{Namespace: namespace, Name: name(user)}
		w.roles[key] = r.rules
		w.bindings[key] = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: key.Name}
	}
	for _, role := range r.roles {
		w.bindings[client.ObjectKey{Namespace: namespace, Name: bindingName(user, role)}] =
			rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	}
}

// withdraw takes away what the User is not to have any more, bindings first: nothing is given before what is taken is gone.
func (r *Reconciler) withdraw(ctx context.Context, s *scope) error {
	for i := range s.bindings {
		b := &s.bindings[i]
		if ref, stays := s.want.bindings[client.ObjectKeyFromObject(b)]; stays && ref == b.RoleRef {
			continue
		}
		if err := phase.Remove(ctx, r, b); err != nil {
			return err
		}
	}
	for i := range s.roles {
		role := &s.roles[i]
		if _, stays := s.want.roles[client.ObjectKeyFromObject(role)]; stays {
			continue
		}
		if err := phase.Remove(ctx, r, role); err != nil {
			return err
		}
	}
	return nil
}

// grant makes, and puts right, what the User is to have. Both belong to the User, so that they go with it.
func (r *Reconciler) grant(ctx context.Context, s *scope) error {
	owner := metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: "User", Name: s.user.Name, UID: s.user.UID}
	ref := applymetav1.OwnerReference().WithAPIVersion(owner.APIVersion).WithKind(owner.Kind).WithName(owner.Name).WithUID(owner.UID)
	for _, key := range sorted(s.want.roles) {
		rules := s.want.roles[key]
		i := slices.IndexFunc(s.roles, func(is rbacv1.Role) bool { return client.ObjectKeyFromObject(&is) == key })
		if i >= 0 && ours(&s.roles[i], owner) && equality.Semantic.DeepEqual(s.roles[i].Rules, rules) {
			continue
		}
		role := applyrbacv1.Role(key.Name, key.Namespace).WithLabels(phase.AccessLabels()).WithOwnerReferences(ref)
		for _, is := range rules {
			role.WithRules(applyrbacv1.PolicyRule().WithAPIGroups(is.APIGroups...).WithResources(is.Resources...).
				WithResourceNames(is.ResourceNames...).WithVerbs(is.Verbs...))
		}
		if err := r.Apply(ctx, role, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	subjects := subjectsOf(&s.user)
	for _, key := range sorted(s.want.bindings) {
		i := slices.IndexFunc(s.bindings, func(is rbacv1.RoleBinding) bool { return client.ObjectKeyFromObject(&is) == key })
		if i >= 0 && ours(&s.bindings[i], owner) && equality.Semantic.DeepEqual(s.bindings[i].Subjects, subjects) &&
			s.bindings[i].RoleRef == s.want.bindings[key] {
			continue
		}
		to := s.want.bindings[key]
		binding := applyrbacv1.RoleBinding(key.Name, key.Namespace).WithLabels(phase.AccessLabels()).WithOwnerReferences(ref).
			WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(to.APIGroup).WithKind(to.Kind).WithName(to.Name))
		for _, is := range subjects {
			subject := applyrbacv1.Subject().WithKind(is.Kind).WithName(is.Name)
			if is.APIGroup != "" {
				subject.WithAPIGroup(is.APIGroup)
			}
			if is.Namespace != "" {
				subject.WithNamespace(is.Namespace)
			}
			binding.WithSubjects(subject)
		}
		if err := r.Apply(ctx, binding, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	return nil
}

// subjectsOf are the identities of a User in RBAC's words.
func subjectsOf(u *v1alpha1.User) []rbacv1.Subject {
	subjects := make([]rbacv1.Subject, 0, len(u.Spec.Subjects))
	for _, s := range u.Spec.Subjects {
		subject := rbacv1.Subject{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name}
		if s.Kind != rbacv1.ServiceAccountKind {
			subject.APIGroup = rbacv1.GroupName
		}
		subjects = append(subjects, subject)
	}
	return subjects
}

// ours tells whether an object is marked and owned as what is made here for that User.
func ours(o client.Object, owner metav1.OwnerReference) bool {
	for key, value := range phase.AccessLabels() {
		if o.GetLabels()[key] != value {
			return false
		}
	}
	return slices.ContainsFunc(o.GetOwnerReferences(), func(ref metav1.OwnerReference) bool { return ref.UID == owner.UID })
}

// of selects what was made for a User.
func of(user string) client.ListOption { return client.MatchingFields{index.Bearer: user} }

func sorted[T any](m map[client.ObjectKey]T) []client.ObjectKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b client.ObjectKey) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
}
