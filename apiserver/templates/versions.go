// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"net/http"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
)

// versionOf is a version, and the template that it was asked of.
type versionOf struct {
	template store.TemplateParts
	version  store.VersionParts
}

// namedVersion finds a version by its template, however that is found, and its own name. Who may not see the template does
// not learn whether it has such a version.
func (h *Handlers) namedVersion(template httpapi.Load[store.TemplateParts]) httpapi.Load[versionOf] {
	return func(r *http.Request) (versionOf, authz.Object, error) {
		t, rights, err := template(r)
		if err != nil {
			return versionOf{}, authz.Object{}, err
		}
		v, err := h.Store.VersionByName(r.Context(), t, r.PathValue("templateversionname"))
		return versionOf{template: t, version: v}, rights, err
	}
}

func (h *Handlers) showVersion(_ context.Context, v versionOf, _ httpapi.None) (codersdk.TemplateVersion, error) {
	return view.Version(view.VersionParts(v.version)), nil
}

// previousVersion shows the version that was made just before; there is none before the first.
func (h *Handlers) previousVersion(ctx context.Context, v versionOf, _ httpapi.None) (codersdk.TemplateVersion, error) {
	before, err := h.Store.VersionBefore(ctx, v.template, v.version.Version)
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	return view.Version(view.VersionParts(before)), nil
}
