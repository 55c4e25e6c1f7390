// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
)

// mostExtras is how many extra objects one workspace may have.
const mostExtras = 32

// ExtraKind is a kind that an extra object may be of.
type ExtraKind struct {
	APIVersion, Kind string
	of               reflect.Type
}

// ExtraKinds are all kinds that an extra object may be of. It is a list of what is allowed: none of them runs anything,
// names an account or reads a Secret.
func ExtraKinds() []ExtraKind {
	return []ExtraKind{
		{"v1", "ConfigMap", reflect.TypeFor[corev1.ConfigMap]()},
		{"v1", "PersistentVolumeClaim", reflect.TypeFor[corev1.PersistentVolumeClaim]()},
		{"v1", "Service", reflect.TypeFor[corev1.Service]()},
		{"networking.k8s.io/v1", "NetworkPolicy", reflect.TypeFor[networkingv1.NetworkPolicy]()},
	}
}

type compiledExtra struct {
	v1alpha1.ExtraObject
	path        string
	kind        ExtraKind
	includeWhen []*leaf
	loops       []loop
	object      *node
}

// loop is one item of a forEach.
type loop struct {
	path     string
	variable string
	list     *expression
}

func (c *compiler) compileExtras() {
	for i, x := range c.content.ExtraObjects {
		extra := compiledExtra{ExtraObject: x, path: fmt.Sprintf("%s.extraObjects[%d]", contentPath, i)}
		extra.includeWhen = c.conditions(extra.path+".includeWhen", x.IncludeWhen)
		outside := c.declared
		c.loops(&extra)
		c.rules = objectRules{fixed: fixedInExtra, expands: func([]string) bool { return false }}
		if tree, ok := c.parse(extra.path+".object", x.Object.Raw); ok && c.kindOf(&extra, tree) {
			extra.object = c.node(extra.path+".object", nil, tree, extra.kind.of)
		}
		c.declared = outside
		c.extras = append(c.extras, extra)
	}
}

// loops compiles a forEach, and declares its variables to the expressions of the object.
func (c *compiler) loops(extra *compiledExtra) {
	for i, item := range extra.ForEach {
		for _, name := range sortedKeys(item) {
			l := loop{path: child(fmt.Sprintf("%s.forEach[%d]", extra.path, i), name), variable: name}
			if wrong := parameters.Name(name); wrong != "" {
				c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s", wrong)
				continue
			}
			if c.declared.taken(name) {
				c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%q is taken already; choose another name", name)
				continue
			}
			pieces, err := split(string(item[name]))
			if err != nil || len(pieces) != 1 || !pieces[0].expression {
				c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%q must be one expression for a list, such as \"${parameters.shares}\"", shorten(string(item[name])))
				continue
			}
			if l.list = c.expression(l.path, pieces[0].text); l.list == nil {
				continue
			}
			entry, problem := entryOf(l.list.result)
			if problem != "" {
				c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s %s", show(pieces[0].text), problem)
				continue
			}
			inside, err := c.declared.with(name, entry)
			if err != nil {
				c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%v", err)
				continue
			}
			c.declared = inside
			extra.loops = append(extra.loops, l)
		}
	}
}

// entryOf is the type of a list's entries, which must be scalars.
func entryOf(list *cel.Type) (entry *cel.Type, problem string) {
	if list.Kind() != types.ListKind || len(list.Parameters()) != 1 || !isText(list.Parameters()[0]) {
		return nil, fmt.Sprintf("is %s, and forEach goes through a list of text, numbers or booleans", typeName(list))
	}
	return list.Parameters()[0], ""
}

// taken tells whether expressions know the name already.
func (d *declarations) taken(name string) bool {
	_, root := d.fields[name]
	return root || name == "secrets" || slices.Contains(d.loops, name)
}

// with are the declarations with one variable more.
func (d *declarations) with(name string, t *cel.Type) (*declarations, error) {
	env, err := d.env.Extend(cel.Variable(name, t))
	if err != nil {
		return nil, fmt.Errorf("declare %s to CEL: %w", name, err)
	}
	inside := *d
	inside.env, inside.loops = env, append(slices.Clone(d.loops), name)
	return &inside, nil
}

// kindOf finds the object's kind, which must be allowed.
func (c *compiler) kindOf(extra *compiledExtra, tree map[string]any) bool {
	apiVersion, _ := tree["apiVersion"].(string)
	kind, _ := tree["kind"].(string)
	var known []string
	for _, k := range ExtraKinds() {
		if k.APIVersion == apiVersion && k.Kind == kind {
			extra.kind = k
			return true
		}
		known = append(known, k.Kind+" ("+k.APIVersion+")")
	}
	c.wrong(extra.path+".object.kind", v1alpha1.ReasonNotAllowed, "%q of %q is not allowed: an extra object is a %s", shorten(kind), shorten(apiVersion), strings.Join(known, ", "))
	return false
}

// fixedInExtra says why no expression may stand in a field of an extra object.
func fixedInExtra(where []string) string {
	switch {
	case len(where) == 1 && (where[0] == "apiVersion" || where[0] == "kind"):
		return "the template's author alone decides what kind of object it is"
	case where[0] == "metadata" && where[len(where)-1] == "namespace":
		return "it has no namespace but the workspace's"
	}
	return ""
}

// renderExtras makes the extra objects.
func (a *assembly) renderExtras() {
	names := map[string]bool{}
	for i := range a.extras {
		x := &a.extras[i]
		if x.object == nil || !a.included(x.includeWhen) { // what does not compile is told already
			continue
		}
		for n, variables := range a.rounds(x) {
			if len(a.workload.Extras) == mostExtras {
				a.wrong(x.path, v1alpha1.ReasonPodInvalid, "makes more than %d extra objects", mostExtras)
				return
			}
			extra := Extra{ID: x.ID, Resource: x.ID, Kind: x.kind.Kind, Keep: x.Keep, Object: a.objectOf(x, variables)}
			if len(x.loops) > 0 {
				extra.Resource = fmt.Sprintf("%s-%d", x.ID, n)
			}
			p := extraPolicy{assembly: a, extra: x}
			if extra.Name = p.check(extra.Object); a.run == nil || a.failed() {
				continue
			}
			for _, name := range []string{extra.Kind + "/" + extra.Name, extra.Resource} {
				if names[name] {
					a.wrong(x.path+".object.metadata.name", v1alpha1.ReasonPodInvalid, "%q stands there twice", shorten(name))
				}
				names[name] = true
			}
			a.workload.Extras = append(a.workload.Extras, extra)
		}
	}
}

func (a *assembly) objectOf(x *compiledExtra, variables map[string]any) map[string]any {
	if a.run != nil && len(variables) > 0 {
		outside := a.run.bindings
		inside := maps.Clone(outside)
		maps.Copy(inside, variables)
		a.run.bindings = inside
		defer func() { a.run.bindings = outside }()
	}
	object, _ := x.object.render(a.run).(map[string]any)
	return object
}

// rounds are the variables of each object that an entry makes, in the order of the lists; the first list turns slowest.
// Before any value is known there is one, without variables.
func (a *assembly) rounds(x *compiledExtra) []map[string]any {
	all := []map[string]any{{}}
	if a.run == nil {
		return all
	}
	for _, l := range x.loops {
		list := a.entries(l)
		var next []map[string]any
		for _, round := range all {
			for _, entry := range list {
				if len(next) > mostExtras {
					break
				}
				more := maps.Clone(round)
				more[l.variable] = entry
				next = append(next, more)
			}
		}
		all = next
	}
	return all
}

func (a *assembly) entries(l loop) []ref.Val {
	result, ok := a.run.run(&leaf{path: l.path}, l.list)
	if !ok {
		return nil
	}
	list, isList := result.(traits.Lister)
	if !isList {
		a.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s is no list", show(l.list.source))
		return nil
	}
	var entries []ref.Val
	for i := types.Int(0); i < list.Size().(types.Int); i++ {
		if len(entries) > mostExtras {
			break // that is too many objects already
		}
		entries = append(entries, list.Get(i))
	}
	return entries
}

// checkObjectNames refuses names that are taken twice among what clients are shown, and gives all but the pod's.
func (c *compiler) checkObjectNames(claims map[string]bool) map[string]bool {
	objects := maps.Clone(claims)
	for i, s := range c.content.Secrets {
		path := fmt.Sprintf("%s.secrets[%d]", contentPath, i)
		c.once(path+".name", s.Name, objects)
		if len(s.Generate) == 0 {
			c.wrong(path+".generate", v1alpha1.ReasonInvalid, "name at least one key, such as password")
		}
	}
	for _, x := range c.extras {
		c.once(x.path+".id", x.ID, objects)
	}
	return objects
}

// hideApps finds the apps that this workspace does not have.
func (a *assembly) hideApps() {
	if a.run == nil {
		return
	}
	for _, app := range a.apps {
		if !a.included(app.includeWhen) {
			a.workload.HiddenApps = append(a.workload.HiddenApps, app.name)
		}
	}
}
