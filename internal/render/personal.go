// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"
	"strings"

	celast "github.com/google/cel-go/common/ast"
)

// personalRoots are the names by which an expression asks whose workspace it is.
func personalRoots() []string { return []string{"owner", "workspace"} }

// asksWhose tells whether an expression's value may depend on whose workspace it is.
func asksWhose(ast *celast.AST) bool {
	found := false
	celast.PreOrderVisit(ast.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		found = found || x.Kind() == celast.IdentKind && slices.Contains(personalRoots(), x.AsIdent())
	}))
	return found
}

// personal tells whether what stands in the field may depend on whose workspace it is.
func (l *leaf) personal() bool {
	return l != nil && slices.ContainsFunc(l.pieces, func(p compiledPiece) bool { return p.expression != nil && p.expression.personal })
}

// late are the variables of a container that depend on whose workspace it is, each with what its author wrote around the
// expressions that do.
type late map[string]string

// ownLate are Berth's own variables that say whose workspace it is.
func ownLate() late {
	return late{"BERTH_WORKSPACE_ID": "", "BERTH_WORKSPACE_NAME": "", "BERTH_OWNER_NAME": "", "BERTH_OWNER_EMAIL": ""}
}

func (l late) note(name string, value *leaf) {
	if value.personal() {
		l[name] += value.written()
	}
}

// written is a text as its author wrote it, with a blank for each expression.
func (l *leaf) written() string {
	var text strings.Builder
	for _, p := range l.pieces {
		text.WriteString(p.literal)
		if p.expression != nil {
			text.WriteByte(' ')
		}
	}
	return text.String()
}

// personalFields are the fields of a pod and its claims that depend on whose workspace it is and can't be told to an
// agent later.
func (c *Compiled) personalFields() []Problem {
	f := fields{}
	f.add(c.image)
	f.resources(c.resources)
	if !c.runsAgent(WorkspaceContainer) {
		f.environment(c.env)
	}
	if c.pod != nil {
		c.podFields(&f)
	}
	for i := range c.claims {
		f.add(c.claims[i].size)
		f.add(c.claims[i].includeWhen...)
	}
	for i := range c.sidecars {
		s := &c.sidecars[i]
		f.add(s.image)
		f.add(s.command...)
		f.add(s.args...)
		f.resources(s.resources)
		f.add(s.includeWhen...)
		if !c.runsAgent(s.Name) {
			f.environment(s.env)
		}
	}
	for i := range c.files {
		f.add(c.files[i].text)
	}
	return f.problems
}

// podFields are those of the author's own pod, where the values of an agent's container's variables may be personal.
func (c *Compiled) podFields(f *fields) {
	allowed := map[*leaf]bool{}
	for _, container := range c.containers() {
		if c.runsAgent(container.name()) {
			for _, v := range container.env() {
				allowed[v.fields["value"].leafOf()] = true
			}
		}
	}
	c.pod.leaves(func(l *leaf) {
		if !allowed[l] {
			f.add(l)
		}
	})
}

// fields gathers those that are personal.
type fields struct{ problems []Problem }

func (f *fields) add(leaves ...*leaf) {
	for _, l := range leaves {
		if l.personal() {
			f.problems = append(f.problems, notPoolable(l.path, "depends on the owner or the workspace, and a prepared pod is nobody's yet; "+
				"only a variable of an agent's own container may"))
		}
	}
}

func (f *fields) resources(r compiledResources) {
	for _, list := range []map[string]*leaf{r.requests, r.limits} {
		for _, name := range sortedKeys(list) {
			f.add(list[name])
		}
	}
}

func (f *fields) environment(env []compiledEnv) {
	for i := range env {
		f.add(env[i].value)
	}
}

// runsAgent tells whether an agent runs in a container.
func (c *Compiled) runsAgent(container string) bool {
	return slices.ContainsFunc(c.agents, func(agent compiledAgent) bool {
		name := agent.Container
		if name == "" {
			name = c.firstContainer()
		}
		return name == container
	})
}

func (c *Compiled) firstContainer() string {
	if containers := c.containers(); c.pod != nil && len(containers) > 0 {
		return containers[0].name()
	}
	return WorkspaceContainer
}

// lateIn are those of a container, as its author wrote it.
func (c *Compiled) lateIn(container string) late {
	if c.pod == nil && container == WorkspaceContainer {
		return lateEnv(c.env)
	}
	for _, s := range c.sidecars {
		if s.Name == container {
			return lateEnv(s.env)
		}
	}
	found := late{}
	for _, n := range c.containers() {
		if n.name() == container {
			for _, v := range n.env() {
				found.note(v.name(), v.fields["value"].leafOf())
			}
		}
	}
	return found
}

func lateEnv(env []compiledEnv) late {
	found := late{}
	for _, v := range env {
		found.note(v.name, v.value)
	}
	return found
}

// containers are those of the author's own pod.
func (c *Compiled) containers() []*node {
	if c.pod == nil || c.pod.fields["spec"] == nil || c.pod.fields["spec"].fields["containers"] == nil {
		return nil
	}
	return c.pod.fields["spec"].fields["containers"].items
}

func (n *node) env() []*node {
	if n.fields["env"] == nil {
		return nil
	}
	return n.fields["env"].items
}

// name is the literal that stands in the node's field name, where no expression may stand.
func (n *node) name() string {
	text, _ := n.fields["name"].leafOf().literalOf().(string)
	return text
}

func (n *node) leafOf() *leaf {
	if n == nil {
		return nil
	}
	return n.leaf
}

func (l *leaf) literalOf() any {
	if l == nil {
		return nil
	}
	return l.literal
}

// leaves calls for each leaf of a node, in the order of the object.
func (n *node) leaves(each func(*leaf)) {
	if n.leaf != nil {
		each(n.leaf)
	}
	for _, name := range n.names {
		n.fields[name].leaves(each)
	}
	for _, item := range n.items {
		item.leaves(each)
	}
}
