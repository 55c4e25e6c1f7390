// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/examples"
)

// examples shows the templates that come with the server, from which versions can be made by their ids.
func (h *Handlers) examples(_ context.Context, _ *v1alpha1.Organization, _ httpapi.None) ([]codersdk.TemplateExample, error) {
	all, err := examples.List()
	if err != nil {
		return nil, err
	}
	shown := make([]codersdk.TemplateExample, 0, len(all))
	for _, e := range all {
		shown = append(shown, view.Example(e.ID, e.Template, e.Readme, e.Tags))
	}
	return shown, nil
}
