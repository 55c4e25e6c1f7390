// SPDX-License-Identifier: Apache-2.0

package organization

import (
	"context"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// A template may name a Secret or ConfigMap only where its label opens it, so the manager must be able to look at that
// label: it binds itself, in the namespaces of organizations and nowhere else, to a fixed ClusterRole of the chart.
//
// The same role lets it make the Secrets that a template generates, and act as a service account of the namespace, with
// whose rights extra objects are applied.
//
// And it lets it write Roles and RoleBindings there, by which people have what their Users give them (package access);
// the kube-apiserver holds those to what the manager has itself.
//
// In effect that adds no right to read or act to what the manager has: it may create pods in any namespace, and whoever
// creates pods in one can mount every Secret there and run as every account. Nor can it become more: it writes
// RoleBindings of one name outside the namespaces of organizations, and binds to the chart's roles alone.
const (
	// MountableRole is the chart's ClusterRole, which nothing else binds.
	MountableRole = "berth-mountable"
	// MountableBinding is the RoleBinding to it in every namespace of an organization.
	MountableBinding = "berth-manager-mountable"
)

// The name stands in the rights: an apply is authorized by the name that it applies to, also where it creates.
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,resourceNames=berth-manager-mountable,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=berth-mountable,verbs=bind

// bind lets the manager look at single Secrets and ConfigMaps of a namespace of the organization.
func (r *Reconciler) bind(ctx context.Context, s *scope, namespace string) error {
	want := rbacv1.RoleBinding{
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: MountableRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.Own, Name: r.Manager}},
	}
	var is rbacv1.RoleBinding
	key := client.ObjectKey{Namespace: namespace, Name: MountableBinding}
	err := r.Get(ctx, key, &is)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, key, &is) // somebody else's, which is not cached, stands in the way
	}
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && is.RoleRef != want.RoleRef {
		// What a binding refers to can't be changed. The name is ours, so that nobody stands in our way by it.
		if err := r.unbind(ctx, &is); err != nil {
			return err
		}
	} else if err == nil && owned(&is, &s.org) && is.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy &&
		equality.Semantic.DeepEqual(is.Subjects, want.Subjects) {
		return nil
	}
	return r.Apply(ctx, applyrbacv1.RoleBinding(MountableBinding, namespace).
		WithLabels(map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}).
		WithOwnerReferences(applymetav1.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("Organization").WithName(s.org.Name).WithUID(s.org.UID)).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(want.RoleRef.APIGroup).WithKind(want.RoleRef.Kind).WithName(want.RoleRef.Name)).
		WithSubjects(applyrbacv1.Subject().WithKind(rbacv1.ServiceAccountKind).WithNamespace(r.Own).WithName(r.Manager)),
		phase.Owner, client.ForceOwnership)
}

// withdraw removes the organization's bindings, and what people have, from the namespaces that are not its own any more.
func (r *Reconciler) withdraw(ctx context.Context, s *scope) error {
	var bindings rbacv1.RoleBindingList
	if err := r.List(ctx, &bindings, client.MatchingLabels{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}); err != nil {
		return err
	}
	for i := range bindings.Items {
		b := &bindings.Items[i]
		if b.Name != MountableBinding || !owned(b, &s.org) || s.holds(b.Namespace) {
			continue
		}
		found, err := phase.ClearAccess(ctx, r, b.Namespace)
		if err != nil {
			return err
		}
		if found {
			return phase.Wait(time.Second, v1alpha1.ReasonProgressing, "what people may do in namespace %s is being taken back", b.Namespace)
		}
		if err := r.unbind(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// unbind removes a binding as it was read: one that another organization took over meanwhile stays.
func (r *Reconciler) unbind(ctx context.Context, b *rbacv1.RoleBinding) error {
	return client.IgnoreNotFound(r.Delete(ctx, b, client.Preconditions{UID: &b.UID, ResourceVersion: &b.ResourceVersion}))
}

// holds tells whether a namespace is the organization's. One that is ending is not, and none is while the organization
// itself is being deleted.
func (s *scope) holds(namespace string) bool {
	if s.org.DeletionTimestamp != nil {
		return false
	}
	if namespace == s.org.Name {
		if s.home == nil || s.home.DeletionTimestamp != nil {
			return false
		}
		label := s.home.Labels[v1alpha1.LabelOrganization]
		return label == "" || label == s.org.Name
	}
	for i := range s.further {
		if s.further[i].Name == namespace {
			return true
		}
	}
	return false
}

// owned tells whether an object belongs to the organization.
func owned(o metav1.Object, org *v1alpha1.Organization) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(ref metav1.OwnerReference) bool { return ref.UID == org.UID })
}
