// SPDX-License-Identifier: Apache-2.0

package store

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
)

// Whatever builds come, change and go, in whatever order: the figures are those of the builds that are there.
func TestBuildTimesAreThoseOfTheKeptBuilds(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	times, kept := newBuildTimes(), map[types.UID]measured{}
	template := types.NamespacedName{Namespace: "a", Name: "dev"}
	versions := []types.UID{"v0", "v1", "v2"}
	transitions := []v1alpha1.Transition{v1alpha1.TransitionStart, v1alpha1.TransitionStop, v1alpha1.TransitionDelete}
	for range 3000 {
		build := types.UID("b" + strconv.Itoa(random.IntN(30)))
		if random.IntN(3) == 0 {
			delete(kept, build)
			times.put(build, nil)
		} else {
			m := measured{version: types.UID("v" + strconv.Itoa(random.IntN(4))), transition: transitions[random.IntN(3)], millis: random.Int64N(5)}
			kept[build] = m
			times.put(build, &m)
		}
		if random.IntN(4) == 0 {
			continue // so that several changes come between two questions
		}
		want := codersdk.TemplateBuildTimeStats{}
		for _, transition := range transitions {
			var all []int64
			for _, m := range kept {
				if m.transition == transition && slices.Contains(versions, m.version) {
					all = append(all, m.millis)
				}
			}
			slices.Sort(all)
			stats := codersdk.TransitionStats{}
			if n := len(all); n > 0 {
				stats = codersdk.TransitionStats{P50: &all[(n+1)/2-1], P95: &all[(n*95+99)/100-1]}
			}
			want[map[v1alpha1.Transition]codersdk.WorkspaceTransition{
				v1alpha1.TransitionStart: codersdk.WorkspaceTransitionStart, v1alpha1.TransitionStop: codersdk.WorkspaceTransitionStop,
				v1alpha1.TransitionDelete: codersdk.WorkspaceTransitionDelete,
			}[transition]] = stats
		}
		if diff := cmp.Diff(want, times.of(template, versions)); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
	for build := range kept {
		times.put(build, nil)
	}
	if len(times.versions) > 0 || len(times.took) > 0 {
		t.Errorf("%d versions and %d builds are kept of none", len(times.versions), len(times.took))
	}
}
