// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// placeholder stands for a text that only a person could give.
const placeholder = "placeholder"

// Sample is an input to try a content with before anybody uses it: each parameter has its default, else its first
// option, its minimum or maximum, else a placeholder of its type. The second result names the parameters that have a
// placeholder: when rendering or the cluster refuses what they lead to, that is no proof that the content is wrong.
// Everything beside the parameters is made up; callers put their own Organization and Platform in.
func (c *Compiled) Sample() (Input, []string) {
	in := Input{
		Parameters:   map[string]v1alpha1.Value{},
		Workspace:    Workspace{ID: "00000000-0000-4000-8000-000000000001", Name: "sample", ObjectName: "sample"},
		Owner:        Owner{ID: "00000000-0000-4000-8000-000000000002", Name: "sample", Email: "sample@example.org", DisplayName: "Sample"},
		Template:     Template{Name: "sample", DisplayName: "Sample"},
		Organization: Organization{Name: "sample", ServiceAccountName: "default"},
		Platform:     Platform{AgentImage: "registry.example/berth:sample"},
	}
	var placeholders []string
	for i := range c.content.Parameters {
		p := &c.content.Parameters[i]
		value, madeUp := sampleOf(p)
		in.Parameters[p.Name] = value
		if madeUp {
			placeholders = append(placeholders, p.Name)
		}
	}
	slices.Sort(placeholders)
	return in, placeholders
}

func sampleOf(p *v1alpha1.Parameter) (value v1alpha1.Value, madeUp bool) {
	switch {
	case p.Default != nil && !p.Default.IsNull():
		return *p.Default, false
	case len(p.Options) > 0:
		return p.Options[0].Value, false
	case p.Minimum != nil && !p.Minimum.IsNull():
		return *p.Minimum, false
	case p.Maximum != nil && !p.Maximum.IsNull():
		return *p.Maximum, false
	}
	switch p.Type {
	case v1alpha1.TypeInteger, v1alpha1.TypeNumber:
		return v1alpha1.ValueOf(1), true
	case v1alpha1.TypeBoolean:
		return v1alpha1.ValueOf(false), true
	case v1alpha1.TypeArray:
		return v1alpha1.ValueOf([]string{placeholder}), true
	}
	return v1alpha1.ValueOf(placeholder), true
}
