// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// mostValues is how many values of one parameter are tried.
const mostValues = 64

// unschedulable says which smaller wish a node could fulfil.
func (c Case) unschedulable() []string {
	describe := ""
	if c.Pod != nil {
		describe = fmt.Sprintf("see what the scheduler says: kubectl describe pod %s -n %s", c.Pod.Name, c.Pod.Namespace)
	}
	ask := []string{"ask for less, or have a node added" + after(describe)}
	if c.Pod == nil {
		return []string{fmt.Sprintf("ask for less: kubectl edit bws %s -n %s", c.Workspace.Name, c.Workspace.Namespace)}
	}
	if c.Nodes == nil {
		ask[0] += " (you may not list nodes, so what would fit is not known)"
		return ask
	}
	open := c.open(&c.Pod.Spec)
	if len(open) == 0 {
		return []string{fmt.Sprintf("none of %d nodes is open to the pod: its node selector and tolerations rule them out%s", len(c.Nodes), after(describe))}
	}
	var remedies []string
	for _, choice := range c.choices(open) {
		remedies = append(remedies, fmt.Sprintf("the smallest change that fits, %s: kubectl berth start %s -n %s --parameter %s",
			choice.words, c.Workspace.Name, c.Workspace.Namespace, choice.flag))
	}
	if len(remedies) == 0 {
		if text := c.nearest(open); text != "" {
			remedies = append(remedies, text)
		}
	}
	if c.Neighbours == nil {
		remedies = append(remedies, "(you may not list the pods of all namespaces, so this counts the nodes as empty)")
	}
	return append(remedies, ask...)
}

func after(command string) string {
	if command == "" {
		return ""
	}
	return "; " + command
}

// nearest is the wish that would fit the room which lacks least.
func (c Case) nearest(rooms []room) string {
	wants := requests(&c.Pod.Spec)
	best := slices.MinFunc(rooms, func(a, b room) int {
		return cmp.Or(cmp.Compare(len(a.lacks(wants)), len(b.lacks(wants))), cmp.Compare(a.short(wants), b.short(wants)))
	})
	var changes []string
	for _, name := range best.lacks(wants) {
		want, free := wants[name], best.free[name]
		if free.Sign() <= 0 {
			return fmt.Sprintf("no node has any %s left", name)
		}
		changes = append(changes, fmt.Sprintf("%s %s (now %s)", name, free.String(), want.String()))
	}
	if len(changes) == 0 {
		return ""
	}
	return fmt.Sprintf("the smallest change that fits, on node %s: %s; in the template: kubectl edit btpl %s -n %s",
		best.node, strings.Join(changes, ", "), c.Workspace.Spec.TemplateRef.Name, c.home())
}

// short is by how much of itself a wish exceeds the room, at most.
func (r room) short(wants corev1.ResourceList) float64 {
	most := 0.0
	for name, want := range wants {
		free := r.free[name]
		if w := want.AsApproximateFloat64(); w > 0 {
			most = max(most, 1-free.AsApproximateFloat64()/w)
		}
	}
	return most
}

// choice is a value for one parameter, in words and as the flag takes it.
type choice struct {
	words, flag string
}

// choices are values of single parameters with which the pod would fit somewhere: the largest of each.
func (c Case) choices(rooms []room) []choice {
	b := c.accepted()
	if c.Version == nil || b == nil || b.Spec.Parameters == nil {
		return nil
	}
	compiled, problems := render.Compile(&c.Version.Spec.Content)
	if len(problems) > 0 {
		return nil
	}
	var found []choice
	for i := range c.Version.Spec.Content.Parameters {
		p := &c.Version.Spec.Content.Parameters[i]
		if !p.Mutable || p.Monotonic == v1alpha1.MonotonicIncreasing {
			continue
		}
		now := b.Spec.Parameters.Values[p.Name]
		for _, value := range smaller(p, now) {
			input, _ := compiled.Sample()
			maps.Copy(input.Parameters, b.Spec.Parameters.Values)
			maps.Copy(input.Parameters, b.Spec.Parameters.Ephemeral)
			input.Parameters[p.Name] = value
			workload, refusal := compiled.Render(input)
			if refusal != nil || !fits(rooms, requests(&workload.Pod.Spec)) {
				continue
			}
			found = append(found, choice{fmt.Sprintf("%s %s (now %s)", p.Name, value.String(), now.String()), p.Name + "=" + value.String()})
			break
		}
	}
	return found
}

func fits(rooms []room, wants corev1.ResourceList) bool {
	return slices.ContainsFunc(rooms, func(r room) bool { return len(r.lacks(wants)) == 0 })
}

// smaller are the values below the present one that a number may have, largest first.
func smaller(p *v1alpha1.Parameter, now v1alpha1.Value) []v1alpha1.Value {
	present, ok := number(now)
	if !ok || p.Type != v1alpha1.TypeInteger && p.Type != v1alpha1.TypeNumber {
		return nil
	}
	var values []float64
	for _, o := range p.Options {
		if v, ok := number(o.Value); ok && v < present {
			values = append(values, v)
		}
	}
	if len(p.Options) == 0 {
		least := 0.0
		if p.Minimum != nil {
			least, _ = number(*p.Minimum)
		}
		// a wide range is sampled, the ends included
		step := max(1, float64(int((present-least)/mostValues)))
		for v := present - step; v >= least && len(values) < 2*mostValues; v -= step {
			values = append(values, v)
		}
		values = append(values, least)
	}
	slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
	var out []v1alpha1.Value
	for _, v := range slices.Compact(values) {
		if v < present {
			out = append(out, v1alpha1.Value{Raw: []byte(strconv.FormatFloat(v, 'f', -1, 64))})
		}
	}
	return out
}

func number(v v1alpha1.Value) (float64, bool) {
	var x float64
	err := json.Unmarshal(v.Raw, &x)
	return x, err == nil
}
