// SPDX-License-Identifier: Apache-2.0

package workspace_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// opens has the play's workspace be one of a template with a lifecycle. Where it is stocked, the template has a prepared
// workspace, which the first start may take over.
func (p *play) opens(ctx context.Context, l v1alpha1.Lifecycle, stocked bool) {
	GinkgoHelper()
	if !stocked {
		p.ws = p.lives(ctx, l)
		return
	}
	p.slot = p.pooled(ctx, 1, func(t *v1alpha1.Template) { t.Spec.Lifecycle = &l })[0]
	p.ws = p.workspace(ctx, "api")
}

// introduces tells the agents of the prepared workspace whose it is now, as the API server does when it sees the claim.
func (p *play) introduces(ctx context.Context) {
	GinkgoHelper()
	if p.slot == nil || !read(ctx, p.slot) {
		return
	}
	claim := p.slot.Spec.Claim
	if claim == nil {
		return
	}
	if p.claimant == "" {
		p.claimant = p.ws.UID
	}
	Expect(claim.WorkspaceRef.UID).To(Equal(p.claimant), "%v: it is claimed for another", p.told)
	if len(p.slot.Status.Agents) == 0 || !p.slot.Status.Agents[0].Bound {
		p.binds(ctx, p.slot)
	}
}

// promotes has the template go on to another version.
func (p *play) promotes(ctx context.Context) {
	GinkgoHelper()
	p.versions++
	content := p.template.Spec.Content.DeepCopy()
	content.Env = []v1alpha1.EnvVar{{Name: "VERSION", Value: fmt.Sprint(p.versions)}}
	name := fmt.Sprintf("%s-next-%d", p.template.Name, p.versions)
	p.say("promotion of %s", name)
	p.promote(ctx, p.template, name, content)
}
