// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

const declaredParameters = `
parameters:
- {name: cpu, type: integer, default: 2, mutable: true}
- {name: ratio, type: number, default: 0.5}
- {name: repo, type: string, default: ""}
- {name: database, type: boolean, default: false}
- {name: shares, type: array, default: []}
variables:
- {name: region, type: string, value: zrh}
- {name: licence, type: string, sensitive: true, valueFrom: {secretKeyRef: {name: licence, key: key}}}
`

// pod is a content in the long form with one container and more lines for it.
func pod(container string) string {
	return declaredParameters + `
podTemplate:
  spec:
    containers:
    - name: dev
      image: registry.example/base:1
` + indent("      ", container)
}

// podSpec is a content in the long form with more lines for the pod.
func podSpec(spec string) string {
	return declaredParameters + `
podTemplate:
  spec:
    containers: [{name: dev, image: "registry.example/base:1"}]
` + indent("    ", spec)
}

func image(more string) string {
	return declaredParameters + "image: registry.example/base:1\n" + more
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	const (
		expression = v1alpha1.ReasonExpressionInvalid
		badPod     = v1alpha1.ReasonPodInvalid
		refused    = v1alpha1.ReasonNotAllowed
		container  = "spec.content.podTemplate.spec.containers[0]"
	)
	tests := map[string]struct {
		content string
		want    []render.Problem
	}{
		"misspelt parameter": {pod(`resources: {requests: {cpu: "${parameters.cpus}"}}`), []render.Problem{
			{container + ".resources.requests.cpu", `no parameter "cpus" in "${parameters.cpus}"; did you mean "cpu"?`, expression}}},
		"misspelt parameter under a key with a slash": {pod(`resources: {limits: {nvidia.com/gpu: "${parameters.cp}"}}`), []render.Problem{
			{container + `.resources.limits["nvidia.com/gpu"]`, `no parameter "cp" in "${parameters.cp}"; did you mean "cpu"?`, expression}}},
		"misspelt root": {image(`dailyCost: "${parameter.cpu}"`), []render.Problem{
			{"spec.content.dailyCost", `no "parameter" in "${parameter.cpu}"; an expression begins with organization, owner, parameters, template, variables, workspace; did you mean "parameters"?`, expression}}},
		"parameter without its root": {image(`dailyCost: "${cpu * 2}"`), []render.Problem{
			{"spec.content.dailyCost", `no "cpu" in "${cpu * 2}"; an expression begins with organization, owner, parameters, template, variables, workspace; did you mean "parameters.cpu"?`, expression}}},
		"field of a root that there is not": {image(`env: [{name: X, value: "${owner.mail}"}]`), []render.Problem{
			{"spec.content.env[0].value", `owner has no field "mail" in "${owner.mail}"; it has displayName, email, id, name; did you mean "email"?`, expression}}},
		"variable in a Secret": {image(`env: [{name: X, value: "${variables.licence}"}]`), []render.Problem{
			{"spec.content.env[0].value", `variable "licence" stands in a Secret, and no expression sees it, in "${variables.licence}"; use valueFrom.secretKeyRef`, expression}}},
		"misspelt function": {image(`env: [{name: X, value: "${parameters.repo.uperAscii()}"}]`), []render.Problem{
			{"spec.content.env[0].value", `no function "uperAscii" in "${parameters.repo.uperAscii()}"; did you mean "upperAscii"?`, expression}}},
		"integer times number": {image(`dailyCost: "${parameters.ratio * 2}"`), []render.Problem{
			{"spec.content.dailyCost", `* is not possible with (double, int) in "${parameters.ratio * 2}"; an integer and a number do not mix: write 2.0 for 2, or int(…) or double(…) around one of them`, expression}}},
		"number where a whole number is wanted": {image(`dailyCost: "${parameters.ratio * 2.0}"`), []render.Problem{
			{"spec.content.dailyCost", `"${parameters.ratio * 2.0}" is a number, and the field wants a whole number; put int(…) around it`, expression}}},
		"text where a whole number is wanted": {pod(`ports: [{containerPort: "${parameters.repo}"}]`), []render.Problem{
			{container + ".ports[0].containerPort", `"${parameters.repo}" is text, and the field wants a whole number`, expression}}},
		"text around a whole number": {pod(`ports: [{containerPort: "80${parameters.cpu}"}]`), []render.Problem{
			{container + ".ports[0].containerPort", `the field wants a whole number: let one ${…} be the whole value`, expression}}},
		"list within text": {image(`env: [{name: X, value: "a ${parameters.shares}"}]`), []render.Problem{
			{"spec.content.env[0].value", `"${parameters.shares}" is a list, and the field wants text; put .join(",") behind it`, expression}}},
		"condition that is no condition": {image(`volumeClaims: [{name: a, size: 1Gi, includeWhen: ["${parameters.cpu}"]}]`), []render.Problem{
			{"spec.content.volumeClaims[0].includeWhen[0]", `"${parameters.cpu}" is a whole number, and the field wants true or false`, expression}}},
		"condition without an expression": {image(`volumeClaims: [{name: a, size: 1Gi, includeWhen: ["parameters.database"]}]`), []render.Problem{
			{"spec.content.volumeClaims[0].includeWhen[0]", `"parameters.database" must be one expression, such as "${parameters.database}"`, expression}}},
		"expression that does not end": {image(`env: [{name: X, value: "a ${parameters.repo"}]`), []render.Problem{
			{"spec.content.env[0].value", `the expression that begins at character 3 does not end; close it with }, or write $${ for a literal ${`, expression}}},
		"empty expression": {image(`env: [{name: X, value: "${ }"}]`), []render.Problem{
			{"spec.content.env[0].value", `an empty expression, "${ }"; write $${ for a literal ${`, expression}}},
		"broken expression": {image(`env: [{name: X, value: "${parameters.repo +}"}]`), []render.Problem{
			{"spec.content.env[0].value", `"${parameters.repo +}" is no expression: mismatched input '<EOF>' (character 18)`, expression}}},
		"a map has no order": {image(`env: [{name: X, value: "${ {'a': 1, 'b': 2}.map(k, k).join(',') }"}]`), []render.Problem{
			{"spec.content.env[0].value", `the entries of a map have no order, so "${ {'a': 1, 'b': 2}.map(k, k).join(',') }" could differ from one start to the next; go through a list`, expression}}},
		"unknown field": {pod(`resource: {}`), []render.Problem{
			{container + ".resource", `there is no field "resource" here; did you mean "resources"?`, badPod}}},
		"number where text is wanted": {pod(`env: [{name: X, value: 5}]`), []render.Problem{
			{container + ".env[0].value", "must be text, in quotes", badPod}}},
		"quoted number": {podSpec(`terminationGracePeriodSeconds: "5"`), []render.Problem{
			{"spec.content.podTemplate.spec.terminationGracePeriodSeconds", "must be a whole number, without quotes", badPod}}},
		"bad quantity": {pod(`resources: {requests: {memory: 4Gib}}`), []render.Problem{
			{container + ".resources.requests.memory", "must be a quantity, such as 500m, 2 or 4Gi", badPod}}},
		"bad quantity in the short form": {image(`resources: {requests: {memory: 4Gib}}`), []render.Problem{
			{"spec.content.resources.requests.memory", `"4Gib" is not a quantity, such as 500m, 2 or 4Gi`, badPod}}},
		"expression for an object": {podSpec(`affinity: "${parameters.repo}"`), []render.Problem{
			{"spec.content.podTemplate.spec.affinity", `"${parameters.repo}" stands for more than one value; write the field out and use expressions inside it`, expression}}},
		"expression in a key": {podSpec(`nodeSelector: {"${parameters.repo}": x}`), []render.Problem{
			{`spec.content.podTemplate.spec.nodeSelector["${parameters.repo}"]`, "holds an expression in its name; expressions stand in values only", refused}}},
		"parameter in a shell": {pod("command: [bash, -c]\nargs: ['git clone ${parameters.repo}']"), []render.Problem{
			{container + ".command", "holds an expression in the text of a shell, which would run what a person typed; parameters are in the environment as $BERTH_PARAM_NAME", refused}}},
		"args without a command": {pod("args: [serve]"), []render.Problem{
			{container + ".args", `needs a command beside it: agent "main" is the container's first process, and the image's own entrypoint is not known`, badPod}}},
		"agent without its container": {podSpec("") + "agents: [{name: main, container: devs}]", []render.Problem{
			{"spec.content.agents[0].container", `no container "devs"; did you mean "dev"?`, badPod}}},
		"two agents in a container": {podSpec("") + "agents: [{name: a}, {name: b, container: dev}]", []render.Problem{
			{"spec.content.agents[1].container", `agent "a" is in container "dev" already; give each agent a container of its own`, badPod}}},
		"app of no agent": {image(`apps: [{name: code, agent: mian, port: 80}]`), []render.Problem{
			{"spec.content.apps[0].agent", `no agent "mian"; did you mean "main"?`, v1alpha1.ReasonInvalid}}},
		"sidecar with a claim that there is not": {image(`sidecars: [{name: db, image: x, volumeMounts: [{name: dta, mountPath: /d}]}]
volumeClaims: [{name: data, size: 1Gi}]`), []render.Problem{
			{"spec.content.sidecars[0].volumeMounts[0].name", `no volume claim "dta"; did you mean "data"?`, refused}}},
		"variables of Berth": {image(`env: [{name: BERTH_AGENT, value: x}]`), []render.Problem{
			{"spec.content.env[0].name", `"BERTH_AGENT": names that begin with BERTH_ are Berth's own`, refused}}},
		"bad default": {"image: x\nparameters: [{name: cpu, type: integer, default: 9, maximum: 8}]", []render.Problem{
			{"spec.content.parameters[0].default", "9 is above 8, the maximum", v1alpha1.ReasonParameterInvalid}}},
		"sensitive variable in the open": {"image: x\nvariables: [{name: a, type: string, value: secret, sensitive: true}]", []render.Problem{
			{"spec.content.variables[0].sensitive", "a sensitive variable must not stand in the open; put it into a Secret and name that in valueFrom.secretKeyRef", v1alpha1.ReasonParameterInvalid}}},
		"several at once": {image("dailyCost: \"${parameters.cp}\"\nresources: {limits: {cpu: \"${parameters.cppu}\"}}"), []render.Problem{
			{"spec.content.resources.limits.cpu", `no parameter "cppu" in "${parameters.cppu}"; did you mean "cpu"?`, expression},
			{"spec.content.dailyCost", `no parameter "cp" in "${parameters.cp}"; did you mean "cpu"?`, expression}}},
		"neither image nor pod": {"{}", []render.Problem{
			{"spec.content", "exactly one of image and podTemplate says what runs", v1alpha1.ReasonInvalid}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			compiled, problems := render.Compile(content(t, test.content))
			if diff := cmp.Diff(test.want, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if compiled != nil {
				t.Error("a content with problems was compiled")
			}
		})
	}
}

// A field that stands twice never leaves a kube-apiserver, but a check of a file meets it.
func TestCompileRefusesDuplicateFields(t *testing.T) {
	c := content(t, "podTemplate: {}")
	c.PodTemplate.Raw = []byte(`{"spec":{"containers":[{"name":"a","image":"x","image":"y"}]}}`)
	_, problems := render.Compile(c)
	want := []render.Problem{{Path: "spec.content.podTemplate.spec.containers[0].image", Message: "stands there twice; keep one", Reason: v1alpha1.ReasonPodInvalid}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
