// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Asked is a workspace whose next start is asked about.
type Asked struct {
	// Workspace is it, and Template its template.
	Workspace *v1alpha1.Workspace
	Template  *v1alpha1.Template
	// Last is the version of its newest build; nil when it has none, or the version is gone.
	Last *v1alpha1.UIDReference
	// In tells whether the owner belongs to a Group of the template's organization, by its metadata.name. It is asked
	// only while a version comes out by groups.
	In func(group string) bool
}

// The fields of a workspace that choose a version: the one that names it, the one that keeps the last build's, and the one
// that leaves it to the template's rollout.
const (
	ByVersionRef  = "spec.versionRef.name"
	ByUpdates     = "spec.updates"
	ByTemplateRef = "spec.templateRef.name"
)

// Choice is a version, and why it is that one.
type Choice struct {
	// Name is the TemplateVersion's metadata.name.
	Name v1alpha1.ObjectName
	// UID is its uid; empty where a person named it, who knows no uid.
	UID types.UID
	// Path is the field that chose it: ByVersionRef, ByUpdates or ByTemplateRef.
	Path string
}

// Next is the version that a workspace's next start takes where nobody chooses another: the one that its manifest names,
// else, where updates are manual, that of its last build, else the one that is due by the rollout. Where the template
// requires its active version, only the last counts. There is none, and it is false, as long as the template has no
// version.
func Next(a Asked) (Choice, bool) {
	if w := a.Workspace; !a.Template.Spec.RequireActiveVersion {
		if pinned := w.Spec.VersionRef; pinned != nil {
			return Choice{Name: pinned.Name, Path: ByVersionRef}, true
		}
		if w.Spec.Updates == v1alpha1.UpdatesManual && a.Last != nil {
			return Choice{Name: a.Last.Name, UID: a.Last.UID, Path: ByUpdates}, true
		}
	}
	due := Due(a.Template, string(a.Workspace.Spec.Owner.User), a.Workspace.WireName(), a.In)
	if due == nil {
		return Choice{}, false
	}
	return Choice{Name: due.Name, UID: due.UID, Path: ByTemplateRef}, true
}

// Due is the version that the rollout has for a workspace of that owner and name: the one that is coming out, where a
// step that it has reached means the workspace, else the active one; nil while there is none. A workspace that is yet to
// be made has both, and no id, so they are what a share is drawn by.
func Due(t *v1alpha1.Template, owner, name string, in func(group string) bool) *v1alpha1.UIDReference {
	c, r := t.Status.Candidate, t.Spec.Rollout
	if c == nil || r == nil || r.Strategy != v1alpha1.RolloutProgressive || t.Status.ActiveVersion == nil {
		return t.Status.ActiveVersion
	}
	for i := range r.Steps[:min(int(c.Step)+1, len(r.Steps))] {
		if meant(&r.Steps[i], string(c.Name), owner, name, in) {
			return &c.UIDReference
		}
	}
	return t.Status.ActiveVersion
}

// ByGroup tells whether the answer of Due depends on the owner's groups.
func ByGroup(t *v1alpha1.Template) bool {
	if t.Status.Candidate == nil || t.Spec.Rollout == nil {
		return false
	}
	for _, s := range t.Spec.Rollout.Steps {
		if s.Group != "" {
			return true
		}
	}
	return false
}

func meant(s *v1alpha1.RolloutStep, version, owner, name string, in func(string) bool) bool {
	switch {
	case s.Group != "":
		return in != nil && in(string(s.Group))
	case s.Percent != nil:
		return Share(version, owner, name) < int(*s.Percent)
	}
	return false
}

// Share places a workspace among a hundred for one version: those below N are the N percent that get it. It is the same
// whenever it is asked, and another for every version, so that it is not always the same people who go first.
func Share(version, owner, name string) int {
	sum := sha256.Sum256([]byte(version + "\x00" + owner + "\x00" + strings.ToLower(name)))
	return int(binary.BigEndian.Uint64(sum[:8]) % 100)
}
