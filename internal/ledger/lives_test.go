// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth/api/v1alpha1"
)

func TestOfThisLife(t *testing.T) {
	const deletion = v1alpha1.TransitionDelete
	w := workspace()
	earlier := func(b *v1alpha1.WorkspaceBuild) { b.Spec.WorkspaceRef.UID = "earlier" }
	for name, c := range map[string]struct {
		builds []*v1alpha1.WorkspaceBuild
		want   []int64
	}{
		"its own":                       {[]*v1alpha1.WorkspaceBuild{build(1, startB, ok), build(2, deletion, "")}, []int64{1, 2}},
		"those of a backup":             {[]*v1alpha1.WorkspaceBuild{build(1, startB, ok, earlier), build(2, stopB, ok, earlier), build(3, startB, "")}, []int64{1, 2, 3}},
		"a life that a deletion ended":  {[]*v1alpha1.WorkspaceBuild{build(1, startB, ok, earlier), build(2, deletion, ok, earlier), build(3, startB, "")}, []int64{3}},
		"a deletion that failed":        {[]*v1alpha1.WorkspaceBuild{build(1, startB, ok, earlier), build(2, deletion, bad, earlier)}, []int64{1}},
		"a backup amid a deletion":      {[]*v1alpha1.WorkspaceBuild{build(1, startB, ok, earlier), build(2, deletion, v1alpha1.JobRunning, earlier)}, []int64{1}},
		"what another leader left over": {[]*v1alpha1.WorkspaceBuild{build(6, deletion, bad, earlier)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int64
			for _, b := range OfThisLife(w, c.builds) {
				got = append(got, b.Spec.Number)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
