// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/archive"
)

// Write writes a version down as an archive that Read reads: for versions that came from a Template in git, which nobody
// uploaded. The same version gives the same bytes.
func Write(v *v1alpha1.TemplateVersion) ([]byte, error) {
	content := v.Spec.Content.DeepCopy()
	readme := content.Readme
	content.Readme = ""
	var written any = content
	if ref := v.Spec.TemplateRef; ref != nil {
		written = map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(),
			"kind":       "Template",
			"metadata":   map[string]any{"name": ref.Name},
			"spec":       map[string]any{"content": content},
		}
	}
	text, err := yaml.Marshal(written)
	if err != nil {
		return nil, err
	}
	files := []archive.File{{Name: "template.yaml", Data: text}}
	if readme != "" {
		files = append(files, archive.File{Name: "README.md", Data: []byte(readme)})
	}
	return archive.Pack(files)
}
