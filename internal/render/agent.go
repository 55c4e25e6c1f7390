// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/parameters"
)

// What brings the agent into a pod.
const (
	// InstallContainer is the init container that brings the agent's program.
	InstallContainer = "berth-agent-install"
	// SeedContainer is the init container that fills a new home from the image.
	SeedContainer = "berth-home-seed"
	// TokenAudience is whom the agent's token is for.
	TokenAudience = "berth"

	agentVolume    = "berth-agent"
	agentDirectory = "/.berth"
	// defaultContainer is the annotation that kubectl goes by.
	defaultContainer = "kubectl.kubernetes.io/default-container"
	agentProgram     = agentDirectory + "/berth-agent"
	tokenVolume      = "berth-agent-token"
	tokenDirectory   = "/.berth-token"
	seedDirectory    = "/.berth-home"

	// holdFlag has an agent wait until it hears whose workspace it is, before it runs anything.
	holdFlag = "--hold"

	tokenSeconds   = 3600
	defaultGrace   = 30
	probeEvery     = 5
	probeTimeout   = 5
	probeTolerance = 3
)

// placeAgents puts each agent into its container.
func (a *assembly) placeAgents() {
	a.allowStopScripts()
	taken := map[string]string{}
	for _, agent := range a.agents {
		c := a.containerOf(agent)
		if c == nil {
			a.wrong(agent.path+".container", v1alpha1.ReasonPodInvalid, "%s", didYouMean(fmt.Sprintf("no container %q", agent.Container), agent.Container, a.containerNames()))
			continue
		}
		if other, is := taken[c.Name]; is {
			a.wrong(agent.path+".container", v1alpha1.ReasonPodInvalid, "agent %q is in container %q already; give each agent a container of its own", other, c.Name)
			continue
		}
		taken[c.Name] = agent.Name
		a.workload.Agents = append(a.workload.Agents, Agent{Name: agent.Name, Container: c.Name})
		a.place(agent, c)
	}
}

// agentCommand begins the command of every container that an agent runs in.
func agentCommand() []string { return []string{agentProgram, "run"} }

func (a *assembly) containerNames() []string {
	var names []string
	for _, c := range a.workload.Pod.Spec.Containers {
		names = append(names, c.Name)
	}
	return names
}

// place makes the agent the container's first process, with the author's own command as its child. What the image
// itself would start is not known here, so without a command the agent holds the container open.
func (a *assembly) place(agent compiledAgent, c *corev1.Container) {
	if len(c.Command) == 0 && len(c.Args) > 0 {
		a.wrong(a.at[c.Name]+".args", v1alpha1.ReasonPodInvalid, "needs a command beside it: agent %q is the container's first process, and the image's own entrypoint is not known", agent.Name)
		return
	}
	command := agentCommand()
	if a.in.Hold {
		command = append(command, holdFlag)
	}
	command = append(command, "--name", agent.Name)
	directory := agent.Directory
	if directory == "" {
		directory = c.WorkingDir
	}
	if directory != "" {
		command = append(command, "--directory", strings.ReplaceAll(directory, "$", "$$"))
	}
	if grace := a.workload.Pod.Spec.TerminationGracePeriodSeconds; grace != nil && *grace != defaultGrace {
		// A third of the time, at most ten seconds, is left for what comes after the agent.
		command = append(command, "--grace", fmt.Sprintf("%ds", max(*grace-10, *grace-*grace/3, 0)))
	}
	command = append(command, a.placeScripts(agent, c)...)
	if len(c.Command) > 0 {
		command = append(append(command, "--"), c.Command...)
	}
	c.Command = command
	if c.ReadinessProbe == nil {
		c.ReadinessProbe = &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{agentProgram, "ready", "--name", agent.Name}}},
			PeriodSeconds: probeEvery, TimeoutSeconds: probeTimeout, FailureThreshold: probeTolerance,
		}
	}
	c.Env = a.agentEnvironment(agent, c)
	c.VolumeMounts = append(c.VolumeMounts,
		corev1.VolumeMount{Name: agentVolume, MountPath: agentDirectory},
		corev1.VolumeMount{Name: tokenVolume, MountPath: tokenDirectory, ReadOnly: true})
}

// agentEnvironment is Berth's own variables, then the container's, then the agent's; a later one of a name replaces an
// earlier one, and the earlier ones can be used in it as $(NAME).
func (a *assembly) agentEnvironment(agent compiledAgent, c *corev1.Container) []corev1.EnvVar {
	var env []variable
	position := map[string]int{}
	add := func(late late, vars ...corev1.EnvVar) {
		for _, v := range vars {
			written, isLate := late[v.Name]
			if i, ok := position[v.Name]; ok {
				env[i] = variable{v, isLate, written}
				continue
			}
			position[v.Name] = len(env)
			env = append(env, variable{v, isLate, written})
		}
	}
	for _, v := range a.ownVariables(agent, c) {
		// These are people's words: Kubernetes must not expand $(…) in them.
		add(ownLate(), corev1.EnvVar{Name: v.Name, Value: strings.ReplaceAll(v.Value, "$", "$$")})
	}
	add(a.lateIn(c.Name), c.Env...)
	add(lateEnv(agent.env), a.environment(agent.env)...)
	return a.part(agent, c, env)
}

// variable is one of an agent's container.
type variable struct {
	corev1.EnvVar
	// late tells whether the value depends on whose workspace it is, and written what stands around the expressions that do.
	late    bool
	written string
}

func (a *assembly) ownVariables(agent compiledAgent, c *corev1.Container) []v1alpha1.EnvVar {
	vars := []v1alpha1.EnvVar{
		{Name: "BERTH_AGENT", Value: agent.Name},
		{Name: "BERTH_WORKSPACE_ID", Value: a.in.Workspace.ID},
		{Name: "BERTH_WORKSPACE_NAME", Value: a.in.Workspace.Name},
		{Name: "BERTH_OWNER_NAME", Value: a.in.Owner.Name},
		{Name: "BERTH_OWNER_EMAIL", Value: a.in.Owner.Email},
		{Name: "BERTH_TEMPLATE_NAME", Value: a.in.Template.Name},
		{Name: "BERTH_ORGANIZATION_NAME", Value: a.in.Organization.Name},
	}
	if a.in.Hold && a.in.Platform.URL != "" {
		vars = append(vars, v1alpha1.EnvVar{Name: "BERTH_URL", Value: a.in.Platform.URL}, v1alpha1.EnvVar{Name: "BERTH_CA", Value: a.in.Platform.CA})
	}
	if m := a.homeMount(c); m != nil {
		vars = append(vars, v1alpha1.EnvVar{Name: "HOME", Value: m.MountPath})
	} else if a.pod == nil {
		vars = append(vars, v1alpha1.EnvVar{Name: "HOME", Value: HomePath})
	}
	return append(vars, parameters.Env(a.content.Parameters, a.in.Parameters)...)
}

// seedHome fills a new home claim from the image before anything else runs: the claim is mounted elsewhere, so that the
// image's own home can be seen. It has the rights of the container whose home it is.
func (a *assembly) seedHome() {
	for _, c := range a.placed() {
		m := a.homeMount(c)
		if m == nil {
			continue
		}
		claim := *m.DeepCopy()
		claim.MountPath, claim.MountPropagation = seedDirectory, nil
		a.prepend(corev1.Container{
			Name: SeedContainer, Image: c.Image, ImagePullPolicy: c.ImagePullPolicy,
			Command:         []string{agentProgram, "seed", "--to", seedDirectory, "--from", m.MountPath},
			VolumeMounts:    []corev1.VolumeMount{{Name: agentVolume, MountPath: agentDirectory, ReadOnly: true}, claim},
			Resources:       ownShare(c.Resources),
			SecurityContext: c.SecurityContext.DeepCopy(),

			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		})
		return
	}
}

// installAgent brings the agent's program and its token.
func (a *assembly) installAgent() {
	pod := &a.workload.Pod.Spec
	pod.Volumes = append(pod.Volumes,
		corev1.Volume{Name: agentVolume, VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse("64Mi"))}}},
		corev1.Volume{Name: tokenVolume, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: new(int32(0o440)),
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
				Audience: TokenAudience, ExpirationSeconds: new(int64(tokenSeconds)), Path: "token"}}},
		}}})
	a.prepend(corev1.Container{
		Name: InstallContainer, Image: a.in.Platform.AgentImage, ImagePullPolicy: a.in.Platform.AgentImagePullPolicy,
		Command:         []string{"/usr/bin/berth-agent", "install", "--to", agentDirectory},
		VolumeMounts:    []corev1.VolumeMount{{Name: agentVolume, MountPath: agentDirectory}},
		Resources:       ownShare(a.placed()[0].Resources),
		SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: new(true)},
	})
	hardenContainer(&pod.InitContainers[0])
	a.leadKubectl()
}

// leadKubectl makes the first agent's container the one that kubectl exec and logs mean where none is named.
func (a *assembly) leadKubectl() {
	meta := &a.workload.Pod.ObjectMeta
	if _, chosen := meta.Annotations[defaultContainer]; chosen {
		return
	}
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	meta.Annotations[defaultContainer] = a.placed()[0].Name
}

func (a *assembly) prepend(c corev1.Container) {
	pod := &a.workload.Pod.Spec
	pod.InitContainers = append([]corev1.Container{c}, pod.InitContainers...)
}

// ownShare is what an init container asks for: what the workspace's own container does, devices left out. That costs
// nothing, since init containers run before it and not beside it, passes every quota that the container passes, and
// leaves the pod its quality of service.
func ownShare(of corev1.ResourceRequirements) corev1.ResourceRequirements {
	share := func(list corev1.ResourceList) corev1.ResourceList {
		var kept corev1.ResourceList
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			if q, ok := list[name]; ok {
				if kept == nil {
					kept = corev1.ResourceList{}
				}
				kept[name] = q.DeepCopy()
			}
		}
		return kept
	}
	return corev1.ResourceRequirements{Requests: share(of.Requests), Limits: share(of.Limits)}
}
