// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// FuzzValue proves that any JSON where a person may write any value decodes, and comes back as it was written.
func FuzzValue(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var w v1alpha1.Workspace
		if err := json.Unmarshal(append(append([]byte(`{"spec":{"parameters":{"p":`), text...), `}}}`...), &w); err != nil {
			t.Fatalf("%s does not decode: %v", text, err)
		}
		back, err := json.Marshal(w.Spec.Parameters["p"])
		if err != nil {
			t.Fatal(err)
		}
		var want, got bytes.Buffer
		if err := json.Compact(&want, text); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&got, back); err != nil {
			t.Fatal(err)
		}
		// Encoding escapes what HTML would read; the meaning is the same.
		var escaped bytes.Buffer
		json.HTMLEscape(&escaped, want.Bytes())
		if !bytes.Equal(got.Bytes(), escaped.Bytes()) {
			t.Errorf("%s came back as %s", text, back)
		}
		_ = w.Spec.Parameters["p"].String()
	})
}
