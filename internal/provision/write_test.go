// SPDX-License-Identifier: Apache-2.0

package provision_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/provision"
)

// Whoever pulls a version and pushes it again has the same content.
func TestWhatIsWrittenReadsTheSame(t *testing.T) {
	cpu := v1alpha1.ValueOf(2)
	for name, c := range map[string]struct {
		content  v1alpha1.TemplateContent
		template string
	}{
		"of a template": {v1alpha1.TemplateContent{Image: "a", Readme: "# A\n\n${x}\n", Parameters: []v1alpha1.Parameter{{Name: "cpu", Type: v1alpha1.TypeInteger, Default: &cpu}}}, "go-dev"},
		"of none":       {v1alpha1.TemplateContent{PodTemplate: &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"image":"${parameters.x}","name":"yes"}]}}`)}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := &v1alpha1.TemplateVersion{Spec: v1alpha1.TemplateVersionSpec{Content: c.content}}
			if c.template != "" {
				v.Spec.TemplateRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(c.template)}
			}
			tar, err := provision.Write(v)
			if err != nil {
				t.Fatal(err)
			}
			again, err := provision.Write(v)
			if err != nil || !bytes.Equal(tar, again) {
				t.Fatalf("another archive: %v", err)
			}
			source, err := provision.Read(tar)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.content, source.Content); diff != "" {
				t.Error(diff)
			}
			if len(source.Notes) > 0 {
				t.Errorf("it notes %q", source.Notes)
			}
		})
	}
}
