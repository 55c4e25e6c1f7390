// SPDX-License-Identifier: Apache-2.0

package versions

import (
	"context"
	"iter"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/parameters"
	"github.com/berth-dev/berth/internal/policy"
)

// mostDryRuns is how many dry runs of one person an organization keeps at once; each goes an hour after it ended.
const mostDryRuns = 50

// tryOut asks the manager to try a start of a version. What the parameters may be is refused here, by name, as it is where
// a workspace is made.
func (h *Handlers) tryOut(ctx context.Context, v store.VersionParts, in codersdk.CreateTemplateVersionDryRunRequest) (codersdk.ProvisionerJob, error) {
	none := codersdk.ProvisionerJob{}
	if err := checked(v.Version); err != nil {
		return none, err
	}
	switch {
	case in.WorkspaceName != "" && !policy.IsName(in.WorkspaceName, 32):
		return none, invalid("workspace_name", "must be letters and digits in parts joined by single hyphens, of at most 32 characters")
	case len(in.UserVariableValues) > 0:
		return none, invalid("user_variable_values", "must be empty: a version has its variables; push another one to try other values")
	}
	declared := v.Version.Spec.Content.Parameters
	given, err := policy.FromWire(declared, values(in.RichParameterValues))
	if err != nil {
		return none, err
	}
	resolved, refusal := parameters.Resolve(declared, given.All(), nil, func(name string) string { return name })
	if refusal != nil {
		return none, refusal
	}
	caller := authz.From(ctx)
	if n, err := h.Store.DryRuns(ctx, v.Organization, caller.User); err != nil {
		return none, err
	} else if n >= mostDryRuns {
		return none, &httpapi.Refusal{Status: http.StatusTooManyRequests, RetryAfter: time.Minute,
			Fault: fault.New(fault.Unavailable, "You have %d dry runs already; they go an hour after they ended. Try again later.", n)}
	}
	d, err := h.Store.CreateDryRun(ctx, &v1alpha1.DryRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.Version.Namespace, GenerateName: "dry-run-", Annotations: map[string]string{
			v1alpha1.AnnotationCreatedAt: h.Now().UTC().Format(time.RFC3339Nano),
			v1alpha1.AnnotationCreatedBy: caller.User,
		}},
		Spec: v1alpha1.DryRunSpec{
			VersionRef:    v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Version.Name), UID: v.Version.UID},
			Owner:         v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(caller.User)},
			WorkspaceName: v1alpha1.WireName(in.WorkspaceName),
			Parameters:    &v1alpha1.BuildParameters{Values: resolved.Values, Ephemeral: resolved.Ephemeral},
		},
	})
	if err != nil {
		return none, err
	}
	return view.DryRunJob(d, v.Version), nil
}

// checked refuses a version whose own check has not ended well.
func checked(v *v1alpha1.TemplateVersion) error {
	switch j := v.Status.Job; {
	case j == nil || !j.Phase.Ended():
		return &httpapi.Refusal{Status: http.StatusPreconditionFailed,
			Fault: fault.New(fault.Conflict, "Template version import job hasn't completed!")}
	case j.Phase != v1alpha1.JobSucceeded:
		return &httpapi.Refusal{Status: http.StatusPreconditionFailed,
			Fault: fault.New(fault.Conflict, "The version's import did not succeed, so nothing can be made of it.")}
	}
	return nil
}

func values(list []codersdk.WorkspaceBuildParameter) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range list {
			if !yield(p.Name, p.Value) {
				return
			}
		}
	}
}

// trial is a dry run and its version.
type trial struct {
	*v1alpha1.DryRun
	version store.VersionParts
}

// dryRun finds a dry run of a version by its job. It is its owner's, as a workspace is, and whoever administers the template
// sees it too.
func (h *Handlers) dryRun(r *http.Request) (trial, authz.Object, error) {
	v, rights, err := httpapi.ByID("templateversion", h.Store.VersionByID)(r)
	if err != nil {
		return trial{}, authz.Object{}, err
	}
	id, err := httpapi.PathUUID(r, "jobID")
	if err != nil {
		return trial{}, authz.Object{}, err
	}
	d, err := h.Store.DryRunByJob(r.Context(), v.Version, id)
	if err != nil {
		return trial{}, authz.Object{}, err
	}
	if !authz.From(r.Context()).Can(authz.Update, rights) {
		rights = authz.WorkspaceObject(v.Organization.Name, string(d.Spec.Owner.User))
	}
	return trial{DryRun: d, version: v}, rights, nil
}

func (h *Handlers) showDryRun(_ context.Context, t trial, _ httpapi.None) (codersdk.ProvisionerJob, error) {
	return view.DryRunJob(t.DryRun, t.version.Version), nil
}

func (h *Handlers) dryRunResources(_ context.Context, t trial, _ httpapi.None) ([]codersdk.WorkspaceResource, error) {
	return view.DryRunResources(t.DryRun, t.version.Version), nil
}

func (h *Handlers) cancelDryRun(ctx context.Context, t trial, _ httpapi.None) (codersdk.Response, error) {
	wish := h.wish(ctx)
	return marked(h.Store.CancelDryRun(ctx, t.DryRun, func(d *v1alpha1.DryRun) error {
		if err := cancelable(d.Status.Job, d.Spec.Cancel); err != nil {
			return err
		}
		d.Spec.Cancel = wish
		return nil
	}))
}

func dryRunTail(t trial, after, before int64) httpapi.Tail[codersdk.ProvisionerJobLog] {
	return tailOf(t.Status.Log, t.Status.Job, after, before)
}

func (h *Handlers) dryRunChanges(t trial) (changed <-chan struct{}, stop func()) {
	return h.Store.ObjectChanges(t.DryRun)
}
