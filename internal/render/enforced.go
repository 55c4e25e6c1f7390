// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// NotEnforced lists the fields of an object that say something which this release stores and shows and does not act on
// yet, in the order of the manifest. The condition PolicyMet names them, so that nobody relies on what does not happen.
// Fields that are only shown, such as icons, are not among them. docs/not-enforced.md says of each what happens instead.
func NotEnforced(object v1alpha1.Object) []string {
	var f stated
	switch o := object.(type) {
	case *v1alpha1.Template:
		f.lifecycle(o.Spec.Lifecycle)
		f.content(o.Spec.Content)
	case *v1alpha1.TemplateVersion:
		f.content(&o.Spec.Content)
	}
	return f
}

// stated gathers the paths of fields that were written.
type stated []string

func (f *stated) add(written bool, path string) {
	if written {
		*f = append(*f, path)
	}
}

func (f *stated) lifecycle(l *v1alpha1.Lifecycle) {
	if l == nil {
		return
	}
	during := func(d v1alpha1.Duration) bool { return d != "" && d != "0s" }
	f.add(during(l.ActivityBump), "spec.lifecycle.activityBump")
}

func (f *stated) content(c *v1alpha1.TemplateContent) {
	if c == nil {
		return
	}
	for i, a := range c.Agents {
		at := fmt.Sprintf("spec.content.agents[%d]", i)
		f.add(a.MOTD != "", at+".motd")
		f.add(len(a.Metadata) > 0, at+".metadata")
		f.add(a.ConnectionTimeout != "", at+".connectionTimeout")
	}
	f.add(len(c.Apps) > 0, "spec.content.apps")
	f.add(len(c.Tags) > 0, "spec.content.tags")
}
