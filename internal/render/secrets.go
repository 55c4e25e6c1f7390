// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// whereSecretsAreNamed ends the sentence of an expression that names a Secret in another place.
const whereSecretsAreNamed = "${secrets.NAME.name} stands alone where Kubernetes wants a Secret's name: in secretKeyRef, secretRef or a secret volume"

// secretReference is all that may stand where a Secret or its key is named, beside fixed text: nothing that a person
// chose can become part of it.
var secretReference = regexp.MustCompile(`^\$\{\s*(secrets|variables)\.([a-zA-Z_][a-zA-Z0-9_]*)\.(name|key)\s*\}$`)

// SecretName is the metadata.name of a Secret that is made for a workspace, by its name in the content.
func SecretName(workspace *v1alpha1.Workspace, secret string) string {
	return secretName(workspace.Name, identity(workspace), secret)
}

func secretName(objectName, id, secret string) string {
	return podName(objectName, id) + "-" + secret + "-" + digest(8, id, objectName, "secret", secret)
}

// secretPart tells what of a Secret a field of a pod names: its name, or one of its keys. Empty for any other field.
func secretPart(where []string) string {
	n := len(where)
	if n < 3 {
		return ""
	}
	switch field, of := where[n-1], where[n-2]; {
	case field == "name" && of == "secretKeyRef" && where[n-3] == "valueFrom",
		field == "name" && of == "secretRef" && where[n-3] == "envFrom",
		field == "secretName" && of == "secret" && where[n-3] == "volumes",
		field == "name" && of == "secret" && where[n-3] == "sources":
		return "name"
	case field == "key" && of == "secretKeyRef" && where[n-3] == "valueFrom",
		field == "key" && of == "items" && where[n-3] == "secret":
		return "key"
	}
	return ""
}

// secretText compiles a field that names a Secret of the content, or one of a variable. Its result is nil, with the
// problem noted, when it is neither.
func (c *compiler) secretText(path, text, part string) *leaf {
	l := &leaf{path: path, shape: textShape}
	m := secretReference.FindStringSubmatch(text)
	switch {
	case m == nil || m[3] != part:
		alternative := "${secrets.NAME.name} or ${variables.NAME.name}"
		if part == "key" {
			alternative = "${variables.NAME.key}"
		}
		c.wrong(path, v1alpha1.ReasonNotAllowed, "holds an expression, and must not: the template's author alone decides which objects a pod reads; the one that may stand here, alone, is %s", alternative)
		return nil
	case m[1] == "secrets":
		return c.generatedSecret(l, m[2], show(text[2:len(text)-1]))
	}
	i := slices.IndexFunc(c.content.Variables, func(v v1alpha1.Variable) bool { return v.Name == m[2] && v.ValueFrom != nil })
	if i < 0 {
		var names []string
		for _, v := range c.content.Variables {
			if v.ValueFrom != nil {
				names = append(names, v.Name)
			}
		}
		c.wrong(path, v1alpha1.ReasonExpressionInvalid, "%s", didYouMean(fmt.Sprintf("no variable %q with valueFrom in %s", m[2], show(text[2:len(text)-1])), m[2], names))
		return nil
	}
	ref := c.content.Variables[i].ValueFrom.SecretKeyRef
	l.literal = string(ref.Name)
	if part == "key" {
		l.literal = ref.Key
	}
	return l
}

func (c *compiler) generatedSecret(l *leaf, name, shown string) *leaf {
	var names []string
	for _, s := range c.content.Secrets {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, name) {
		c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s", didYouMean(fmt.Sprintf("no secret %q in %s", name, shown), name, names))
		return nil
	}
	l.secret = name
	return l
}

// source compiles where a variable's value stands.
func (c *compiler) source(v *compiledEnv) {
	if v.source == nil {
		return
	}
	part := func(at, text, what string) *leaf {
		if holdsExpression(text) {
			return c.secretText(at, text, what)
		}
		return &leaf{path: at, shape: textShape, literal: text}
	}
	if ref := v.source.SecretKeyRef; ref != nil {
		at := v.path + ".valueFrom.secretKeyRef."
		v.secretName, v.secretKey = part(at+"name", string(ref.Name), "name"), part(at+"key", ref.Key, "key")
	}
	if ref := v.source.ConfigMapKeyRef; ref != nil && (holdsExpression(string(ref.Name)) || holdsExpression(ref.Key)) {
		c.wrong(v.path+".valueFrom.configMapKeyRef", v1alpha1.ReasonNotAllowed, "holds an expression, and must not: the template's author alone decides which objects a pod reads")
	}
}

// secretNames are the metadata.names of the content's Secrets.
func (c *Compiled) secretNames(of *Workspace) map[string]string {
	names := map[string]string{}
	for _, s := range c.content.Secrets {
		names[s.Name] = secretName(of.ObjectName, of.ID, s.Name)
	}
	return names
}

// nameSecrets lists the Secrets that are made for the workspace.
func (a *assembly) nameSecrets() {
	names := a.secretNames(&a.in.Workspace)
	for _, s := range a.content.Secrets {
		a.workload.Secrets = append(a.workload.Secrets, Secret{Secret: s.Name, Name: names[s.Name], Keys: slices.Clone(s.Generate)})
	}
}

// generated is the workspace's own Secret of that metadata.name; nil when it is none.
func (a *assembly) generated(name string) *Secret {
	for i := range a.workload.Secrets {
		if a.workload.Secrets[i].Name == name {
			return &a.workload.Secrets[i]
		}
	}
	return nil
}

// checkGenerated refuses a key that the workspace's own Secret will not have.
func (a *assembly) checkGenerated(name, key, at string) {
	if s := a.generated(name); s != nil && !slices.Contains(s.Keys, key) {
		a.wrong(at, v1alpha1.ReasonPodInvalid, "%s", didYouMean(fmt.Sprintf("secret %q generates no %q", s.Secret, shorten(key)), key, s.Keys))
	}
}

// secretName is the metadata.name behind a leaf that names a Secret; nil before the workspace is known.
func (e *evaluation) secretName(l *leaf) any {
	if e == nil {
		return nil
	}
	return e.secrets[l.secret]
}
