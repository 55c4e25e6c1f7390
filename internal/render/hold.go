// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// A pod can be prepared before anybody knows whose it becomes where nothing of it depends on that but plain variables of
// its agents' own containers: those an agent can be told later. What a content says of a person elsewhere (in an image, a
// label, a file, a sidecar) would have to be in the pod from the beginning.

// Poolable tells why no pod of the content can be prepared; nil when one can. The fault names every field that stands in
// the way, with reason NotPoolable. in is an input of a prepared workspace; only what all of them share counts.
func (c *Compiled) Poolable(in Input) *fault.Error {
	problems := c.personalFields()
	for i := range c.content.Secrets {
		problems = append(problems, notPoolable(fmt.Sprintf("%s.secrets[%d]", contentPath, i), "is made for each workspace with a name of its own, which the pod holds"))
	}
	if len(problems) > 0 {
		return Fault(problems)
	}
	in.Hold = true
	held, refusal := c.put(in)
	if refusal != nil {
		return refusal
	}
	if len(held.unbindable) > 0 {
		return Fault(held.unbindable)
	}
	return Fault(c.extrasInPod(in, held))
}

// Bind gives, by agent, the variables that a prepared pod of the content lacks and that the workspace's own would have, as
// Kubernetes sets them: in the order of the content, with $(NAME) expanded. in is the input of the workspace. The fault is
// that of a start, or says with reason NotPoolable that the workspace's own pod would be another.
func (c *Compiled) Bind(in Input) (map[string][]v1alpha1.EnvVar, *fault.Error) {
	in.Hold = true
	held, refusal := c.put(in)
	if refusal != nil {
		return nil, refusal
	}
	in.Hold = false
	own, refusal := c.put(in)
	if refusal != nil {
		return nil, refusal
	}
	if field := own.unlike(held); field != "" {
		return nil, fault.On(field, "the workspace's own pod would not be as the prepared one").Because(v1alpha1.ReasonNotPoolable)
	}
	return own.bound, nil
}

func notPoolable(path, format string, args ...any) Problem {
	return Problem{Path: path, Message: fmt.Sprintf(format, args...), Reason: v1alpha1.ReasonNotPoolable}
}

// unlike names the first part of the pod in which a workspace's own differs from the prepared one, beside what an agent is
// told: its command has no --hold, and it has the variables that it is bound with. Empty where there is none.
func (a *assembly) unlike(held *assembly) string {
	own, prepared := a.workload.Pod.DeepCopy(), &held.workload.Pod
	for _, agent := range a.workload.Agents {
		for i := range own.Spec.Containers {
			if c := &own.Spec.Containers[i]; c.Name == agent.Container {
				c.Command = slices.Insert(c.Command, len(agentCommand()), holdFlag)
				c.Env = slices.DeleteFunc(c.Env, func(v corev1.EnvVar) bool {
					return slices.ContainsFunc(a.bound[agent.Name], func(b v1alpha1.EnvVar) bool { return b.Name == v.Name })
				})
			}
		}
	}
	at := contentPath + ".podTemplate"
	switch {
	case !equality.Semantic.DeepEqual(own.ObjectMeta, prepared.ObjectMeta):
		return at + ".metadata"
	case !equality.Semantic.DeepEqual(own.Spec.InitContainers, prepared.Spec.InitContainers):
		return at + ".spec.initContainers"
	case !equality.Semantic.DeepEqual(own.Spec.Containers, prepared.Spec.Containers):
		return at + ".spec.containers"
	case !equality.Semantic.DeepEqual(own.Spec, prepared.Spec):
		return at + ".spec"
	case !equality.Semantic.DeepEqual(a.workload.Claims, held.workload.Claims):
		return contentPath + ".volumeClaims"
	}
	return ""
}

// part takes the variables that depend on whose workspace it is out of an agent's environment where the pod is prepared,
// and works out what the agent is told of them later. One that uses such a one as $(NAME) is such a one too.
func (a *assembly) part(agent compiledAgent, c *corev1.Container, env []variable) []corev1.EnvVar {
	known := map[string]string{}   // the values of those before, as Kubernetes knows them
	late := map[string]bool{}      // those before that depend on whose workspace it is
	elsewhere := map[string]bool{} // those before whose value is not the pod's to know
	var whole, shared []corev1.EnvVar
	for _, v := range env {
		whole = append(whole, v.EnvVar)
		uses := referred(v.Value)
		if v.late {
			uses = referred(v.written)
		}
		late[v.Name] = v.late || slices.ContainsFunc(uses, func(name string) bool { return late[name] })
		elsewhere[v.Name] = v.ValueFrom != nil
		if v.ValueFrom == nil {
			known[v.Name] = expand(v.Value, known)
		}
		if !late[v.Name] {
			shared = append(shared, v.EnvVar)
			continue
		}
		for _, name := range uses {
			if _, is := known[name]; elsewhere[name] || !is && len(c.EnvFrom) > 0 {
				a.cannotBind(a.at[c.Name]+".env", "%s uses $(%s), whose value only Kubernetes knows, beside what depends on the owner or the workspace", v.Name, name)
			}
		}
		a.bound[agent.Name] = append(a.bound[agent.Name], v1alpha1.EnvVar{Name: v.Name, Value: known[v.Name]})
	}
	a.checkUses(c, late)
	if a.in.Hold {
		return shared
	}
	return whole
}

// checkUses refuses what Kubernetes itself expands from a variable that the prepared pod does not have.
func (a *assembly) checkUses(c *corev1.Container, late map[string]bool) {
	check := func(text, at string) {
		for _, name := range referred(text) {
			if late[name] {
				a.cannotBind(a.at[c.Name]+at, "uses $(%s), which depends on the owner or the workspace and is known too late; a shell can read it from its environment as $%s", name, name)
			}
		}
	}
	for _, text := range slices.Concat(c.Command, c.Args) {
		check(text, ".command")
	}
	for i, m := range c.VolumeMounts {
		check(m.SubPathExpr, fmt.Sprintf(".volumeMounts[%d].subPathExpr", i))
	}
}

func (a *assembly) cannotBind(path, format string, args ...any) {
	a.unbindable = append(a.unbindable, notPoolable(path, format, args...))
}

// extrasInPod finds extra objects that the pod waits for: they are made with the workspace, and so after its pod.
func (c *Compiled) extrasInPod(in Input, held *assembly) []Problem {
	in.Hold = false
	sample, _ := c.Sample()
	in.Workspace, in.Owner = sample.Workspace, sample.Owner
	own, refusal := c.Render(in)
	if refusal != nil {
		return nil // what is wrong for a person alone is no matter of the pod, which has been rendered
	}
	var problems []Problem
	for _, extra := range own.Extras {
		for _, ref := range held.workload.References {
			if ref.Kind == extra.Kind && ref.Name == extra.Name {
				i := slices.IndexFunc(c.content.ExtraObjects, func(x v1alpha1.ExtraObject) bool { return x.ID == extra.ID })
				problems = append(problems, notPoolable(fmt.Sprintf("%s.extraObjects[%d]", contentPath, i), "is made with the workspace, and its pod needs it before (%s)", ref.Path))
			}
		}
	}
	return problems
}
