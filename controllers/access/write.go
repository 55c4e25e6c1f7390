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

// bindingName is that of a binding to a ClusterRole of the chart beside the Role of the name. No User's name has a colon.
func bindingName(name, role string) string { return name + ":" + role }

// groupName is that of a Group's Role in its namespace, and of the binding to it.
func groupName(group string) string { return "berth:group:" + group }

// kept is what is kept for one User or Group.
type kept struct {
	// bearer is whom it is kept for, as the index has it.
	bearer string
	// owner is the object that it belongs to, and subjects are the identities that are bound.
	owner    metav1.OwnerReference
	subjects []rbacv1.Subject
	// roles and bindings are what is there, and want what is to be.
	roles    []rbacv1.Role
	bindings []rbacv1.RoleBinding
	want     wanted
}

func keep(bearer, kind string, o client.Object, subjects []v1alpha1.Subject) kept {
	return kept{
		bearer: bearer, subjects: inRBAC(subjects),
		owner: metav1.OwnerReference{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind, Name: o.GetName(), UID: o.GetUID()},
		want:  wanted{roles: map[client.ObjectKey][]rbacv1.PolicyRule{}, bindings: map[client.ObjectKey]rbacv1.RoleRef{}},
	}
}

// wanted is all that is to be there for one User or Group.
type wanted struct {
	roles    map[client.ObjectKey][]rbacv1.PolicyRule
	bindings map[client.ObjectKey]rbacv1.RoleRef
}

// add wishes rights in a namespace, by a Role of the name.
func (w *wanted) add(name, namespace string, r rights) {
	if len(r.rules) > 0 {
		key := client.ObjectKey{Namespace: namespace, Name: name}
		w.roles[key] = r.rules
		w.bindings[key] = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: key.Name}
	}
	for _, role := range r.roles {
		w.bindings[client.ObjectKey{Namespace: namespace, Name: bindingName(name, role)}] =
			rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}
	}
}

// observe reads what is there.
func (k *kept) observe(ctx context.Context, c client.Client) error {
	var roles rbacv1.RoleList
	if err := c.List(ctx, &roles, of(k.bearer)); err != nil {
		return err
	}
	var bindings rbacv1.RoleBindingList
	if err := c.List(ctx, &bindings, of(k.bearer)); err != nil {
		return err
	}
	k.roles, k.bindings = roles.Items, bindings.Items
	return nil
}

// withdraw takes away what is not to be had any more, bindings first: nothing is given before what is taken is gone.
func (k *kept) withdraw(ctx context.Context, c client.Client) error {
	for i := range k.bindings {
		b := &k.bindings[i]
		if ref, stays := k.want.bindings[client.ObjectKeyFromObject(b)]; stays && ref == b.RoleRef {
			continue
		}
		if err := phase.Remove(ctx, c, b); err != nil {
			return err
		}
	}
	for i := range k.roles {
		role := &k.roles[i]
		if _, stays := k.want.roles[client.ObjectKeyFromObject(role)]; stays {
			continue
		}
		if err := phase.Remove(ctx, c, role); err != nil {
			return err
		}
	}
	return nil
}

// grant makes, and puts right, what is to be had. All of it belongs to the User or Group, so that it goes with it.
func (k *kept) grant(ctx context.Context, c client.Client) error {
	owner := k.owner
	ref := applymetav1.OwnerReference().WithAPIVersion(owner.APIVersion).WithKind(owner.Kind).WithName(owner.Name).WithUID(owner.UID)
	for _, key := range sorted(k.want.roles) {
		rules := k.want.roles[key]
		i := slices.IndexFunc(k.roles, func(is rbacv1.Role) bool { return client.ObjectKeyFromObject(&is) == key })
		if i >= 0 && ours(&k.roles[i], owner) && equality.Semantic.DeepEqual(k.roles[i].Rules, rules) {
			continue
		}
		role := applyrbacv1.Role(key.Name, key.Namespace).WithLabels(phase.AccessLabels()).WithOwnerReferences(ref)
		for _, is := range rules {
			role.WithRules(applyrbacv1.PolicyRule().WithAPIGroups(is.APIGroups...).WithResources(is.Resources...).
				WithResourceNames(is.ResourceNames...).WithVerbs(is.Verbs...))
		}
		if err := c.Apply(ctx, role, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	for _, key := range sorted(k.want.bindings) {
		i := slices.IndexFunc(k.bindings, func(is rbacv1.RoleBinding) bool { return client.ObjectKeyFromObject(&is) == key })
		if i >= 0 && ours(&k.bindings[i], owner) && equality.Semantic.DeepEqual(k.bindings[i].Subjects, k.subjects) &&
			k.bindings[i].RoleRef == k.want.bindings[key] {
			continue
		}
		to := k.want.bindings[key]
		binding := applyrbacv1.RoleBinding(key.Name, key.Namespace).WithLabels(phase.AccessLabels()).WithOwnerReferences(ref).
			WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(to.APIGroup).WithKind(to.Kind).WithName(to.Name))
		for _, is := range k.subjects {
			subject := applyrbacv1.Subject().WithKind(is.Kind).WithName(is.Name)
			if is.APIGroup != "" {
				subject.WithAPIGroup(is.APIGroup)
			}
			if is.Namespace != "" {
				subject.WithNamespace(is.Namespace)
			}
			binding.WithSubjects(subject)
		}
		if err := c.Apply(ctx, binding, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	return nil
}

// inRBAC are identities in RBAC's words.
func inRBAC(all []v1alpha1.Subject) []rbacv1.Subject {
	subjects := make([]rbacv1.Subject, 0, len(all))
	for _, s := range all {
		subject := rbacv1.Subject{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name}
		if s.Kind != rbacv1.ServiceAccountKind {
			subject.APIGroup = rbacv1.GroupName
		}
		subjects = append(subjects, subject)
	}
	return subjects
}

// ours tells whether an object is marked and owned as what is made here for that owner.
func ours(o client.Object, owner metav1.OwnerReference) bool {
	for key, value := range phase.AccessLabels() {
		if o.GetLabels()[key] != value {
			return false
		}
	}
	return slices.ContainsFunc(o.GetOwnerReferences(), func(ref metav1.OwnerReference) bool { return ref.UID == owner.UID })
}

// of selects what was made for a User or Group.
func of(bearer string) client.ListOption { return client.MatchingFields{index.Bearer: bearer} }

func sorted[T any](m map[client.ObjectKey]T) []client.ObjectKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b client.ObjectKey) int {
		return slices.Compare([]string{a.Namespace, a.Name}, []string{b.Namespace, b.Name})
	})
}
