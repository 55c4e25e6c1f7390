// SPDX-License-Identifier: Apache-2.0

package versions

import (
	"context"
	"regexp"
	"unicode/utf8"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/fault"
)

// The bounds of what may be said about a version, which are the schema's.
const (
	maxName    = 64
	maxMessage = 1048
)

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9]+([_.-][a-zA-Z0-9]+)*$`)

// update changes a version's name or message; what it holds never changes.
func (h *Handlers) update(ctx context.Context, p store.VersionParts, in codersdk.PatchTemplateVersionRequest) (codersdk.TemplateVersion, error) {
	if err := checkMetadata(in); err != nil {
		return codersdk.TemplateVersion{}, err
	}
	edit := func(v *v1alpha1.TemplateVersion) error {
		if in.Name != "" && in.Name != v.WireName() {
			v.Spec.Name = in.Name
		}
		if in.Message != nil {
			v.Spec.Message = *in.Message
		}
		return nil
	}
	var err error
	if in.Name != "" && in.Name != p.Version.WireName() {
		p.Version, err = h.Store.RenameVersion(ctx, p, in.Name, edit)
	} else {
		p.Version, err = h.Store.ChangeVersion(ctx, p.Version, edit)
	}
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	return view.Version(view.VersionParts(p)), nil
}

func checkMetadata(in codersdk.PatchTemplateVersionRequest) error {
	var wrong []fault.Field
	switch {
	case in.Name == "":
	case len(in.Name) > maxName:
		wrong = append(wrong, fault.Field{Path: "name", Detail: "must have at most 64 characters"})
	case !namePattern.MatchString(in.Name):
		wrong = append(wrong, fault.Field{Path: "name", Detail: "must be letters and digits in parts joined by one hyphen, dot or underline, such as v1.2"})
	}
	if in.Message != nil && (!utf8.ValidString(*in.Message) || utf8.RuneCountInString(*in.Message) > maxMessage) {
		wrong = append(wrong, fault.Field{Path: "message", Detail: "must be text of at most 1048 characters"})
	}
	if len(wrong) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: wrong}
}

// archive hides a version and keeps it from being promoted and started. The one that new starts take can't be put away.
func (h *Handlers) archive(ctx context.Context, p store.VersionParts, _ httpapi.None) (codersdk.Response, error) {
	if err := h.needed(ctx, p); err != nil {
		return codersdk.Response{}, err
	}
	_, err := h.Store.ChangeVersion(ctx, p.Version, func(v *v1alpha1.TemplateVersion) error {
		v.Spec.Archived = true
		return nil
	})
	return codersdk.Response{Message: "The template version is archived."}, err
}

// needed refuses to put away what the template names as the version to take.
func (h *Handlers) needed(ctx context.Context, p store.VersionParts) error {
	t := p.Template
	if t == nil {
		return nil
	}
	active, err := h.Store.ActiveVersion(ctx, t)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	name := v1alpha1.ObjectName(p.Version.Name)
	switch {
	case err == nil && active.UID == p.Version.UID:
		return fault.New(fault.Invalid, "The active version of template %s can't be archived; promote another one first.", t.WireName())
	case t.Spec.Rollout != nil && t.Spec.Rollout.Pin == name:
		return fault.New(fault.Invalid, "The version can't be archived, as spec.rollout.pin of template %s names it.", t.WireName())
	case t.Spec.Hold != nil && t.Spec.Hold.Version == name:
		return fault.New(fault.Invalid, "The version can't be archived, as spec.hold of template %s names it.", t.WireName())
	}
	return nil
}

// unarchive brings a version back.
func (h *Handlers) unarchive(ctx context.Context, p store.VersionParts, _ httpapi.None) (codersdk.Response, error) {
	_, err := h.Store.ChangeVersion(ctx, p.Version, func(v *v1alpha1.TemplateVersion) error {
		v.Spec.Archived = false
		return nil
	})
	return codersdk.Response{Message: "The template version is back."}, err
}
