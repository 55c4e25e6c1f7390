// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/rollout"
)

// DueVersion is the version that the rollout of a template has for a workspace of an owner, one that is yet to be made
// included: its active one, or the one that is coming out.
func (s *Store) DueVersion(ctx context.Context, t TemplateParts, owner *v1alpha1.User, name string) (*v1alpha1.TemplateVersion, error) {
	return s.newJoin().due(ctx, t, owner, name)
}

// NextVersion is the version that a workspace's next start takes where nobody chooses another. It is NotFound where the
// manifest names one that is not there.
func (s *Store) NextVersion(ctx context.Context, p WorkspaceParts) (*v1alpha1.TemplateVersion, error) {
	asked := rollout.Asked{Workspace: p.Workspace, Template: p.Template}
	if p.Build != nil && p.Version != nil {
		asked.Last = &v1alpha1.UIDReference{Name: v1alpha1.ObjectName(p.Version.Name), UID: p.Version.UID}
	}
	choice, _ := rollout.Next(asked)
	switch choice.Path {
	case rollout.ByUpdates:
		return p.Version, nil
	case rollout.ByVersionRef:
		return s.VersionByObjectName(ctx, p.Template, string(choice.Name))
	}
	return p.Active, nil // the join has asked for the owner's groups
}

// due is DueVersion within one answer. A version that is coming out and gone again is not waited for.
func (j *join) due(ctx context.Context, t TemplateParts, owner *v1alpha1.User, name string) (*v1alpha1.TemplateVersion, error) {
	var groups map[types.NamespacedName]bool
	if rollout.ByGroup(t.Template) {
		var err error
		groups, err = once(j.groups, owner.Name, func() (map[types.NamespacedName]bool, error) { return j.store.GroupsOf(ctx, owner) })
		if err != nil {
			return nil, err
		}
	}
	due := rollout.Due(t.Template, owner.Name, name, func(group string) bool {
		return groups[types.NamespacedName{Namespace: t.Template.Namespace, Name: group}]
	})
	// What a pin names is active a moment before the status says so.
	if active := t.Template.Status.ActiveVersion; due == nil || due.UID == t.Active.UID || active != nil && due.UID == active.UID {
		return t.Active, nil
	}
	v, err := once(j.versions, *due, func() (*v1alpha1.TemplateVersion, error) {
		return j.store.version(ctx, t.Template.Namespace, *due)
	})
	if fault.Is(err, fault.NotFound) {
		return t.Active, nil
	}
	return v, err
}
