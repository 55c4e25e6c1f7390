// SPDX-License-Identifier: Apache-2.0

package view

import (
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// podKind is the kind of the resource that the agents run in.
const podKind = "Pod"

// resources shows what a build made or kept. A start that succeeded has its pod, also where nothing was recorded of it;
// a deletion has nothing.
func resources(p WorkspaceParts, b *v1alpha1.WorkspaceBuild, shown codersdk.WorkspaceBuild, now time.Time) []codersdk.WorkspaceResource {
	all := []codersdk.WorkspaceResource{}
	if b.Spec.Transition == v1alpha1.TransitionDelete {
		return all
	}
	hasPod := false
	for _, r := range b.Status.Resources {
		hasPod = hasPod || r.Kind == podKind
		all = append(all, resource(p, b, r, shown, now))
	}
	if !hasPod && shown.Status == codersdk.WorkspaceStatusRunning {
		pod := v1alpha1.BuildResource{Kind: podKind, Name: "pod"}
		all = append(all, resource(p, b, pod, shown, now))
	}
	return all
}

func resource(p WorkspaceParts, b *v1alpha1.WorkspaceBuild, r v1alpha1.BuildResource, shown codersdk.WorkspaceBuild, now time.Time) codersdk.WorkspaceResource {
	wire := codersdk.WorkspaceResource{
		ID:                  ids.Resource(shown.ID, r.Kind, r.Name),
		CreatedAt:           shown.CreatedAt,
		JobID:               shown.Job.ID,
		WorkspaceTransition: shown.Transition,
		Type:                "kubernetes_" + snake(r.Kind),
		Name:                r.Name,
		Hide:                r.Hide,
		Icon:                string(r.Icon),
		DailyCost:           clamp(r.DailyCost),
	}
	for _, item := range r.Items {
		line := codersdk.WorkspaceResourceMetadata{Key: item.Key, Value: item.Value, Sensitive: item.Sensitive}
		if item.Sensitive {
			line.Value = ""
		}
		wire.Metadata = append(wire.Metadata, line)
	}
	if r.Kind == podKind && b.Spec.Transition == v1alpha1.TransitionStart {
		wire.Agents = agents(p, b, wire.ID, shown, now)
	}
	return wire
}

// clamp fits a cost into the wire's number.
func clamp(n int64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }

// snake writes a kind as the wire's types are written: PersistentVolumeClaim is persistent_volume_claim.
func snake(kind string) string {
	var out strings.Builder
	for i, r := range kind {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
