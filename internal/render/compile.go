// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
)

const (
	// contentPath is where a content stands in a Template and in a TemplateVersion.
	contentPath = "spec.content"
	// mostExpressions and mostProblems bound the work on one content, and the report about it.
	mostExpressions = 1000
	mostProblems    = 64
)

// Compiled is a content whose expressions compile and whose structure is sound. It may be used by several goroutines.
type Compiled struct {
	content   *v1alpha1.TemplateContent
	image     *leaf
	resources compiledResources
	env       []compiledEnv
	pod       *node
	claims    []compiledClaim
	sidecars  []compiledSidecar
	agents    []compiledAgent
	apps      []compiledApp
	extras    []compiledExtra
	files     []compiledFile
	scripts   []compiledScript
	dailyCost *leaf
	metadata  []compiledMetadata
}

type compiledResources struct {
	requests, limits map[string]*leaf
}

type compiledEnv struct {
	path   string
	name   string
	value  *leaf
	source *v1alpha1.EnvSource
	// secretName and secretKey are those of the source's secretKeyRef.
	secretName, secretKey *leaf
}

type compiledClaim struct {
	v1alpha1.VolumeClaim
	path        string
	size        *leaf
	includeWhen []*leaf
}

type compiledSidecar struct {
	v1alpha1.Sidecar
	path          string
	image         *leaf
	command, args []*leaf
	env           []compiledEnv
	resources     compiledResources
	includeWhen   []*leaf
}

type compiledAgent struct {
	v1alpha1.Agent
	path string
	env  []compiledEnv
}

type compiledApp struct {
	name        string
	includeWhen []*leaf
}

type compiledMetadata struct {
	v1alpha1.ResourceMetadata
	path      string
	dailyCost *leaf
	items     []*leaf
}

// compiler gathers what is wrong with one content.
type compiler struct {
	Compiled
	declared    *declarations
	expressions int
	problems    []Problem
	// rules are what the schemaless object that is being compiled may not hold.
	rules objectRules
}

// objectRules are what differs between a pod and an extra object, each by the field's names from the root.
type objectRules struct {
	// fixed says why no expression may stand in a field.
	fixed func(where []string) string
	// expands tells whether Kubernetes expands $(NAME) in a field.
	expands func(where []string) bool
}

func (c *compiler) wrong(path, reason, format string, args ...any) {
	p := Problem{Path: path, Message: fmt.Sprintf(format, args...), Reason: reason}
	if len(c.problems) < mostProblems && !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// Compile checks a content as far as it can be without a cluster and without values: declarations, expressions and
// their types against the declarations, the structure of the pod, and what the pod may name. It returns everything that
// is wrong, in the order of the content; the Compiled is nil unless nothing is. The content is not kept.
func Compile(content *v1alpha1.TemplateContent) (*Compiled, []Problem) {
	c := &compiler{Compiled: Compiled{content: content.DeepCopy()}}
	c.checkDeclarations()
	declared, err := declare(c.content)
	if err != nil {
		c.wrong(contentPath+".parameters", v1alpha1.ReasonParameterInvalid, "%v", err)
		return nil, c.problems
	}
	c.declared = declared

	c.whatRuns()
	for i, claim := range claimsOf(c.content) {
		c.claim(fmt.Sprintf("%s.volumeClaims[%d]", contentPath, i), claim)
	}
	for i, sidecar := range c.content.Sidecars {
		c.sidecar(fmt.Sprintf("%s.sidecars[%d]", contentPath, i), sidecar)
	}
	for i, agent := range agentsOf(c.content) {
		path := fmt.Sprintf("%s.agents[%d]", contentPath, i)
		c.agents = append(c.agents, compiledAgent{Agent: agent, path: path, env: c.environment(path+".env", agent.Env)})
	}
	for i, app := range c.content.Apps {
		path := fmt.Sprintf("%s.apps[%d].includeWhen", contentPath, i)
		c.apps = append(c.apps, compiledApp{name: app.Name, includeWhen: c.conditions(path, app.IncludeWhen)})
	}
	c.compileFiles()
	c.compileScripts()
	c.compileExtras()
	c.costs()
	c.checkNames()
	c.checkStructure()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return &c.Compiled, nil
}

// checkStructure puts together what is known before any value is, and takes over what is wrong with it, unless the
// same field is known to be wrong already.
func (c *compiler) checkStructure() {
	if c.pod == nil && c.content.Image == "" {
		return
	}
	sample, _ := c.Sample()
	_, problems := c.assemble(&sample, nil)
	for _, p := range problems {
		if !slices.ContainsFunc(c.problems, func(known Problem) bool { return known.Path == p.Path }) {
			c.wrong(p.Path, p.Reason, "%s", p.Message)
		}
	}
}

func (c *compiler) checkDeclarations() {
	fields := parameters.Declared(contentPath+".parameters", c.content.Parameters)
	fields = append(fields, parameters.Presets(contentPath+".presets", c.content.Parameters, c.content.Presets)...)
	for _, field := range fields {
		c.wrong(field.Path, v1alpha1.ReasonParameterInvalid, "%s", field.Detail)
	}
	seen := map[string]bool{}
	for i, v := range c.content.Variables {
		path := fmt.Sprintf("%s.variables[%d]", contentPath, i)
		if wrong := parameters.Name(v.Name); wrong != "" {
			c.wrong(path+".name", v1alpha1.ReasonParameterInvalid, "%s", wrong)
		}
		if seen[v.Name] {
			c.wrong(path+".name", v1alpha1.ReasonParameterInvalid, "%q stands there twice", v.Name)
		}
		seen[v.Name] = true
		c.checkVariable(path, &v)
	}
}

func (c *compiler) checkVariable(path string, v *v1alpha1.Variable) {
	open := v.Value != nil && !v.Value.IsNull() || v.Default != nil && !v.Default.IsNull()
	switch {
	case v.ValueFrom != nil && v.Value != nil:
		c.wrong(path+".valueFrom", v1alpha1.ReasonParameterInvalid, "give value or valueFrom, not both")
	case v.Sensitive && open:
		c.wrong(path+".sensitive", v1alpha1.ReasonParameterInvalid, "a sensitive variable must not stand in the open; put it into a Secret and name that in valueFrom.secretKeyRef")
	case v.ValueFrom != nil:
		for field, text := range map[string]string{"name": string(v.ValueFrom.SecretKeyRef.Name), "key": v.ValueFrom.SecretKeyRef.Key} {
			if holdsExpression(text) {
				c.wrong(path+".valueFrom.secretKeyRef."+field, v1alpha1.ReasonNotAllowed, "holds an expression, and must not: a variable is the same for all workspaces")
			}
		}
	default:
		if _, err := parameters.Decode(v.Type, variableValue(v)); err != nil {
			c.wrong(path+".value", v1alpha1.ReasonParameterInvalid, "%v", err)
		}
	}
}

// whatRuns compiles the short form or the pod.
func (c *compiler) whatRuns() {
	switch {
	case (c.content.Image == "") == (c.content.PodTemplate == nil):
		c.wrong(contentPath, v1alpha1.ReasonInvalid, "exactly one of image and podTemplate says what runs")
	case c.content.Image != "":
		c.image = c.text(contentPath+".image", c.content.Image, textShape, false)
		c.resources = c.resourceList(contentPath+".resources", c.content.Resources)
		c.env = c.environment(contentPath+".env", c.content.Env)
	default:
		path := contentPath + ".podTemplate"
		if tree, ok := c.parse(path, c.content.PodTemplate.Raw); ok {
			c.rules = objectRules{fixed: fixed, expands: expands}
			c.pod = c.node(path, nil, tree, reflect.TypeFor[corev1.PodTemplateSpec]())
		}
	}
}

func (c *compiler) claim(path string, claim v1alpha1.VolumeClaim) {
	c.claims = append(c.claims, compiledClaim{
		VolumeClaim: claim, path: path,
		size:        c.checked(c.text(path+".size", claim.Size, quantityShape, false)),
		includeWhen: c.conditions(path+".includeWhen", claim.IncludeWhen),
	})
}

func (c *compiler) sidecar(path string, s v1alpha1.Sidecar) {
	c.shellText(path+".command", append(slices.Clone(s.Command), s.Args...))
	c.sidecars = append(c.sidecars, compiledSidecar{
		Sidecar: s, path: path,
		image:       c.text(path+".image", s.Image, textShape, false),
		command:     c.texts(path+".command", s.Command),
		args:        c.texts(path+".args", s.Args),
		env:         c.environment(path+".env", s.Env),
		resources:   c.resourceList(path+".resources", s.Resources),
		includeWhen: c.conditions(path+".includeWhen", s.IncludeWhen),
	})
}

func (c *compiler) costs() {
	c.dailyCost = c.value(contentPath+".dailyCost", c.content.DailyCost, wholeShape)
	for i, m := range c.content.ResourceMetadata {
		path := fmt.Sprintf("%s.resourceMetadata[%d]", contentPath, i)
		compiled := compiledMetadata{ResourceMetadata: m, path: path, dailyCost: c.value(path+".dailyCost", m.DailyCost, wholeShape)}
		for j, item := range m.Items {
			compiled.items = append(compiled.items, c.text(fmt.Sprintf("%s.items[%d].value", path, j), item.Value, textShape, false))
		}
		c.metadata = append(c.metadata, compiled)
	}
}

// texts compiles a command or its arguments.
func (c *compiler) texts(path string, texts []string) []*leaf {
	var leaves []*leaf
	for i, text := range texts {
		leaves = append(leaves, c.text(fmt.Sprintf("%s[%d]", path, i), text, textShape, true))
	}
	return leaves
}

// conditions compiles an includeWhen, each of whose entries is one expression.
func (c *compiler) conditions(path string, texts []string) []*leaf {
	var leaves []*leaf
	for i, text := range texts {
		at := fmt.Sprintf("%s[%d]", path, i)
		l := c.text(at, text, truthShape, false)
		if l != nil && !l.dynamic() {
			c.wrong(at, v1alpha1.ReasonExpressionInvalid, "%q must be one expression, such as \"${parameters.database}\"", shorten(text))
			continue
		}
		leaves = append(leaves, l)
	}
	return leaves
}

func (c *compiler) environment(path string, env []v1alpha1.EnvVar) []compiledEnv {
	var compiled []compiledEnv
	for i, v := range env {
		at := fmt.Sprintf("%s[%d]", path, i)
		entry := compiledEnv{path: at, name: v.Name, value: c.text(at+".value", v.Value, textShape, true), source: v.ValueFrom}
		c.source(&entry)
		compiled = append(compiled, entry)
		if holdsExpression(v.Name) {
			c.wrong(at+".name", v1alpha1.ReasonNotAllowed, "holds an expression, and must not: it is a name, and names are fixed")
		}
	}
	return compiled
}

func (c *compiler) resourceList(path string, r *v1alpha1.ContentResources) compiledResources {
	if r == nil {
		return compiledResources{}
	}
	return compiledResources{requests: c.quantities(path+".requests", r.Requests), limits: c.quantities(path+".limits", r.Limits)}
}

func (c *compiler) quantities(path string, values map[string]v1alpha1.Value) map[string]*leaf {
	leaves := map[string]*leaf{}
	for _, name := range sortedKeys(values) {
		value := values[name]
		if strings.Contains(name, "${") {
			c.wrong(child(path, name), v1alpha1.ReasonNotAllowed, "holds an expression in its name; expressions stand in values only")
			continue
		}
		leaves[name] = c.value(child(path, name), &value, quantityShape)
	}
	return leaves
}
