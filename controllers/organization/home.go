// SPDX-License-Identifier: Apache-2.0

package organization

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// podSecurity is the level of an organization that states none.
const podSecurity = "restricted"

// look is how long a namespace that is ending, and that no watch of ours covers, is left before it is looked at again.
const look = 5 * time.Second

// identity refuses an organization whose id or name is another's.
func (r *Reconciler) identity(ctx context.Context, s *scope) error {
	if err := phase.HoldsID(ctx, r, &s.org, &v1alpha1.OrganizationList{}); err != nil {
		return err
	}
	return phase.HoldsName(ctx, r, &s.org, s.org.WireName(), &v1alpha1.OrganizationList{})
}

// observe reads the namespaces. One that was never labelled is in no cache of ours, so it is asked for live.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	var home corev1.Namespace
	err := r.Get(ctx, client.ObjectKey{Name: s.org.Name}, &home)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, client.ObjectKey{Name: s.org.Name}, &home)
	}
	switch {
	case err == nil:
		s.home = &home
	case !apierrors.IsNotFound(err):
		return err
	}
	var labelled corev1.NamespaceList
	if err := r.List(ctx, &labelled, client.MatchingLabels{v1alpha1.LabelOrganization: s.org.Name}); err != nil {
		return err
	}
	for _, n := range labelled.Items {
		if n.Name != s.org.Name && n.DeletionTimestamp == nil && !r.reserved(n.Name) {
			s.further = append(s.further, n)
		}
	}
	return nil
}

// reserved tells whether a namespace is the cluster's own or Berth's. No organization gets it: whoever may make
// organizations would otherwise decide what runs beside the cluster's own programs.
func (r *Reconciler) reserved(namespace string) bool {
	return namespace == r.Own || strings.HasPrefix(namespace, "kube-")
}

// decide refuses a home that is not to be had.
func (r *Reconciler) decide(_ context.Context, s *scope) error {
	switch {
	case r.reserved(s.org.Name):
		return fault.On("metadata.name", "namespace %q belongs to the cluster or to Berth itself and becomes no organization; "+
			"choose another name", s.org.Name).Because(v1alpha1.ReasonNamespaceTaken)
	case s.home == nil:
		return nil
	}
	if other := s.home.Labels[v1alpha1.LabelOrganization]; other != "" && other != s.org.Name {
		return fault.On("metadata.name", "namespace %q belongs to organization %q by its label %s; choose another name, or take "+
			"the label off", s.org.Name, other, v1alpha1.LabelOrganization).Because(v1alpha1.ReasonNamespaceTaken)
	}
	if s.home.DeletionTimestamp != nil {
		return phase.Wait(look, v1alpha1.ReasonNamespaceTerminating, "namespace %s is being deleted; it is made anew afterwards", s.org.Name)
	}
	return nil
}

// apply brings the namespaces, their accounts and their bindings to what they should be.
func (r *Reconciler) apply(ctx context.Context, s *scope) error {
	home := applycorev1.Namespace(s.org.Name).WithLabels(s.security()).
		WithLabels(map[string]string{v1alpha1.LabelOrganization: s.org.Name})
	if s.home == nil || !within(home.Labels, s.home.Labels) {
		if err := r.Apply(ctx, home, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
		s.home = &corev1.Namespace{}
		s.home.Name, s.home.Labels = s.org.Name, home.Labels
	}
	if err := r.furnish(ctx, s, s.org.Name); err != nil {
		return err
	}
	for i := range s.further {
		n := &s.further[i]
		if !within(s.security(), n.Labels) {
			level := applycorev1.Namespace(n.Name).WithUID(n.UID).WithLabels(s.security())
			if err := r.Apply(ctx, level, phase.Owner, client.ForceOwnership); err != nil {
				return err
			}
		}
		if err := r.furnish(ctx, s, n.Name); err != nil {
			return err
		}
	}
	return nil
}

// furnish gives a namespace what workspaces need there.
func (r *Reconciler) furnish(ctx context.Context, s *scope, namespace string) error {
	if err := r.account(ctx, s, namespace); err != nil {
		return err
	}
	return r.bind(ctx, s, namespace)
}

// security are the labels by which a namespace holds its pods to the organization's level.
func (s *scope) security() map[string]string {
	level := s.org.Spec.PodSecurity
	if level == "" {
		level = podSecurity
	}
	return map[string]string{
		"pod-security.kubernetes.io/enforce": level,
		"pod-security.kubernetes.io/audit":   level,
		"pod-security.kubernetes.io/warn":    level,
	}
}

// account makes the account of the workspaces in a namespace: without rights, and without a token in its pods. One that
// the Organization names and somebody else made is theirs, and left as it is.
func (r *Reconciler) account(ctx context.Context, s *scope, namespace string) error {
	name := s.org.ServiceAccount()
	key := client.ObjectKey{Namespace: namespace, Name: name}
	var account corev1.ServiceAccount
	err := r.Get(ctx, key, &account)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, key, &account)
	}
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	ours := account.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy
	if err == nil && ours && !ptr.Deref(account.AutomountServiceAccountToken, true) {
		return nil
	}
	if err == nil && !ours && s.org.Spec.ServiceAccountName != "" {
		return nil
	}
	return r.Apply(ctx, applycorev1.ServiceAccount(name, namespace).
		WithLabels(map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy}).
		WithAutomountServiceAccountToken(false), phase.Owner, client.ForceOwnership)
}

// soleDefault stalls an organization that calls itself the default one beside an older one. It comes last: the home is
// there all the same.
func (r *Reconciler) soleDefault(ctx context.Context, s *scope) error {
	if !s.org.Spec.Default {
		return nil
	}
	elder, err := phase.Elder(ctx, r, &s.org, &v1alpha1.OrganizationList{}, client.MatchingFields{index.Default: "true"})
	if err != nil || elder == nil {
		return err
	}
	return fault.On("spec.default", "Organization %s is the default one already; set it on one only", elder.GetName()).
		Because(v1alpha1.ReasonDefaultTaken)
}

// release gives the namespaces back: the manager's bindings go from all of them, and the home's label as far as it is
// ours. All else stays.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if err := r.withdraw(ctx, s); err != nil {
		return err
	}
	if s.home != nil && s.home.DeletionTimestamp == nil && s.home.Labels[v1alpha1.LabelOrganization] == s.org.Name {
		kept := applycorev1.Namespace(s.home.Name).WithUID(s.home.UID).WithLabels(s.security())
		if err := r.Apply(ctx, kept, phase.Owner, client.ForceOwnership); err != nil {
			return err
		}
	}
	if err := phase.RemoveFinalizer(ctx, r.Client, &s.org, Finalizer); err != nil {
		return err
	}
	return errReleased
}

// within tells whether every label wanted is there.
func within(want, have map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}
