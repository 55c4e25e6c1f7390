// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// What an author need not write.
const (
	// DefaultAgent is the agent of a content that declares none.
	DefaultAgent = "main"
	// WorkspaceContainer is the container of a content that gives an image.
	WorkspaceContainer = "workspace"
	// HomeVolume is the volume claim that holds the home directory: by its name, where one is called so.
	HomeVolume = "home"
	// HomePath is where a home is without a word about it.
	HomePath = "/home/dev"

	homeSize = "10Gi"
)

// claimsOf are a content's volume claims; an image without any gets a home.
func claimsOf(content *v1alpha1.TemplateContent) []v1alpha1.VolumeClaim {
	if content.Image != "" && len(content.VolumeClaims) == 0 {
		return []v1alpha1.VolumeClaim{{Name: HomeVolume, Size: homeSize, MountPath: HomePath}}
	}
	return content.VolumeClaims
}

// agentsOf are a content's agents, at least one.
func agentsOf(content *v1alpha1.TemplateContent) []v1alpha1.Agent {
	if len(content.Agents) == 0 {
		return []v1alpha1.Agent{{Name: DefaultAgent}}
	}
	return content.Agents
}

// checkNames refuses names that are taken twice, that are Berth's own, or that name nothing.
func (c *compiler) checkNames() {
	agents, claims := map[string]bool{}, map[string]bool{}
	for _, a := range c.agents {
		c.once(a.path+".name", a.Name, agents)
		c.checkEnvNames(a.env)
		if a.Container != "" && c.content.Image != "" && a.Container != WorkspaceContainer {
			c.wrong(a.path+".container", v1alpha1.ReasonPodInvalid, "with image there is one container, %q; leave the field out", WorkspaceContainer)
		}
	}
	for _, v := range c.claims {
		c.once(v.path+".name", v.Name, claims)
		c.own(v.path+".name", v.Name)
		c.checkMountPath(v.path+".mountPath", v.MountPath)
	}
	for _, s := range c.sidecars {
		c.own(s.path+".name", s.Name)
		c.checkEnvNames(s.env)
		for i, m := range s.VolumeMounts {
			if at := fmt.Sprintf("%s.volumeMounts[%d]", s.path, i); !claims[m.Name] {
				c.wrong(at+".name", v1alpha1.ReasonNotAllowed, "%s", didYouMean(fmt.Sprintf("no volume claim %q", m.Name), m.Name, sortedKeys(claims)))
			}
		}
	}
	c.checkEnvNames(c.env)
	for i, app := range c.content.Apps {
		c.namesAgent(fmt.Sprintf("%s.apps[%d].agent", contentPath, i), app.Agent, agents)
	}
	for i, script := range c.content.Scripts {
		c.namesAgent(fmt.Sprintf("%s.scripts[%d].agent", contentPath, i), script.Agent, agents)
	}
	shown, objects := map[string]bool{}, c.checkObjectNames(claims)
	for _, m := range c.metadata {
		c.once(m.path+".name", m.Name, shown)
		if m.Name != podResource && !objects[m.Name] {
			c.wrong(m.path+".name", v1alpha1.ReasonInvalid, "%q is neither %q nor a volume claim, a Secret or an extra object", m.Name, podResource)
		}
	}
	for i, f := range c.content.Files {
		c.namesAgent(fmt.Sprintf("%s.files[%d].agent", contentPath, i), f.Agent, agents)
	}
}

func (c *compiler) once(at, name string, taken map[string]bool) {
	if taken[name] {
		c.wrong(at, v1alpha1.ReasonInvalid, "%q stands there twice", name)
	}
	taken[name] = true
}

// ownPrefix begins the names of what Berth adds to a pod.
const ownPrefix = "berth-"

func (c *compiler) own(at, name string) {
	if strings.HasPrefix(name, ownPrefix) {
		c.wrong(at, v1alpha1.ReasonNotAllowed, "%q: names that begin with %s are Berth's own", name, ownPrefix)
	}
}

func (c *compiler) namesAgent(at, name string, agents map[string]bool) {
	if name != "" && !agents[name] {
		c.wrong(at, v1alpha1.ReasonInvalid, "%s", didYouMean(fmt.Sprintf("no agent %q", name), name, sortedKeys(agents)))
	}
}

func (c *compiler) checkEnvNames(env []compiledEnv) {
	seen := map[string]bool{}
	for _, v := range env {
		c.once(v.path+".name", v.name, seen)
		if p := ownEnvironment(v.name); p != "" {
			c.wrong(v.path+".name", v1alpha1.ReasonNotAllowed, "%s", p)
		}
	}
}

func ownEnvironment(name string) string {
	if strings.HasPrefix(name, "BERTH_") {
		return fmt.Sprintf("%q: names that begin with BERTH_ are Berth's own", shorten(name))
	}
	return ""
}

func (c *compiler) checkMountPath(at, mountPath string) {
	if mountPath == "" {
		return
	}
	if p := wrongMountPath(mountPath); p != "" {
		c.wrong(at, v1alpha1.ReasonPodInvalid, "%s", p)
	}
}

// wrongMountPath says why nothing can be mounted at a path. Under an agent's own directories something else would take
// its place.
func wrongMountPath(mountPath string) string {
	clean := path.Clean(mountPath)
	switch {
	case !path.IsAbs(mountPath) || strings.Contains(mountPath, ":") || slices.Contains(strings.Split(mountPath, "/"), ".."):
		return fmt.Sprintf("%q must be an absolute path without : and ..", shorten(mountPath))
	case clean == "/":
		return "a volume cannot take the place of the whole image"
	case slices.ContainsFunc([]string{agentDirectory, tokenDirectory, scriptsDirectory}, func(own string) bool { return underneath(clean, own) }):
		return fmt.Sprintf("%q is the agent's own", shorten(mountPath))
	}
	return ""
}

func underneath(p, directory string) bool {
	return p == directory || strings.HasPrefix(p, directory+"/")
}

// harden fills in what an author left out, so that Pod Security "restricted" admits the pod: nobody's root, no
// capabilities, no way to more rights. What the author wrote stays, and is the namespace's level to refuse.
func harden(pod *corev1.PodSpec) {
	pod.EnableServiceLinks = new(false)
	pod.AutomountServiceAccountToken = new(false)
	s := pod.SecurityContext
	if s == nil {
		s = &corev1.PodSecurityContext{}
		pod.SecurityContext = s
	}
	if s.RunAsUser == nil {
		s.RunAsUser = new(defaultUser)
	}
	if s.RunAsGroup == nil {
		s.RunAsGroup = new(*s.RunAsUser)
	}
	if s.FSGroup == nil && *s.RunAsGroup != 0 {
		s.FSGroup = new(*s.RunAsGroup)
	}
	if s.FSGroup != nil && s.FSGroupChangePolicy == nil {
		s.FSGroupChangePolicy = new(corev1.FSGroupChangeOnRootMismatch)
	}
	if s.RunAsNonRoot == nil && *s.RunAsUser != 0 {
		s.RunAsNonRoot = new(true)
	}
	if s.SeccompProfile == nil {
		s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			hardenContainer(&containers[i])
		}
	}
}

// defaultUser is the numeric user and group of a pod that names none. An image's own name for its user would not do:
// what it stands for is up to the image.
const defaultUser = int64(1000)

func hardenContainer(container *corev1.Container) {
	s := container.SecurityContext
	if s == nil {
		s = &corev1.SecurityContext{}
		container.SecurityContext = s
	}
	if s.Capabilities == nil {
		s.Capabilities = &corev1.Capabilities{}
	}
	if s.Capabilities.Drop == nil {
		s.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
	// Kubernetes refuses the two together.
	if s.AllowPrivilegeEscalation == nil && !slices.Contains(s.Capabilities.Add, "SYS_ADMIN") && !slices.Contains(s.Capabilities.Add, "CAP_SYS_ADMIN") {
		s.AllowPrivilegeEscalation = new(false)
	}
	if s.RunAsUser != nil && *s.RunAsUser == 0 && s.RunAsNonRoot == nil {
		s.RunAsNonRoot = new(false)
	}
	if container.TerminationMessagePolicy == "" {
		// so that a crash shows its last words in the workspace's condition, without a right to read logs
		container.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	}
}
