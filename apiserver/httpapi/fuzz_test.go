// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
)

// Whatever the bytes of a body are, they are read or refused as the person's mistake, in words that repeat none of them.
func FuzzBody(f *testing.F) {
	const canary = "hunter2-canary"
	for _, text := range []string{
		"", "null", "{", "[]", `{"name":"dev"}`, `{"template_id":"` + canary + `"}`, `{"name":{}}`, `{"ttl_ms":1e400}`, `{"ttl_ms":"` + canary + `"}`,
		`{"rich_parameter_values":[{"name":"a","value":1}]}`, `{"name":"a"}{"name":"b"}`, "\x00\xff", strings.Repeat("[", 20_000), `{"name":"\ud800"}`,
		`{"` + canary + `":`, `{"TEMPLATE_ID":[]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
		var in codersdk.CreateWorkspaceRequest
		err := decode(httptest.NewRecorder(), r, &in)
		if err == nil {
			return
		}
		said, ok := fault.As(err)
		if !ok || said.Kind != fault.Invalid && said.Kind != fault.TooLarge {
			t.Fatalf("%q: %v", body, err)
		}
		if len(body) > MaxBody && said.Kind != fault.TooLarge && r.ContentLength > MaxBody {
			t.Errorf("%d bytes: %v", len(body), err)
		}
		text := said.Message + said.Detail
		for _, field := range said.Fields {
			text += field.Path + field.Detail
		}
		if strings.Contains(text, canary) {
			t.Errorf("%q is repeated: %s", body, text)
		}
	})
}
