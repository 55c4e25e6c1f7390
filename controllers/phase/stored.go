// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"fmt"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Stored are the fields of a content that this release stores and shows, and does not act on. The documentation has the
// same table; a release that begins to act on a field takes it out of both.
func Stored(content *v1alpha1.TemplateContent) []string {
	var fields []string
	add := func(is bool, format string, args ...any) {
		if is {
			fields = append(fields, "spec.content."+fmt.Sprintf(format, args...))
		}
	}
	add(len(content.Apps) > 0, "apps")
	add(len(content.Scripts) > 0, "scripts")
	add(len(content.ExternalAuth) > 0, "externalAuth")
	add(len(content.Tags) > 0, "tags")
	for i := range content.Agents {
		a := &content.Agents[i]
		add(len(a.Metadata) > 0, "agents[%d].metadata", i)
		add(a.MOTD != "", "agents[%d].motd", i)
	}
	return fields
}
