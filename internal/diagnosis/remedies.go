// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ledger"
)

// remedies are what can be done about a reason.
func (c Case) remedies(reason string) []string {
	w := c.Workspace
	in := " -n " + w.Namespace
	editTemplate := fmt.Sprintf("kubectl edit btpl %s -n %s", w.Spec.TemplateRef.Name, c.home())
	editWorkspace := fmt.Sprintf("kubectl edit bws %s%s", w.Name, in)
	again := fmt.Sprintf("kubectl berth start %s%s", w.Name, in)
	switch reason {
	case v1alpha1.ReasonImagePull:
		return append([]string{"correct the image in the template: " + editTemplate}, c.lastGood()...)
	case v1alpha1.ReasonUnschedulable:
		return c.unschedulable()
	case v1alpha1.ReasonClaimPending:
		return c.claim("see what the volume waits for: kubectl describe pvc %s" + in)
	case v1alpha1.ReasonClaimTaken:
		return c.claim("see whose the claim is: kubectl describe pvc %s" + in)
	case v1alpha1.ReasonCrashLoop:
		return append(c.crashed(), c.lastGood()...)
	case v1alpha1.ReasonOutOfMemory:
		return []string{"raise the memory limit in the template: " + editTemplate, "see what used it: " + c.logs("")}
	case v1alpha1.ReasonContainerConfig:
		remedies := []string{"correct what the message names, in the template: " + editTemplate}
		if c.Pod != nil {
			remedies = append(remedies, fmt.Sprintf("see all that Kubernetes says of it: kubectl describe pod %s%s", c.Pod.Name, in))
		}
		if now := c.accepted(); now != nil && ledger.Outcome(now) == v1alpha1.JobFailed {
			remedies = append(remedies, "then try again: "+again)
		}
		return remedies
	case v1alpha1.ReasonPodRefused:
		return []string{"see the namespace's limits: kubectl describe resourcequota,limitrange" + in, "ask for less: " + editWorkspace}
	case v1alpha1.ReasonNotAnOrganization:
		return []string{fmt.Sprintf(`make one of the namespace: printf '{"apiVersion":"%s","kind":"Organization","metadata":{"name":"%s"}}' | kubectl apply -f -`,
			v1alpha1.GroupVersion, w.Namespace)}
	case v1alpha1.ReasonNameTaken:
		return []string{"take this one away: kubectl berth delete " + w.Name + in, fmt.Sprintf("make one of another name: kubectl berth create NAME --template %s%s", w.Spec.TemplateRef.Name, in)}
	case v1alpha1.ReasonIDTaken:
		return []string{fmt.Sprintf("apply the manifest anew without spec.id, after: kubectl berth delete %s%s", w.Name, in)}
	case v1alpha1.ReasonTemplateMissing:
		return []string{fmt.Sprintf("see which templates there are: kubectl get btpl -n %s", c.home())}
	case v1alpha1.ReasonTemplateNotOpen:
		from := w.Spec.TemplateRef.Organization
		return []string{
			fmt.Sprintf("ask who administers organization %s to open it: kubectl edit btpl %s -n %s", from, w.Spec.TemplateRef.Name, from),
			fmt.Sprintf("make one of a template of your own: kubectl get btpl -n %s", w.Namespace),
		}
	case v1alpha1.ReasonTemplateNotReady:
		return []string{fmt.Sprintf("see what is wrong with the template: kubectl berth why template/%s -n %s", w.Spec.TemplateRef.Name, c.home())}
	case v1alpha1.ReasonOwnerMissing:
		return []string{"see which users there are: kubectl get users.berth.dev"}
	case v1alpha1.ReasonOwnerSuspended:
		return []string{fmt.Sprintf(`activate the account: kubectl patch users.berth.dev %s --type merge -p '{"spec":{"suspended":false}}'`, w.Spec.Owner.User)}
	case v1alpha1.ReasonExternalAuthRequired:
		return []string{"the owner signs in to the provider in a browser, at /external-auth/PROVIDER/callback of Berth's own address; it starts by itself then"}
	case v1alpha1.ReasonParameterRefused, v1alpha1.ReasonScheduleInvalid, v1alpha1.ReasonInvalid:
		return []string{"correct the field: " + editWorkspace}
	case v1alpha1.ReasonBuildFailed, v1alpha1.ReasonFailed, v1alpha1.ReasonStartTimeout:
		return append([]string{"read the whole log: " + c.logs(""), "try again: " + again}, c.lastGood()...)
	case v1alpha1.ReasonCanceled:
		return []string{"start it again: " + again}
	case v1alpha1.ReasonQuotaExceeded:
		return c.quota()
	case v1alpha1.ReasonRetrying:
		return []string{"see whether the cluster is well: kubectl berth doctor"}
	}
	return []string{"wait; to follow it: kubectl berth logs " + w.Name + in + " -f"}
}

// home is the home namespace that the template stands in.
func (c Case) home() string {
	if c.Template != nil {
		return c.Template.Namespace
	}
	return c.Workspace.Spec.TemplateRef.Home(c.Workspace.Namespace)
}

// groups is the namespace that the owner's groups stand in, as far as it is known: the template's, unless that is another
// organization's.
func (c Case) groups() string {
	if c.Workspace.Spec.TemplateRef.Organization != "" {
		return c.Workspace.Namespace
	}
	return c.home()
}

// logs is the command that shows the log of the build, or of a container.
func (c Case) logs(more string) string {
	return fmt.Sprintf("kubectl berth logs %s -n %s%s", c.Workspace.Name, c.Workspace.Namespace, more)
}

// claim names the first claim that is not bound.
func (c Case) claim(format string) []string {
	for _, claim := range c.Claims {
		if claim.Status.Phase != corev1.ClaimBound {
			return []string{fmt.Sprintf(format, claim.Name)}
		}
	}
	return []string{fmt.Sprintf("see the claims: kubectl get pvc -n %s", c.Workspace.Namespace)}
}

// crashed are the logs of the containers that end again and again.
func (c Case) crashed() []string {
	var remedies []string
	if c.Pod == nil {
		return remedies
	}
	for _, s := range append(slices.Clone(c.Pod.Status.InitContainerStatuses), c.Pod.Status.ContainerStatuses...) {
		if s.LastTerminationState.Terminated != nil && !s.Ready {
			remedies = append(remedies, "read what it said before it ended: "+c.logs(" -c "+s.Name+" --previous"))
		}
	}
	return remedies
}

// lastGood offers the version of the last start that went well, where it is another than the present one.
func (c Case) lastGood() []string {
	now := c.accepted()
	var best *v1alpha1.WorkspaceBuild
	for i := range c.Builds {
		b := &c.Builds[i]
		if b.Spec.Transition == v1alpha1.TransitionStart && ledger.Outcome(b) == v1alpha1.JobSucceeded && b.Spec.VersionRef != nil &&
			(best == nil || b.Spec.Number > best.Spec.Number) {
			best = b
		}
	}
	if best == nil || now == nil || now.Spec.VersionRef == nil || best.Spec.VersionRef.Name == now.Spec.VersionRef.Name {
		return nil
	}
	return []string{fmt.Sprintf("go back to the version that last ran: kubectl berth start %s -n %s --version %s",
		c.Workspace.Name, c.Workspace.Namespace, best.Spec.VersionRef.Name)}
}

// quota says where to look; whose workspaces could make room only their owners and administrators may see.
func (c Case) quota() []string {
	in := " -n " + c.Workspace.Namespace
	return []string{
		"stop another of yours: kubectl berth list" + in + ", then kubectl berth stop NAME" + in,
		"have the quota of a group raised: kubectl get bgrp -n " + c.groups(),
	}
}
