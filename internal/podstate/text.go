// SPDX-License-Identifier: Apache-2.0

package podstate

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// maxText is how many characters of a foreign text are shown.
const maxText = 400

// clean makes a foreign text safe to show: one line, without control characters that a terminal or a page could take
// for commands, cut to the length.
func clean(text string, most int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == unicode.ReplacementChar || !unicode.IsGraphic(r):
			continue
		}
		if n >= most {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
			n, space = n+1, false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// lastLine is the last line with something on it of a container's last words.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return clean(lines[len(lines)-1], 200)
}

// field is where the version names a container's image; empty for the agent's, which the installation names.
func (s Source) field(container, image string) string {
	if s.Content == nil {
		return "the version's content"
	}
	for _, c := range s.Content.Sidecars {
		if c.Name == container {
			return fmt.Sprintf("spec.content.sidecars[%s].image", container)
		}
	}
	if path := s.podTemplateField(container); path != "" {
		return path
	}
	if image == s.AgentImage && image != s.Content.Image {
		return ""
	}
	if s.Content.Image != "" {
		return "spec.content.image"
	}
	return "spec.content.podTemplate"
}

// podTemplateField finds the container in the long form by its name.
func (s Source) podTemplateField(container string) string {
	if s.Content.PodTemplate == nil {
		return ""
	}
	type named struct {
		Name string `json:"name"`
	}
	var template struct {
		Spec struct {
			InitContainers []named `json:"initContainers"`
			Containers     []named `json:"containers"`
		} `json:"spec"`
	}
	if json.Unmarshal(s.Content.PodTemplate.Raw, &template) != nil {
		return "" // it was checked when its version was stamped; here it is only searched for a name
	}
	for i, c := range template.Spec.InitContainers {
		if c.Name == container {
			return fmt.Sprintf("spec.content.podTemplate.spec.initContainers[%d].image", i)
		}
	}
	for i, c := range template.Spec.Containers {
		if c.Name == container {
			return fmt.Sprintf("spec.content.podTemplate.spec.containers[%d].image", i)
		}
	}
	return ""
}
