// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/berth-dev/berth/internal/fault"

// Cost is what a workspace would cost in credits a day while it runs, and what of that its volumes alone cost, without
// rendering the rest: the sums over the Resources that Render would give. Its fault is one that Render gives too.
func (c *Compiled) Cost(in Input) (running, idle int64, refusal *fault.Error) {
	values, refusal := bindings(c.content, &in)
	if refusal != nil {
		return 0, 0, refusal
	}
	a := &assembly{Compiled: c, in: &in, run: &evaluation{bindings: values}}
	for _, claim := range c.claims {
		if a.included(claim.includeWhen) {
			idle += a.costOf(claim.Name)
		}
	}
	running = idle + a.costOf(podResource) + a.cost(a.dailyCost)
	if a.failed() {
		return 0, 0, Fault(a.allProblems())
	}
	return running, idle, nil
}

// costOf is what the metadata of a resource says that it costs; of several entries the last one counts.
func (a *assembly) costOf(name string) int64 {
	cost := int64(0)
	for _, m := range a.metadata {
		if m.Name == name {
			cost = a.cost(m.dailyCost)
		}
	}
	return cost
}
