// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// leaves has the workspace deleted among faults and late events. Its claims are kept, or go where the template says so; in
// the end nothing else of it is there but one record.
func (p *play) leaves(ctx context.Context, kept bool) {
	GinkgoHelper()
	p.say("deleted")
	p.doomed = !kept
	p.faults.oneIn = 4
	Expect(env.Client.Delete(ctx, p.ws)).To(Succeed())
	for range 6 {
		p.works(ctx, 1)
		p.kubelet(ctx, running)
	}
	p.calms(ctx)
	Expect(read(ctx, p.ws)).To(BeFalse(), "%v: it is still there: %v", p.told, p.ws.Status)
	Expect(p.pods(ctx, p.ws)).To(BeEmpty(), "%v", p.told)
	Expect(p.records(ctx)).To(HaveLen(1), "%v", p.told)
	for _, c := range p.claims(ctx, p.ws) { // what met a conflict as it was removed is marked, and swept
		_, err := p.sweeps.Reconcile(ctx, request(&c))
		Expect(err).NotTo(HaveOccurred())
	}
	stay := left(p.claims(ctx, p.ws))
	if kept {
		Expect(stay).To(HaveLen(len(p.claimed)), "%v", p.told)
	} else {
		Expect(stay).To(BeEmpty(), "%v", p.told)
	}
	for _, c := range stay {
		Expect(c.Annotations).To(HaveKey(v1alpha1.AnnotationDeleteAfter), "%v", p.told)
	}
}

// returns brings the workspace back by its id, while the caches still show the one that was deleted.
func (p *play) returns(ctx context.Context) {
	GinkgoHelper()
	p.say("brought back")
	id := id(p.ws)
	p.collect(ctx, p.ws)
	p.held, p.busy = "", false
	p.cache.restarts()
	p.ws = p.workspace(ctx, "api", func(ws *v1alpha1.Workspace) { ws.Spec.ID = v1alpha1.ID(id) })
	p.faults.oneIn = 5
	p.works(ctx, 5)
	p.calms(ctx)
	p.asks(ctx, p.ws, v1alpha1.RequestStart)
	p.works(ctx, 5)
	p.rests(ctx)
}
