// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// item is one entry of a list in the path of a field: spec.containers[2], and what follows it.
var item = regexp.MustCompile(`^\.?((?:[a-zA-Z]+\.)*([a-zA-Z]+))\[(\d+)\](.*)$`)

// Root is the field that says what runs.
func Root(content *v1alpha1.TemplateContent) string {
	if content.PodTemplate != nil {
		return "spec.content.podTemplate"
	}
	return "spec.content.image"
}

// origin is the field of the content from which a field of the rendered pod came, so that a person finds it. Where it is
// none of the author's it is the field that says what runs.
//
// What Berth adds moves the entries of lists, so that they are found by name: containers and volumes in the pod, and
// variables, mounts and ports in a container.
func origin(content *v1alpha1.TemplateContent, pod *corev1.PodSpec, field string) string {
	parts := item.FindStringSubmatch(field)
	if parts == nil || parts[1] != "spec."+parts[2] {
		if content.PodTemplate != nil {
			return "spec.content.podTemplate." + field
		}
		return Root(content)
	}
	list, rest := parts[2], parts[4]
	position, _ := strconv.Atoi(parts[3]) // the expression lets digits through only; too many of them are no position
	switch list {
	case "volumes":
		if position < len(pod.Volumes) {
			return originOfVolume(content, pod.Volumes[position].Name, rest)
		}
	case "containers", "initContainers":
		containers := pod.Containers
		if list == "initContainers" {
			containers = pod.InitContainers
		}
		if position < len(containers) {
			return originOfContainer(content, list, &containers[position], rest)
		}
	}
	return Root(content)
}

func originOfVolume(content *v1alpha1.TemplateContent, name, rest string) string {
	if i := slices.IndexFunc(content.VolumeClaims, func(v v1alpha1.VolumeClaim) bool { return v.Name == name }); i >= 0 {
		return fmt.Sprintf("spec.content.volumeClaims[%d]", i)
	}
	if i := authored(content).Spec.Volumes.find(name); i >= 0 {
		return fmt.Sprintf("spec.content.podTemplate.spec.volumes[%d]%s", i, rest)
	}
	return Root(content)
}

func originOfContainer(content *v1alpha1.TemplateContent, list string, container *corev1.Container, rest string) string {
	name := container.Name
	if i := slices.IndexFunc(content.Sidecars, func(c v1alpha1.Sidecar) bool { return c.Name == name }); i >= 0 {
		return fmt.Sprintf("spec.content.sidecars[%d]%s", i, within(container, content.Sidecars[i], rest))
	}
	if content.PodTemplate != nil {
		spec := authored(content).Spec
		containers := spec.Containers
		if list == "initContainers" {
			containers = spec.InitContainers
		}
		if i := containers.find(name); i >= 0 {
			return fmt.Sprintf("spec.content.podTemplate.spec.%s[%d]%s", list, i, within(container, containers[i], rest))
		}
		return Root(content)
	}
	for _, own := range []string{".resources", ".env"} {
		if len(rest) > len(own) && rest[:len(own)] == own {
			return "spec.content" + within(container, content, rest)
		}
	}
	return Root(content)
}

// within is the rest of a path below a container as its author wrote it, who is anything with lists of named entries.
func within(container *corev1.Container, author any, rest string) string {
	parts := item.FindStringSubmatch(rest)
	if parts == nil {
		return rest
	}
	position, _ := strconv.Atoi(parts[3]) // as in origin
	key := ""
	switch list := parts[1]; {
	case list == "env" && position < len(container.Env):
		key = container.Env[position].Name
	case list == "volumeMounts" && position < len(container.VolumeMounts):
		key = container.VolumeMounts[position].MountPath
	case list == "ports":
		return rest // nothing of ours stands there
	default:
		return rest
	}
	var wrote struct {
		Env          named `json:"env"`
		VolumeMounts named `json:"volumeMounts"`
	}
	text, err := json.Marshal(author)
	if err != nil || json.Unmarshal(text, &wrote) != nil {
		return ""
	}
	entries := wrote.Env
	if parts[1] == "volumeMounts" {
		entries = wrote.VolumeMounts
	}
	if i := entries.find(key); i >= 0 {
		return fmt.Sprintf(".%s[%d]%s", parts[1], i, parts[4])
	}
	return "" // the entry is ours, or its name is an expression
}

// named is a list of an author's entries, of which only what they are called matters.
type named []struct {
	Name         string `json:"name"`
	MountPath    string `json:"mountPath"`
	Env          named  `json:"env"`
	VolumeMounts named  `json:"volumeMounts"`
}

func (n named) find(key string) int {
	for i, entry := range n {
		if entry.MountPath == key || entry.MountPath == "" && entry.Name == key {
			return i
		}
	}
	return -1
}

// pod is an author's podTemplate as far as it matters here.
type pod struct {
	Spec struct {
		Volumes        named `json:"volumes"`
		Containers     named `json:"containers"`
		InitContainers named `json:"initContainers"`
	} `json:"spec"`
}

// authored is the content's podTemplate, empty when there is none or it is not to be read.
func authored(content *v1alpha1.TemplateContent) pod {
	var p pod
	if content.PodTemplate == nil || json.Unmarshal(content.PodTemplate.Raw, &p) != nil {
		return pod{}
	}
	return p
}
