// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// TemplateParts is a template with what its answer joins.
type TemplateParts struct {
	Template     *v1alpha1.Template
	Organization *v1alpha1.Organization
	// Active is the version that new starts take.
	Active *v1alpha1.TemplateVersion
	// Creator is the User who made it through the API; nil when a manifest did, or the User is gone.
	Creator *v1alpha1.User
	// BuildTimes is how long its builds took, and ActiveUsers how many people used it lately; nil where nobody shows that, or
	// it is not known.
	BuildTimes  codersdk.TemplateBuildTimeStats
	ActiveUsers *int
}

// VersionParts is a version of a template with what its answer joins.
type VersionParts struct {
	Version      *v1alpha1.TemplateVersion
	Organization *v1alpha1.Organization
	// Template is the version's template; nil while it belongs to none.
	Template *v1alpha1.Template
	// Creator is as in TemplateParts.
	Creator *v1alpha1.User
}

// TemplateByID finds a template that is on the wire by its id.
func (s *Store) TemplateByID(ctx context.Context, id uuid.UUID) (TemplateParts, authz.Object, error) {
	return s.templateParts(first(list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, index.ID, id.String())))(ctx)
}

// TemplateByName finds a template of an organization by its name on the wire, without case; where it has none of the name,
// the oldest that another organization has opened to it.
func (s *Store) TemplateByName(ctx context.Context, o *v1alpha1.Organization, name string) (TemplateParts, authz.Object, error) {
	found, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, index.Name, index.Fold(name), client.InNamespace(o.Name))
	found = slices.DeleteFunc(found, func(t *v1alpha1.Template) bool { return Hidden(t) || going(t) })
	if err == nil && len(found) == 0 {
		found, err = s.openTo(ctx, o)
		found = slices.DeleteFunc(found, func(t *v1alpha1.Template) bool { return index.Fold(t.WireName()) != index.Fold(name) })
	}
	return s.templateParts(first(found, err))(ctx)
}

// openTo are the templates of other organizations that are open to one.
func (s *Store) openTo(ctx context.Context, o *v1alpha1.Organization) ([]*v1alpha1.Template, error) {
	shared, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, index.OpenTo, o.Name)
	return slices.DeleteFunc(shared, func(t *v1alpha1.Template) bool {
		return t.Namespace == o.Name || !authz.TemplateObject(t).OpenTo(o.Name)
	}), err
}

// Templates are the templates of an organization that are on the wire, and those of others that are open to it, by name.
func (s *Store) Templates(ctx context.Context, o *v1alpha1.Organization) ([]TemplateParts, error) {
	all, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, "", "", client.InNamespace(o.Name))
	if err != nil {
		return nil, err
	}
	shared, err := s.openTo(ctx, o)
	if err != nil {
		return nil, err
	}
	all = append(all, shared...)
	slices.SortFunc(all, byName)
	found := make([]TemplateParts, 0, len(all))
	for _, t := range all {
		if Hidden(t) || going(t) {
			continue
		}
		p, err := s.joinTemplate(ctx, t)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err == nil {
			p, err = s.WithFigures(ctx, p)
		}
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// templateParts joins a template that was found, or passes its error on.
func (s *Store) templateParts(t *v1alpha1.Template, err error) func(context.Context) (TemplateParts, authz.Object, error) {
	return func(ctx context.Context) (TemplateParts, authz.Object, error) {
		if err == nil && going(t) {
			err = notFound()
		}
		if err != nil {
			return TemplateParts{}, authz.Object{}, err
		}
		p, err := s.joinTemplate(ctx, t)
		if err == nil {
			p, err = s.WithFigures(ctx, p)
		}
		return p, authz.TemplateObject(t), err
	}
}

// going tells whether a template was deleted and nothing keeps it: it is off the wire though its finalizer is still there.
// One that workspaces use goes with the last of them, and is shown until then.
func going(t *v1alpha1.Template) bool { return t.DeletionTimestamp != nil && t.Status.Workspaces == 0 }

// joinTemplate gathers what a template's answer needs. It is NotFound while no version was ever good: such a template can
// not be shown whole.
func (s *Store) joinTemplate(ctx context.Context, t *v1alpha1.Template) (TemplateParts, error) {
	o, err := s.organizationOfNamespace(ctx, t.Namespace)
	if err != nil {
		return TemplateParts{}, err
	}
	active, err := s.ActiveVersion(ctx, t)
	if err != nil {
		return TemplateParts{}, err
	}
	creator, err := s.creator(ctx, t)
	return TemplateParts{Template: t, Organization: o, Active: active, Creator: creator}, err
}

// ActiveVersion is the version that new starts of a template take; NotFound when there is none. What spec.rollout.pin
// names is so from the moment it is written, if it is good, so that who promotes a version sees it promoted: the manager
// comes to the same a moment later.
func (s *Store) ActiveVersion(ctx context.Context, t *v1alpha1.Template) (*v1alpha1.TemplateVersion, error) {
	if r := t.Spec.Rollout; r != nil && r.Pin != "" && t.Spec.Hold == nil {
		v, err := s.VersionByObjectName(ctx, t, string(r.Pin))
		if err == nil && ofTemplate(v, t) && !v.Spec.Archived && checked(v) {
			return v, nil
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	if t.Status.ActiveVersion == nil {
		return nil, notFound()
	}
	return s.version(ctx, t.Namespace, *t.Status.ActiveVersion)
}

// checked tells whether the manager has found a version right. Its content never changes, so what else is said about it
// meanwhile does not matter.
func checked(v *v1alpha1.TemplateVersion) bool {
	return v.Status.Job != nil && v.Status.Job.Phase == v1alpha1.JobSucceeded
}

// version is the very version that a reference means, and not a successor of its name.
func (s *Store) version(ctx context.Context, namespace string, ref v1alpha1.UIDReference) (*v1alpha1.TemplateVersion, error) {
	v := &v1alpha1.TemplateVersion{}
	if err := s.get(ctx, namespace, string(ref.Name), v); err != nil {
		return nil, err
	}
	if v.UID != ref.UID {
		return nil, notFound()
	}
	return v, nil
}

// template is the Template of that metadata.name in an organization's home namespace.
func (s *Store) template(ctx context.Context, home, name string) (*v1alpha1.Template, error) {
	t := &v1alpha1.Template{}
	if err := s.get(ctx, home, name, t); err != nil {
		return nil, err
	}
	if Hidden(t) {
		return nil, notFound()
	}
	return t, nil
}

// VersionByID finds a version by its id on the wire. Who may see a template may see its versions; one that no template
// has taken up is for those who may make templates.
func (s *Store) VersionByID(ctx context.Context, id uuid.UUID) (VersionParts, authz.Object, error) {
	v, err := first(list[*v1alpha1.TemplateVersion](ctx, s, &v1alpha1.TemplateVersionList{}, index.ID, id.String()))
	if err != nil {
		return VersionParts{}, authz.Object{}, err
	}
	p, err := s.joinVersion(ctx, v)
	if err != nil {
		return VersionParts{}, authz.Object{}, err
	}
	return p, p.Rights(), nil
}

// Rights is what rights on a version depend on: its template, or, where none has taken it up, templates that are made.
func (p VersionParts) Rights() authz.Object {
	if p.Template == nil {
		return authz.NewTemplate(p.Organization.Name)
	}
	return authz.TemplateObject(p.Template)
}

// VersionByObjectName is the version of a template that has the metadata.name.
func (s *Store) VersionByObjectName(ctx context.Context, t *v1alpha1.Template, name string) (*v1alpha1.TemplateVersion, error) {
	v := &v1alpha1.TemplateVersion{}
	return v, s.get(ctx, t.Namespace, name, v)
}

func (s *Store) joinVersion(ctx context.Context, v *v1alpha1.TemplateVersion) (VersionParts, error) {
	o, err := s.organizationOfNamespace(ctx, v.Namespace)
	if err != nil {
		return VersionParts{}, err
	}
	p := VersionParts{Version: v, Organization: o}
	if v.Spec.TemplateRef != nil {
		if p.Template, err = s.template(ctx, o.Name, string(v.Spec.TemplateRef.Name)); err != nil {
			return VersionParts{}, err
		}
	}
	p.Creator, err = s.creator(ctx, v)
	return p, err
}

// Versions are the versions of a template, oldest first. Archived ones are left out unless they are asked for.
func (s *Store) Versions(ctx context.Context, t TemplateParts, archived bool) ([]VersionParts, error) {
	all, err := list[*v1alpha1.TemplateVersion](ctx, s, &v1alpha1.TemplateVersionList{}, index.Template, t.Template.Name, client.InNamespace(t.Template.Namespace))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *v1alpha1.TemplateVersion) int {
		return cmp.Or(v1alpha1.CreatedAt(a).Compare(v1alpha1.CreatedAt(b)), cmp.Compare(ids.Of(a).String(), ids.Of(b).String()))
	})
	found := make([]VersionParts, 0, len(all))
	for _, v := range all {
		if Hidden(v) || v.Spec.Archived && !archived {
			continue
		}
		creator, err := s.creator(ctx, v)
		if err != nil {
			return nil, err
		}
		found = append(found, VersionParts{Version: v, Organization: t.Organization, Template: t.Template, Creator: creator})
	}
	return found, nil
}

// creator is the User who made an object through the API; nil when there is none.
func (s *Store) creator(ctx context.Context, o client.Object) (*v1alpha1.User, error) {
	name := o.GetAnnotations()[v1alpha1.AnnotationCreatedBy]
	if name == "" {
		return nil, nil
	}
	u, err := s.User(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return u, err
}
