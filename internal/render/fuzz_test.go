// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// Whatever stands in a podTemplate: no panic, and a pod that is rendered is one that Berth may run.
func FuzzRender(f *testing.F) {
	for _, seed := range []string{
		`{"spec":{"containers":[{"name":"a","image":"x","env":[{"name":"A","value":"${parameters.text}"}]}]}}`,
		`{"spec":{"hostNetwork":true,"containers":[{"name":"a"}]}}`,
		`{"spec":{"volumes":[{"name":"x","hostPath":{"path":"/"}}],"containers":[{"name":"a","resources":{"limits":{"cpu":"${parameters.number}"}}}]}}`,
		`{"metadata":{"labels":{"a":"${owner.name}"}},"spec":{"containers":[{"name":"a","command":["${parameters.text}"]},{"name":"b"}]}}`,
		`{"spec":"${parameters.text}"}`, `{"metadata":"${parameters.text}"}`, `[]`, `null`, `{"spec":{"containers":[null]}}`,
		`{"spec":{"containers":[{"name":"a","livenessProbe":{"httpGet":{"port":"${parameters.number}"}}}],"initContainers":[{}]}}`,
	} {
		f.Add(seed, "text", int64(1))
	}
	f.Fuzz(func(t *testing.T, podTemplate, text string, number int64) {
		c := &v1alpha1.TemplateContent{
			PodTemplate: &runtime.RawExtension{Raw: []byte(podTemplate)},
			Parameters: []v1alpha1.Parameter{
				{Name: "text", Type: v1alpha1.TypeString, Default: new(v1alpha1.ValueOf(""))},
				{Name: "number", Type: v1alpha1.TypeInteger, Default: new(v1alpha1.ValueOf(1))},
			},
			VolumeClaims: []v1alpha1.VolumeClaim{{Name: "home", Size: "1Gi", MountPath: "/home/dev"}},
		}
		compiled, problems := render.Compile(c)
		if (compiled == nil) != (len(problems) > 0) {
			t.Fatalf("compiled %v with problems %v", compiled != nil, problems)
		}
		for _, p := range problems {
			if p.Path == "" || p.Message == "" || p.Reason == "" {
				t.Errorf("half a problem: %+v", p)
			}
		}
		if compiled == nil {
			return
		}
		in, _ := compiled.Sample()
		in.Parameters["text"], in.Parameters["number"] = v1alpha1.ValueOf(text), v1alpha1.ValueOf(number)
		w, refusal := compiled.Render(in)
		if refusal != nil {
			return
		}
		s := w.Pod.Spec
		if s.HostNetwork || s.HostPID || s.HostIPC || s.NodeName != "" || s.ServiceAccountName != "default" || *s.AutomountServiceAccountToken || s.SecurityContext.RunAsUser == nil {
			t.Errorf("an unsafe pod: %+v", s)
		}
		for _, v := range s.Volumes {
			if v.HostPath != nil || v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName != w.Claims[0].Name {
				t.Errorf("an unsafe volume: %+v", v)
			}
		}
		if _, err := json.Marshal(w); err != nil {
			t.Error(err)
		}
	})
}

// Whatever stands in an extra object and in its loop: no panic, and an object that is rendered is one that may be applied.
func FuzzExtraObject(f *testing.F) {
	for _, seed := range []string{
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a-${s}"},"data":{"a":"${s}"}}`,
		`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"a"},"spec":{"dataSource":{"kind":"${s}"},"resources":{"requests":{"storage":"${parameters.text}"}}}}`,
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"${parameters.text}","namespace":"${s}"},"spec":{"type":"${s}","ports":[{"port":"${size(s)}"}]}}`,
		`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a"},"spec":{"podSelector":{}}}`,
		`{"apiVersion":"v1","kind":"Pod"}`, `null`, `[]`, `{"kind":"${s}"}`,
	} {
		f.Add(seed, "${['a', 'b']}", "text")
		f.Add(seed, "${parameters.text.split(',')}", "a,b")
	}
	f.Fuzz(func(t *testing.T, object, list, text string) {
		c := &v1alpha1.TemplateContent{
			Image:        "x",
			Parameters:   []v1alpha1.Parameter{{Name: "text", Type: v1alpha1.TypeString, Default: new(v1alpha1.ValueOf(""))}},
			ExtraObjects: []v1alpha1.ExtraObject{{ID: "x", ForEach: []v1alpha1.ForEach{{"s": v1alpha1.ForEachList(list)}}, Object: runtime.RawExtension{Raw: []byte(object)}}},
		}
		compiled, problems := render.Compile(c)
		if (compiled == nil) != (len(problems) > 0) {
			t.Fatalf("compiled %v with problems %v", compiled != nil, problems)
		}
		if compiled == nil {
			return
		}
		in, _ := compiled.Sample()
		in.Parameters["text"] = v1alpha1.ValueOf(text)
		w, refusal := compiled.Render(in)
		if refusal != nil {
			return
		}
		for _, x := range w.Extras {
			metadata, _ := x.Object["metadata"].(map[string]any)
			spec, _ := x.Object["spec"].(map[string]any)
			if metadata["namespace"] != nil || metadata["ownerReferences"] != nil || metadata["finalizers"] != nil || x.Name == "" || metadata["name"] != x.Name {
				t.Errorf("metadata %v", metadata)
			}
			if x.Kind == "Service" && spec["externalIPs"] != nil || x.Kind == "PersistentVolumeClaim" && (spec["dataSource"] != nil || spec["volumeName"] != nil) {
				t.Errorf("an unsafe %s: %v", x.Kind, spec)
			}
		}
	})
}

// Whatever stands in a text with expressions: no panic, and a text without ${ stays as it is.
func FuzzInterpolate(f *testing.F) {
	for _, seed := range []string{
		"", "plain", "${parameters.text}", "$${x}", "${", "${'}", "a${1}b${2}", "${ {'a': 1}['a'] }", "${[1,2].map(x, string(x)).join('')}",
		"${lists.range(10).sum()}", "${parameters.text.matches('(a+)+$')}", "${optional.none()}", "${timestamp('2026-01-01T00:00:00Z')}", "${b'x'}", "${type(1)}", "${parameters}",
	} {
		f.Add(seed, "value")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if strings.ContainsRune(value, 0) || len(value) > 8192 {
			return
		}
		c := &v1alpha1.TemplateContent{
			Image:      "x",
			Env:        []v1alpha1.EnvVar{{Name: "X", Value: text}},
			Parameters: []v1alpha1.Parameter{{Name: "text", Type: v1alpha1.TypeString, Default: new(v1alpha1.ValueOf(""))}},
		}
		compiled, problems := render.Compile(c)
		if len(problems) > 0 {
			if !strings.Contains(text, "${") {
				t.Errorf("%q is refused: %v", text, problems)
			}
			return
		}
		in, _ := compiled.Sample()
		in.Parameters["text"] = v1alpha1.ValueOf(value)
		w, refusal := compiled.Render(in)
		if refusal == nil && !strings.Contains(text, "${") && environment(w.Pod.Spec.Containers[0])["X"] != text {
			t.Errorf("%q became %q", text, environment(w.Pod.Spec.Containers[0])["X"])
		}
	})
}
