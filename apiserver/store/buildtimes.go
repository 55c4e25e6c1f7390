// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/index"
)

// buildTimes keeps how long the kept builds of each version took. It follows the cache of builds, so that an answer looks
// at none of them; every replica comes to the same, as it counts the same objects.
type buildTimes struct {
	mu       sync.Mutex
	changes  int64
	took     map[types.UID]measured              // by build
	versions map[types.UID]*versionTimes         // by version, as long as it has builds
	stats    map[types.NamespacedName]knownStats // by template
}

// measured is one build that went well.
type measured struct {
	version    types.UID
	transition v1alpha1.Transition
	millis     int64
}

// versionTimes are the times of one version's builds, in order, as of a change.
type versionTimes struct {
	byTransition map[v1alpha1.Transition][]int64
	builds       int
	changed      int64
}

// knownStats are a template's, as they were at the changes of its versions.
type knownStats struct {
	at    []versionState
	stats codersdk.TemplateBuildTimeStats
}

type versionState struct {
	version types.UID
	changed int64
}

func newBuildTimes() *buildTimes {
	return &buildTimes{took: map[types.UID]measured{}, versions: map[types.UID]*versionTimes{}, stats: map[types.NamespacedName]knownStats{}}
}

// follow has the builds of an informer counted.
func (t *buildTimes) follow(builds interface {
	AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error)
}) error {
	_, err := builds.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    t.set,
		UpdateFunc: func(_, now any) { t.set(now) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			if b, ok := o.(*v1alpha1.WorkspaceBuild); ok {
				t.put(b.UID, nil)
			}
		},
	})
	return err
}

func (t *buildTimes) set(o any) {
	if b, ok := o.(*v1alpha1.WorkspaceBuild); ok {
		t.put(b.UID, measure(b))
	}
}

// measure is how long a build took that went well; nil for any other.
func measure(b *v1alpha1.WorkspaceBuild) *measured {
	job := b.Status.Job
	if job == nil || job.Phase != v1alpha1.JobSucceeded || job.StartedAt == nil || job.CompletedAt == nil || b.Spec.VersionRef == nil {
		return nil
	}
	return &measured{
		version: b.Spec.VersionRef.UID, transition: b.Spec.Transition,
		millis: max(job.CompletedAt.Sub(job.StartedAt.Time).Milliseconds(), 0),
	}
}

// put replaces what is known of a build.
func (t *buildTimes) put(build types.UID, now *measured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.took[build]
	if known && now != nil && before == *now || !known && now == nil {
		return
	}
	t.changes++
	if known {
		delete(t.took, build)
		t.drop(before)
	}
	if now != nil {
		t.took[build] = *now
		t.insert(*now)
	}
}

func (t *buildTimes) drop(m measured) {
	v := t.versions[m.version]
	times := v.byTransition[m.transition]
	if at, ok := slices.BinarySearch(times, m.millis); ok {
		v.byTransition[m.transition] = slices.Delete(times, at, at+1)
	}
	v.changed = t.changes
	if v.builds--; v.builds == 0 {
		delete(t.versions, m.version)
	}
}

func (t *buildTimes) insert(m measured) {
	v := t.versions[m.version]
	if v == nil {
		v = &versionTimes{byTransition: map[v1alpha1.Transition][]int64{}}
		t.versions[m.version] = v
	}
	times := v.byTransition[m.transition]
	at, _ := slices.BinarySearch(times, m.millis)
	v.byTransition[m.transition] = slices.Insert(times, at, m.millis)
	v.builds++
	v.changed = t.changes
}

// of are the statistics of a template with the versions. They are made anew only after one of its builds has ended or
// gone.
func (t *buildTimes) of(template types.NamespacedName, versions []types.UID) codersdk.TemplateBuildTimeStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := make([]versionState, 0, len(versions))
	for _, uid := range versions {
		if v := t.versions[uid]; v != nil {
			state = append(state, versionState{uid, v.changed})
		}
	}
	slices.SortFunc(state, func(a, b versionState) int { return cmp.Compare(a.version, b.version) })
	if known, ok := t.stats[template]; ok && slices.Equal(known.at, state) {
		return known.stats
	}
	stats := codersdk.TemplateBuildTimeStats{}
	for wire, transition := range map[codersdk.WorkspaceTransition]v1alpha1.Transition{
		codersdk.WorkspaceTransitionStart:  v1alpha1.TransitionStart,
		codersdk.WorkspaceTransitionStop:   v1alpha1.TransitionStop,
		codersdk.WorkspaceTransitionDelete: v1alpha1.TransitionDelete,
	} {
		var all []int64
		for _, v := range state {
			all = append(all, t.versions[v.version].byTransition[transition]...)
		}
		slices.Sort(all)
		stats[wire] = codersdk.TransitionStats{P50: percentile(all, 50), P95: percentile(all, 95)}
	}
	t.stats[template] = knownStats{at: state, stats: stats}
	return stats
}

// percentile is the least of the sorted values that so many of a hundred do not exceed; nil of none.
func percentile(sorted []int64, percent int) *int64 {
	if len(sorted) == 0 {
		return nil
	}
	rank := (len(sorted)*percent + 99) / 100
	value := sorted[rank-1]
	return &value
}

// BuildTimes is how long the kept builds of a template took that went well, by transition. Nobody may change it.
func (s *Store) BuildTimes(ctx context.Context, t *v1alpha1.Template) (codersdk.TemplateBuildTimeStats, error) {
	versions, err := list[*v1alpha1.TemplateVersion](ctx, s, &v1alpha1.TemplateVersionList{}, index.Template, t.Name, client.InNamespace(t.Namespace))
	if err != nil {
		return nil, err
	}
	uids := make([]types.UID, 0, len(versions))
	for _, v := range versions {
		uids = append(uids, v.UID)
	}
	return s.times.of(client.ObjectKeyFromObject(t), uids), nil
}
