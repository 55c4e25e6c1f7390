// SPDX-License-Identifier: Apache-2.0

package login

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/apiserver/httpapi"
)

func TestFlow(t *testing.T) {
	f := httpapi.NewFlow(converts, "/workspaces?q=a.b")
	read, ok := httpapi.ReadFlow(f.String(), signsIn+converts)
	if !ok || read != f {
		t.Fatalf("%+v comes back as %+v", f, read)
	}
	again, fresh := at(httpapi.NewFlow(signsIn, "/"), "x"), at(httpapi.NewFlow(signsIn, "/"), "x")
	one, other := at(f, "https://berth.example/one"), at(f, "https://berth.example/other")
	if one != at(read, "https://berth.example/one") {
		t.Error("one flow is two")
	}
	for name, same := range map[string]bool{
		"two providers' states": one.State == other.State, "two providers' nonces": one.Nonce == other.Nonce,
		"two providers' verifiers": one.Verifier == other.Verifier, "state and nonce": one.State == one.Nonce, "state and verifier": one.State == one.Verifier,
		"two flows": again.State == fresh.State, "state and secret": strings.Contains(one.State, f.Secret),
	} {
		if same {
			t.Error(name + " are the same")
		}
	}
	if len(one.Verifier) != 43 {
		t.Errorf("a verifier has 43 to 128 characters, not %d", len(one.Verifier))
	}
	whole := f.String()
	for _, bad := range []string{"", ".", "..", whole[1:], "x" + whole, whole + ".", strings.Replace(whole, ".c.", ".x.", 1), strings.Replace(whole, ".c.", ".", 1),
		strings.Repeat("A", 43) + ".s.!", strings.Repeat("A", 43) + ".s.Ly9ldmlsLnRlc3Q" /* //evil.test */} {
		if f, ok := httpapi.ReadFlow(bad, signsIn+converts); ok {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
}
