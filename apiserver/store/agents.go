// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
)

// PodParts is whose a pod is.
type PodParts struct {
	// Slot is the prepared workspace whose pod it is, or was until it was claimed; nil where there is none.
	Slot *v1alpha1.WarmWorkspace
	// Workspace is whose pod it is; nil while it is nobody's.
	Workspace *v1alpha1.Workspace
}

// PodByUID finds whose a pod is. Only the manager writes down which pod is whose: what a pod says of itself proves nothing.
// It is NotFound when the pod is nobody's, or the cache does not know of it yet.
func (s *Store) PodByUID(ctx context.Context, uid types.UID) (PodParts, error) {
	slots, err := list[*v1alpha1.WarmWorkspace](ctx, s, &v1alpha1.WarmWorkspaceList{}, index.Pod, string(uid))
	if err != nil {
		return PodParts{}, err
	}
	workspaces, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Pod, string(uid))
	if err != nil {
		return PodParts{}, err
	}
	var p PodParts
	switch {
	case len(slots) > 1 || len(workspaces) > 1:
		return PodParts{}, notFound() // nobody can tell whose it is
	case len(slots) == 1 && slots[0].Spec.Claim != nil:
		p.Slot = slots[0]
		// The claim says so before the workspace does.
		p.Workspace, err = s.claimant(ctx, p.Slot)
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
	case len(slots) == 1:
		p.Slot = slots[0]
	case len(workspaces) == 1 && workspaces[0].Status.Pod.Slot != "":
		// It was prepared, and the record is gone by which its agents were told: what was issued before must not count again.
		return PodParts{}, notFound()
	case len(workspaces) == 1:
		p.Workspace = workspaces[0]
	default:
		return PodParts{}, notFound()
	}
	return p, err
}

// claimant is the workspace that a claim names.
func (s *Store) claimant(ctx context.Context, slot *v1alpha1.WarmWorkspace) (*v1alpha1.Workspace, error) {
	w := &v1alpha1.Workspace{}
	ref := slot.Spec.Claim.WorkspaceRef
	if err := s.get(ctx, slot.Namespace, string(ref.Name), w); err != nil {
		return nil, err
	}
	if w.UID != ref.UID {
		return nil, notFound()
	}
	return w, nil
}

// Slot reads a prepared workspace again; NotFound when it is gone, also where another has its name.
func (s *Store) Slot(ctx context.Context, of *v1alpha1.WarmWorkspace) (*v1alpha1.WarmWorkspace, error) {
	slot := &v1alpha1.WarmWorkspace{}
	if err := s.get(ctx, of.Namespace, of.Name, slot); err != nil {
		return nil, err
	}
	if slot.UID != of.UID {
		return nil, notFound()
	}
	return slot, nil
}

// SlotNow is Slot past the cache, for who decides by what this process has written just before.
func (s *Store) SlotNow(ctx context.Context, of *v1alpha1.WarmWorkspace) (*v1alpha1.WarmWorkspace, error) {
	slot := &v1alpha1.WarmWorkspace{}
	if err := s.live.Get(ctx, client.ObjectKeyFromObject(of), slot); err != nil {
		return nil, asFault(err)
	}
	if slot.UID != of.UID {
		return nil, notFound()
	}
	return slot, nil
}

// SlotAgents are the agents of a prepared workspace, by the content of its version.
func (s *Store) SlotAgents(ctx context.Context, slot *v1alpha1.WarmWorkspace) ([]string, error) {
	v, err := s.version(ctx, slot.Namespace, slot.Spec.VersionRef)
	if err != nil {
		return nil, err
	}
	if len(v.Spec.Content.Agents) == 0 {
		return []string{render.DefaultAgent}, nil
	}
	names := make([]string, 0, len(v.Spec.Content.Agents))
	for _, a := range v.Spec.Content.Agents {
		names = append(names, a.Name)
	}
	return names, nil
}

// SetSlotAgent writes what is known of one agent of a prepared workspace, and nothing of the others: it is applied, so that
// it never runs into what the manager or another agent's server writes. Whoever applies an agent replaces what was applied
// of it before. Where the agent has been given another secret
// meanwhile, nothing is written: a Conflict.
func (s *Store) SetSlotAgent(ctx context.Context, slot *v1alpha1.WarmWorkspace, a v1alpha1.WarmAgent) error {
	entry := map[string]any{"name": a.Name}
	if a.Connected {
		entry["connected"] = true
	}
	if a.Replica != "" {
		entry["replica"] = a.Replica
	}
	if a.SecretHash != "" {
		entry["secretHash"] = a.SecretHash
	}
	if a.Bound {
		entry["bound"] = true
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"uid": string(slot.UID)},
		"status":   map[string]any{"agents": []any{entry}},
	}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("WarmWorkspace"))
	u.SetNamespace(slot.Namespace)
	u.SetName(slot.Name)
	err := s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(Owner+"/"+a.Name), client.ForceOwnership)
	if apierrors.IsInvalid(err) {
		f := fault.New(fault.Conflict, "The agent has been given its secret by another connection.")
		f.Cause = err
		return f
	}
	return asFault(err)
}

// BindSlot works out what the agents of a claimed pod are told: by agent, the variables that say whose it is. It is
// NotFound while the cache does not know of all that the claim names.
func (s *Store) BindSlot(ctx context.Context, slot *v1alpha1.WarmWorkspace) (map[string][]v1alpha1.EnvVar, error) {
	w, err := s.claimant(ctx, slot)
	if err != nil {
		return nil, err
	}
	owner, err := s.User(ctx, string(w.Spec.Owner.User))
	if err != nil {
		return nil, err
	}
	o, err := s.organizationOfNamespace(ctx, w.Namespace)
	if err != nil {
		return nil, err
	}
	t, err := s.template(ctx, slot.Namespace, string(slot.Spec.TemplateRef.Name))
	if err != nil {
		return nil, err
	}
	v, err := s.version(ctx, slot.Namespace, slot.Spec.VersionRef)
	if err != nil {
		return nil, err
	}
	compiled, problems := render.Compile(&v.Spec.Content)
	if len(problems) > 0 {
		return nil, render.Fault(problems)
	}
	env, refusal := compiled.Bind(render.InputOf(w, owner, t, o, slot.Spec.Parameters, render.Platform{}))
	if refusal != nil {
		return nil, refusal
	}
	return env, nil
}
