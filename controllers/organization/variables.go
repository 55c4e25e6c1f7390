// SPDX-License-Identifier: Apache-2.0

package organization

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
)

// The values of a version's sensitive variables are stored by the API server, in the organization's home namespace, where
// pods can name them. It is bound there, and nowhere else, to a fixed ClusterRole of the chart that makes Secrets and
// neither reads nor changes any.
const (
	// VariablesRole is the chart's ClusterRole.
	VariablesRole = "berth-variables"
	// VariablesBinding is the RoleBinding to it in every home namespace.
	VariablesBinding = "berth-apiserver-variables"
)

// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,resourceNames=berth-apiserver-variables,verbs=get;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=berth-variables,verbs=bind

// bindVariables lets the API server store the values of sensitive variables in the home namespace. The cache holds bindings
// of another name, so this one is looked at live.
func (r *Reconciler) bindVariables(ctx context.Context, s *scope) error {
	if r.APIServer == "" {
		return nil
	}
	want := rbacv1.RoleBinding{
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: VariablesRole},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.Own, Name: r.APIServer}},
	}
	is, err := r.variables(ctx, s)
	if err != nil {
		return err
	}
	if is != nil && is.RoleRef != want.RoleRef {
		if err := r.unbind(ctx, is); err != nil {
			return err
		}
	} else if is != nil && owned(is, &s.org) && is.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy &&
		equality.Semantic.DeepEqual(is.Subjects, want.Subjects) {
		return nil
	}
	return r.Apply(ctx, applyrbacv1.RoleBinding(VariablesBinding, s.org.Name).
		WithLabels(map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}).
		WithOwnerReferences(applymetav1.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("Organization").WithName(s.org.Name).WithUID(s.org.UID)).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(want.RoleRef.APIGroup).WithKind(want.RoleRef.Kind).WithName(want.RoleRef.Name)).
		WithSubjects(applyrbacv1.Subject().WithKind(rbacv1.ServiceAccountKind).WithNamespace(r.Own).WithName(r.APIServer)),
		phase.Owner, client.ForceOwnership)
}

// withdrawVariables takes that right back where the namespace is not the organization's any more.
func (r *Reconciler) withdrawVariables(ctx context.Context, s *scope) error {
	if r.APIServer == "" || s.holds(s.org.Name) {
		return nil
	}
	is, err := r.variables(ctx, s)
	if err != nil || is == nil || !owned(is, &s.org) {
		return err
	}
	return r.unbind(ctx, is)
}

// variables is the binding as it is; nil when there is none.
func (r *Reconciler) variables(ctx context.Context, s *scope) (*rbacv1.RoleBinding, error) {
	is := &rbacv1.RoleBinding{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.org.Name, Name: VariablesBinding}, is)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return is, err
}
