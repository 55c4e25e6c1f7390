// SPDX-License-Identifier: Apache-2.0

// Package versions makes versions of templates from uploaded archives, shows what versions hold, changes what is said about
// them, and tries them out. The list of a template's versions is package templates'. It makes records and asks for ends; the
// check of a version and a dry run are the manager's work.
package versions

import (
	"context"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/externalauth/links"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/files"
)

// Handlers serves versions of templates.
type Handlers struct {
	// Store is where they are read and written.
	Store *store.Store
	// Files is where archives are kept.
	Files *files.Files
	// Example gives the archive of an example that comes with this release; nil where there are none.
	Example func(id string) (tar []byte, ok bool)
	// External are the external providers, and who is signed in to them.
	External *links.Links
	// AccessURL is where people reach the server, without a trailing slash.
	AccessURL string
	// Now tells the time.
	Now func() time.Time
}

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	version := httpapi.ByID("templateversion", h.Store.VersionByID)
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/organizations/{organization}/templateversions", Tag: "Templates", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(h.importer, authz.Update, h.create)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.show)},
		{Method: "PATCH", Path: "/api/v2/templateversions/{templateversion}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Update, h.update)},
		{Method: "POST", Path: "/api/v2/templateversions/{templateversion}/archive", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Update, h.archive)},
		{Method: "POST", Path: "/api/v2/templateversions/{templateversion}/unarchive", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Update, h.unarchive)},
		{Method: "PATCH", Path: "/api/v2/templateversions/{templateversion}/cancel", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Update, h.cancel)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/logs", Tag: "Templates", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.Logged(version, authz.Read, tail, h.Store.VersionChanges)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/resources", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.resources)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/rich-parameters", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.parameters)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/variables", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.variables)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/external-auth", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.externalAuth)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/parameters", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.legacy)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/schema", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(version, authz.Read, h.legacy)},

		{Method: "POST", Path: "/api/v2/templateversions/{templateversion}/dry-run", Tag: "Templates", Door: httpapi.Session, Status: 201,
			Do: httpapi.On(version, authz.Use, h.tryOut)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/dry-run/{jobID}", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.dryRun, authz.Read, h.showDryRun)},
		{Method: "PATCH", Path: "/api/v2/templateversions/{templateversion}/dry-run/{jobID}/cancel", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.dryRun, authz.Update, h.cancelDryRun)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/dry-run/{jobID}/logs", Tag: "Templates", Door: httpapi.SessionDirect, Status: 200,
			Do: httpapi.Logged(h.dryRun, authz.Read, dryRunTail, h.dryRunChanges)},
		{Method: "GET", Path: "/api/v2/templateversions/{templateversion}/dry-run/{jobID}/resources", Tag: "Templates", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(h.dryRun, authz.Read, h.dryRunResources)},
	}
}

func (h *Handlers) show(_ context.Context, v store.VersionParts, _ httpapi.None) (codersdk.TemplateVersion, error) {
	return view.Version(view.VersionParts(v)), nil
}

func (h *Handlers) parameters(_ context.Context, v store.VersionParts, _ httpapi.None) ([]codersdk.TemplateVersionParameter, error) {
	return view.Parameters(v.Version), nil
}

func (h *Handlers) resources(_ context.Context, v store.VersionParts, _ httpapi.None) ([]codersdk.WorkspaceResource, error) {
	return view.VersionResources(view.VersionParts(v)), nil
}

func (h *Handlers) variables(_ context.Context, v store.VersionParts, _ httpapi.None) ([]codersdk.TemplateVersionVariable, error) {
	return view.Variables(v.Version), nil
}

// externalAuth tells to which of the version's providers the caller is signed in, by asking them.
func (h *Handlers) externalAuth(ctx context.Context, v store.VersionParts, _ httpapi.None) ([]codersdk.TemplateVersionExternalAuth, error) {
	of := map[string]view.Provider{}
	for _, need := range v.Version.Spec.Content.ExternalAuth {
		p := h.External.Provider(need.Name)
		if p == nil {
			continue
		}
		shown := view.Provider{Type: p.Type, DisplayName: p.DisplayName, DisplayIcon: p.DisplayIcon}
		if who := authz.From(ctx).Account; who != nil { // behind the kube-apiserver may be somebody whom no User lists
			s, err := h.External.Check(ctx, who, p)
			if err != nil {
				return nil, err
			}
			shown.SignedIn = s.Authenticated
		}
		of[need.Name] = shown
	}
	return view.ExternalAuths(v.Version, h.AccessURL, of), nil
}

// legacy answers for what an earlier way to declare parameters told: nothing has any.
func (h *Handlers) legacy(context.Context, store.VersionParts, httpapi.None) ([]any, error) {
	return []any{}, nil
}

// tail is a part of the log of a version's check.
func tail(v store.VersionParts, after, before int64) httpapi.Tail[codersdk.ProvisionerJobLog] {
	return tailOf(v.Version.Status.Log, v.Version.Status.Job, after, before)
}

func tailOf(log []v1alpha1.LogLine, j *v1alpha1.Job, after, before int64) httpapi.Tail[codersdk.ProvisionerJobLog] {
	lines, last := view.JobLog(log, after, before)
	return httpapi.Tail[codersdk.ProvisionerJobLog]{Lines: lines, Last: last, Ended: j != nil && j.Phase.Ended()}
}

// cancel asks the check of a version to end early.
func (h *Handlers) cancel(ctx context.Context, v store.VersionParts, _ httpapi.None) (codersdk.Response, error) {
	wish := h.wish(ctx)
	return marked(h.Store.CancelVersion(ctx, v.Version, func(v *v1alpha1.TemplateVersion) error {
		if err := cancelable(v.Status.Job, v.Spec.Cancel); err != nil {
			return err
		}
		v.Spec.Cancel = wish
		return nil
	}))
}

func (h *Handlers) wish(ctx context.Context) *v1alpha1.BuildCancel {
	return &v1alpha1.BuildCancel{RequestedAt: h.Now().UTC().Format(time.RFC3339Nano), By: authz.From(ctx).User}
}

// cancelable refuses to end what has ended, or was asked to.
func cancelable(j *v1alpha1.Job, asked *v1alpha1.BuildCancel) error {
	switch {
	case j != nil && j.Phase.Ended():
		return fault.New(fault.Invalid, "Job has already completed!")
	case asked != nil:
		return fault.New(fault.Invalid, "Job has already been marked as canceled!")
	}
	return nil
}

func marked(err error) (codersdk.Response, error) {
	if err != nil {
		return codersdk.Response{}, err
	}
	return codersdk.Response{Message: "Job has been marked as canceled."}, nil
}

func invalid(field, detail string) error {
	return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: []fault.Field{{Path: field, Detail: detail}}}
}
