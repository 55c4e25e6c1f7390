// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// value compiles a field that may be given as any JSON scalar: a quantity or a whole number, or an expression for one.
// Its result is nil when the field is absent or wrong.
func (c *compiler) value(path string, v *v1alpha1.Value, s shape) *leaf {
	if v == nil || v.IsNull() {
		return nil
	}
	if len(v.Raw) > longestText {
		c.wrong(path, v1alpha1.ReasonPodInvalid, "is too large")
		return nil
	}
	var text string
	if json.Unmarshal(v.Raw, &text) == nil {
		return c.checked(c.text(path, text, s, false))
	}
	var number json.Number
	if json.Unmarshal(v.Raw, &number) == nil {
		if whole, ok := wholeNumber(number); ok && s == wholeShape {
			return &leaf{path: path, shape: s, literal: whole}
		}
		if s == quantityShape {
			return c.checked(&leaf{path: path, shape: s, literal: number.String()})
		}
	}
	c.wrong(path, v1alpha1.ReasonPodInvalid, "must be %s", s)
	return nil
}

// checked refuses a literal text that is no value of its field.
func (c *compiler) checked(l *leaf) *leaf {
	if l == nil || l.dynamic() {
		return l
	}
	text, _ := l.literal.(string)
	if l.shape == quantityShape {
		if _, err := resource.ParseQuantity(text); err == nil {
			return l
		}
	}
	c.wrong(l.path, v1alpha1.ReasonPodInvalid, "%q is not %s", shorten(text), l.shape)
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
