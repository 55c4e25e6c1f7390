// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// policy holds an author's pod against what a pod of a workspace may be. It is a list of what is allowed: a field that
// Kubernetes invents tomorrow is refused until somebody has thought about it. How far a container is confined beyond
// that (its user, its capabilities) is for the Pod Security level of the namespace to say.
type policy struct {
	*assembly
	pod *corev1.PodTemplateSpec
}

func allowedPodFields() []string {
	return []string{
		"volumes", "initContainers", "containers", "restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "dnsConfig",
		"nodeSelector", "automountServiceAccountToken", "enableServiceLinks", "securityContext", "imagePullSecrets", "hostname",
		"affinity", "schedulerName", "tolerations", "hostAliases", "priorityClassName", "preemptionPolicy", "runtimeClassName",
		"topologySpreadConstraints", "setHostnameAsFQDN", "os", "hostUsers", "schedulingGates", "resourceClaims", "resources",
		"shareProcessNamespace",
	}
}

func allowedVolumes() []string {
	return []string{"emptyDir", "configMap", "secret", "downwardAPI", "projected", "persistentVolumeClaim"}
}

// insteadOf says what to do in place of a field that is not allowed.
func insteadOf(field string) string {
	switch field {
	case "serviceAccountName", "serviceAccount":
		return "the organization's service account is set; remove the field"
	case "hostNetwork", "hostPID", "hostIPC", "hostPath", "hostPort", "host", "procMount", "privileged":
		return "a workspace has no access to its node; remove the field"
	case "nodeName":
		return "the scheduler places the pod; use nodeSelector or affinity"
	case "activeDeadlineSeconds":
		return "use spec.lifecycle.autostopMax"
	case "serviceAccountToken":
		return "the agent's own token is the only credential in the pod; remove the field"
	case "ephemeral":
		return "declare the volume in spec.content.volumeClaims"
	case "windowsOptions":
		return "agents run on linux only"
	}
	return "a workspace cannot have it; remove the field"
}

func (p policy) refuse(path, field string) {
	p.wrong(child(path, field), v1alpha1.ReasonNotAllowed, "is not allowed: %s", insteadOf(field))
}

func (p policy) check(at string) {
	for _, field := range setFields(p.pod.ObjectMeta) {
		if field != "labels" && field != "annotations" {
			p.refuse(at+".metadata", field)
		}
	}
	p.checkKeys(at+".metadata.labels", p.pod.Labels)
	p.checkKeys(at+".metadata.annotations", p.pod.Annotations)

	at += ".spec"
	spec := &p.pod.Spec
	p.only(at, *spec, allowedPodFields())
	if spec.AutomountServiceAccountToken != nil && *spec.AutomountServiceAccountToken {
		p.wrong(at+".automountServiceAccountToken", v1alpha1.ReasonNotAllowed, "must be false: %s", insteadOf("serviceAccountToken"))
	}
	if spec.RestartPolicy != "" && spec.RestartPolicy != corev1.RestartPolicyAlways {
		p.wrong(at+".restartPolicy", v1alpha1.ReasonNotAllowed, "must be Always: a workspace runs until it is stopped")
	}
	if spec.OS != nil && spec.OS.Name != corev1.Linux {
		p.wrong(at+".os.name", v1alpha1.ReasonNotAllowed, "must be linux: agents run nowhere else")
	}
	if strings.HasPrefix(spec.PriorityClassName, "system-") {
		p.wrong(at+".priorityClassName", v1alpha1.ReasonNotAllowed, "%q is for the cluster's own pods", spec.PriorityClassName)
	}
	for i, claim := range spec.ResourceClaims {
		if claim.ResourceClaimName != nil {
			p.wrong(fmt.Sprintf("%s.resourceClaims[%d].resourceClaimName", at, i), v1alpha1.ReasonNotAllowed, "may be another workspace's; use resourceClaimTemplateName")
		}
	}
	if s := spec.SecurityContext; s != nil {
		p.not(at+".securityContext", *s, "windowsOptions")
	}
	p.checkVolumes(at + ".volumes")
	p.checkContainers(at)
}

// checkKeys keeps Berth's own labels and annotations, by which pods are found, out of an author's hands.
func (p policy) checkKeys(at string, entries map[string]string) {
	for _, key := range sortedKeys(entries) {
		domain, _, _ := strings.Cut(key, "/")
		if domain == "berth.dev" || strings.HasSuffix(domain, ".berth.dev") || key == v1alpha1.LabelManagedBy {
			p.wrong(child(at, key), v1alpha1.ReasonNotAllowed, "is Berth's own; choose another key")
		}
	}
}

func (p policy) checkVolumes(at string) {
	for i := range p.pod.Spec.Volumes {
		v := &p.pod.Spec.Volumes[i]
		at := fmt.Sprintf("%s[%d]", at, i)
		if strings.HasPrefix(v.Name, ownPrefix) {
			p.wrong(at+".name", v1alpha1.ReasonNotAllowed, "%q: names that begin with %s are Berth's own", shorten(v.Name), ownPrefix)
		}
		p.only(at, v.VolumeSource, allowedVolumes())
		if p.declaredClaim(v.Name) != nil && (v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != v.Name) {
			p.wrong(at+".name", v1alpha1.ReasonPodInvalid, "%q is a volume claim of this content; leave the volume out, or choose another name", v.Name)
			continue
		}
		if v.PersistentVolumeClaim != nil {
			p.checkClaim(at+".persistentVolumeClaim.claimName", v.PersistentVolumeClaim)
		}
		if v.Projected != nil {
			for j, source := range v.Projected.Sources {
				p.only(fmt.Sprintf("%s.projected.sources[%d]", at, j), source, []string{"secret", "configMap", "downwardAPI"})
			}
		}
	}
}

// checkClaim puts the claim's own name where the author named the volume claim.
func (p policy) checkClaim(at string, source *corev1.PersistentVolumeClaimVolumeSource) {
	switch {
	case p.declaredClaim(source.ClaimName) == nil:
		p.wrong(at, v1alpha1.ReasonNotAllowed, "%s", didYouMean(fmt.Sprintf("%q is none of this content's volumeClaims; declare it there", shorten(source.ClaimName)), source.ClaimName, p.claimNames()))
	case p.claimed[source.ClaimName] == nil:
		p.wrong(at, v1alpha1.ReasonPodInvalid, "volume claim %q is not there, as its includeWhen says", source.ClaimName)
	default:
		source.ClaimName = p.claimed[source.ClaimName].Name
	}
}

func (a *assembly) declaredClaim(name string) *compiledClaim {
	for i := range a.claims {
		if a.claims[i].Name == name {
			return &a.claims[i]
		}
	}
	return nil
}

func (a *assembly) claimNames() []string {
	var names []string
	for _, v := range a.claims {
		names = append(names, v.Name)
	}
	return names
}

func (p policy) checkContainers(at string) {
	if len(p.pod.Spec.Containers) == 0 {
		p.wrong(at+".containers", v1alpha1.ReasonPodInvalid, "needs at least one container")
	}
	for i := range p.pod.Spec.InitContainers {
		p.checkContainer(fmt.Sprintf("%s.initContainers[%d]", at, i), &p.pod.Spec.InitContainers[i])
	}
	for i := range p.pod.Spec.Containers {
		p.checkContainer(fmt.Sprintf("%s.containers[%d]", at, i), &p.pod.Spec.Containers[i])
	}
}

func (p policy) checkContainer(at string, c *corev1.Container) {
	switch {
	case c.Name == "":
		p.wrong(at+".name", v1alpha1.ReasonPodInvalid, "a container needs a name")
	case strings.HasPrefix(c.Name, ownPrefix):
		p.wrong(at+".name", v1alpha1.ReasonNotAllowed, "%q: names that begin with %s are Berth's own", shorten(c.Name), ownPrefix)
	case p.at[c.Name] != "":
		p.wrong(at+".name", v1alpha1.ReasonPodInvalid, "%q stands there twice", shorten(c.Name))
	}
	p.at[c.Name] = at
	if s := c.SecurityContext; s != nil {
		p.not(at+".securityContext", *s, "windowsOptions", "procMount")
		if s.Privileged != nil && *s.Privileged {
			p.refuse(at+".securityContext", "privileged")
		}
	}
	for i, port := range c.Ports {
		p.not(fmt.Sprintf("%s.ports[%d]", at, i), port, "hostPort", "hostIP")
	}
	for i, v := range c.Env {
		if wrong := ownEnvironment(v.Name); wrong != "" {
			p.wrong(fmt.Sprintf("%s.env[%d].name", at, i), v1alpha1.ReasonNotAllowed, "%s", wrong)
		}
	}
	for i, m := range c.VolumeMounts {
		if wrong := wrongMountPath(m.MountPath); wrong != "" {
			p.wrong(fmt.Sprintf("%s.volumeMounts[%d].mountPath", at, i), v1alpha1.ReasonPodInvalid, "%s", wrong)
		}
	}
	p.checkHandlers(at, c)
}

// checkHandlers keeps the kubelet, which stands outside every NetworkPolicy, from asking other hosts for an author.
func (p policy) checkHandlers(at string, c *corev1.Container) {
	handlers := map[string]*corev1.LifecycleHandler{}
	for name, probe := range map[string]*corev1.Probe{"livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe, "startupProbe": c.StartupProbe} {
		if probe != nil {
			handlers[name] = &corev1.LifecycleHandler{HTTPGet: probe.HTTPGet, TCPSocket: probe.TCPSocket}
		}
	}
	if c.Lifecycle != nil {
		handlers["lifecycle.postStart"], handlers["lifecycle.preStop"] = c.Lifecycle.PostStart, c.Lifecycle.PreStop
	}
	for _, name := range sortedKeys(handlers) {
		h := handlers[name]
		if h != nil && h.HTTPGet != nil && h.HTTPGet.Host != "" {
			p.refuse(at+"."+name+".httpGet", "host")
		}
		if h != nil && h.TCPSocket != nil && h.TCPSocket.Host != "" {
			p.refuse(at+"."+name+".tcpSocket", "host")
		}
	}
}

// only refuses every field of a struct that is set and not among the allowed ones.
func (p policy) only(at string, x any, allowed []string) {
	for _, field := range setFields(x) {
		if !slices.Contains(allowed, field) {
			p.refuse(at, field)
		}
	}
}

// not refuses some fields of a struct.
func (p policy) not(at string, x any, refused ...string) {
	for _, field := range setFields(x) {
		if slices.Contains(refused, field) {
			p.refuse(at, field)
		}
	}
}

// setFields are the JSON names of the fields of a struct that hold anything, embedded structs left out unless they
// alone carry the fields.
func setFields(x any) []string {
	var names []string
	v := reflect.ValueOf(x)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && !v.Field(i).IsZero() {
			names = append(names, name)
		}
	}
	return names
}
