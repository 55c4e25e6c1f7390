// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/schedule"
	"github.com/berth-dev/berth/internal/script"
)

const (
	// scriptsVolume holds the content's scripts, in a directory for each agent.
	scriptsVolume = "berth-scripts"
	// scriptsDirectory is where each agent finds its own.
	scriptsDirectory = "/.berth-scripts"
	scriptMode       = 0o555
	// longestStopScript bounds what a node that is drained, and a restart, may have to wait for.
	longestStopScript = 5 * time.Minute
	// freeStopScript is what a stop script has without more time for the pod to end.
	freeStopScript = 10 * time.Second
)

type compiledScript struct {
	v1alpha1.Script
	path    string
	timeout time.Duration
}

func (c *compiler) compileScripts() {
	for i, s := range c.content.Scripts {
		compiled := compiledScript{Script: s, path: fmt.Sprintf("%s.scripts[%d]", contentPath, i)}
		if s.Timeout != "" {
			d, err := schedule.ParseDuration(s.Timeout)
			if err != nil {
				c.wrong(compiled.path+".timeout", v1alpha1.ReasonInvalid, "%v", err)
			}
			compiled.timeout = d
		}
		if s.RunAt == v1alpha1.ScriptRunAtStop && compiled.timeout > longestStopScript {
			c.wrong(compiled.path+".timeout", v1alpha1.ReasonInvalid, "%s is more than %v; a node that is drained would have to wait for it, and a restart", s.Timeout, longestStopScript)
		}
		if s.RunAt == v1alpha1.ScriptRunAtSchedule {
			if _, err := script.ParseSchedule(s.Schedule); err != nil {
				c.wrong(compiled.path+".schedule", v1alpha1.ReasonInvalid, "%q %v", shorten(s.Schedule), err)
			}
		}
		if at := strings.TrimPrefix(s.LogPath, "~"); holdsExpression(s.LogPath) {
			c.wrong(compiled.path+".logPath", v1alpha1.ReasonNotAllowed, "holds an expression, and must not: it is a name, and names are fixed")
		} else if s.LogPath != "" && (!path.IsAbs(at) || strings.HasSuffix(at, "/")) {
			c.wrong(compiled.path+".logPath", v1alpha1.ReasonInvalid, "%q must be the absolute path of a file, or begin with ~/", shorten(s.LogPath))
		}
		c.scripts = append(c.scripts, compiled)
	}
}

// scriptsOf are those that an agent runs.
func (a *assembly) scriptsOf(agent compiledAgent) []compiledScript {
	var own []compiledScript
	for _, s := range a.scripts {
		if s.Agent == agent.Name || s.Agent == "" && agent.Name == a.agents[0].Name {
			own = append(own, s)
		}
	}
	return own
}

// allowStopScripts gives the pod more time to end where a stop script says that it needs it and the author's pod says nothing.
func (a *assembly) allowStopScripts() {
	longest := time.Duration(0)
	for _, s := range a.scripts {
		if s.RunAt == v1alpha1.ScriptRunAtStop {
			longest = max(longest, s.timeout)
		}
	}
	if pod := &a.workload.Pod.Spec; pod.TerminationGracePeriodSeconds == nil && longest > freeStopScript {
		pod.TerminationGracePeriodSeconds = new(int64(defaultGrace + (longest+time.Second-1)/time.Second))
	}
}

// placeScripts puts an agent's scripts into its container and returns what its command says of them. They are never
// interpolated, and travel as files do.
func (a *assembly) placeScripts(agent compiledAgent, c *corev1.Container) []string {
	var told []script.Script
	for _, s := range a.scriptsOf(agent) {
		from := strconv.Itoa(len(told))
		a.carry(v1alpha1.AnnotationScript+agent.Name+"."+from, s.Run, s.path+".run", scriptsVolume, path.Join(agent.Name, from), scriptMode)
		told = append(told, script.Script{
			Name: s.Name, From: from, At: string(s.RunAt), Schedule: s.Schedule, Blocks: s.BlocksLogin, Timeout: s.timeout, Log: s.LogPath,
		})
	}
	if len(told) == 0 {
		return nil
	}
	text, err := script.Format(told)
	if err != nil {
		a.wrong(contentPath+".scripts", v1alpha1.ReasonPodInvalid, "%v", err)
		return nil
	}
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: scriptsVolume, MountPath: scriptsDirectory, SubPath: agent.Name, ReadOnly: true})
	return []string{"--scripts", strings.ReplaceAll(text, "$", "$$")}
}
