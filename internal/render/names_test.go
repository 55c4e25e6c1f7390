// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

func workspace(name, id string) *v1alpha1.Workspace {
	w := &v1alpha1.Workspace{Spec: v1alpha1.WorkspaceSpec{ID: v1alpha1.ID(id)}}
	w.Name = name
	return w
}

func TestPodName(t *testing.T) {
	const id = "11111111-1111-4111-8111-111111111111"
	tests := map[string]struct{ name, want string }{
		"as it is":          {"ada-api", "ada-api"},
		"from the API":      {"ada--api", "ada--api"},
		"longest":           {strings.Repeat("a", 57), strings.Repeat("a", 57)},
		"one too many":      {strings.Repeat("a", 58), strings.Repeat("a", 40) + "-04dde1f978ef"},
		"begins with digit": {"1st", "w-1st-7e4fa8e4e110"},
		"dots":              {"a.b", "a-b-e69c6be56eae"},
		"looks hashed":      {"ada-0123456789ab", "ada-0123456789ab-46d7160bd3f1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := render.PodName(workspace(test.name, id)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	byUID := workspace("1st", "")
	byUID.UID = types.UID(id)
	if got := render.PodName(byUID); got != tests["begins with digit"].want {
		t.Errorf("by uid %s: want what the id gives once it is set to the uid", got)
	}
}

func TestAdvisory_V26_NamesNeverMeet(t *testing.T) {
	long := strings.Repeat("a", 250)
	names := []string{
		"a", "a-b", "a-b-c", "a--b", "a.b", "a-b.c", "1", "1-a", "w-1", "ada--api", "ada-api", "ada.api",
		long, long + "a", long + "ab", long[:57], long[:58], long[:40], long[:40] + "-b", long[:40] + ".b", long[:39] + "." + long[:100],
	}
	ids := []string{"11111111-1111-4111-8111-111111111111", "11111111-1111-4111-8111-111111111112", "22222222-2222-4222-8222-222222222222"}
	// Whoever sees the name of another's pod may call a workspace so.
	for _, name := range names[:len(names):len(names)] {
		for _, id := range ids {
			names = append(names, render.PodName(workspace(name, id)), render.ClaimName(workspace(name, id), "c")[:min(57, len(name))])
		}
	}
	volumes := []string{"a", "b", "c", "b-c", "home", strings.Repeat("v", 40)}
	pods, claims := map[string]string{}, map[string]string{}
	seen := map[string]bool{}
	for i, name := range names {
		name = strings.TrimRight(name, "-.")
		id := ids[i%len(ids)]
		if seen[name] || name == "" {
			continue // two workspaces of a namespace have two names
		}
		seen[name] = true
		w := workspace(name, id)
		pod := render.PodName(w)
		if other, taken := pods[pod]; taken {
			t.Errorf("%s and %s share the pod name %s", other, name, pod)
		}
		pods[pod] = name
		if problems := validation.IsDNS1035Label(pod); len(problems) > 0 || len(pod) > 57 {
			t.Errorf("pod name %s of %s: %v", pod, name, problems)
		}
		for _, volume := range volumes {
			claim := render.ClaimName(w, volume)
			this := name + " " + volume
			if other, taken := claims[claim]; taken {
				t.Errorf("%s and %s share the claim name %s", other, this, claim)
			}
			claims[claim] = this
			if problems := validation.IsDNS1123Subdomain(claim); len(problems) > 0 {
				t.Errorf("claim name %s: %v", claim, problems)
			}
		}
	}
	t.Logf("%d pods, %d claims", len(pods), len(claims))
}

// A workspace that comes after another of its name meets none of its claims.
func TestAdvisory_V26_SuccessorHasClaimsOfItsOwn(t *testing.T) {
	names := map[string]bool{}
	for i := range 1000 {
		names[render.ClaimName(workspace("ada-api", fmt.Sprintf("00000000-0000-4000-8000-%012d", i)), "home")] = true
	}
	if len(names) != 1000 {
		t.Errorf("%d names for 1000 workspaces", len(names))
	}
}
