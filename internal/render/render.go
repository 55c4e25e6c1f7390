// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/berth-dev/berth/internal/fault"
)

// Render makes the workload of one workspace. It is a function of the content and the input alone: the same two give
// the same bytes. The fault, of kind Invalid, names every field that could not be rendered, with the reason of the
// first.
func (c *Compiled) Render(in Input) (*Workload, *fault.Error) {
	a, refusal := c.put(in)
	if refusal != nil {
		return nil, refusal
	}
	return &a.workload, nil
}

// put puts the workload of an input together.
func (c *Compiled) put(in Input) (*assembly, *fault.Error) {
	values, refusal := bindings(c.content, &in)
	if refusal != nil {
		return nil, refusal
	}
	a, problems := c.assemble(&in, &evaluation{bindings: values, secrets: c.secretNames(&in.Workspace), nobodys: in.Hold})
	if len(problems) > 0 {
		return nil, Fault(problems)
	}
	return a, nil
}

// Fault makes one fault of problems, with the reason of the first; nil when there are none.
func Fault(problems []Problem) *fault.Error {
	var faults []*fault.Error
	for _, p := range problems {
		faults = append(faults, fault.On(p.Path, "%s", p.Message).Because(p.Reason))
	}
	joined := fault.Join("The template's content has several problems.", faults...)
	if joined == nil {
		return nil
	}
	return joined.Because(problems[0].Reason)
}
