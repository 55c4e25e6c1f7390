// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// FilesContainer begins the names of the init containers that write the content's files into volumes.
	FilesContainer = "berth-files"
	// filesVolume holds the content's files.
	filesVolume = "berth-files"
	// filesDirectory is where the init container finds them.
	filesDirectory = "/.berth-files"
	defaultMode    = 0o644
)

type compiledFile struct {
	v1alpha1.File
	path string
	// text is the content of a template; nil for one that is written as it stands.
	text *leaf
	mode int32
}

// FileToWrite is one file that the init container writes.
type FileToWrite struct {
	// From is its name in the directory of the files.
	From string `json:"from"`
	// To is the volume's path, which is never left, and Path the file's below it.
	To   string `json:"to"`
	Path string `json:"path"`
	// Mode is what chmod takes, in octal digits.
	Mode string `json:"mode"`
}

func (c *compiler) compileFiles() {
	for i, f := range c.content.Files {
		file := compiledFile{File: f, path: fmt.Sprintf("%s.files[%d]", contentPath, i), mode: defaultMode}
		if f.Template {
			file.text = c.text(file.path+".content", f.Content, textShape, false)
		}
		if f.Mode != "" {
			mode, err := strconv.ParseInt(f.Mode, 8, 32)
			if err != nil || mode > 0o777 {
				c.wrong(file.path+".mode", v1alpha1.ReasonPodInvalid, "%q must be octal digits in quotes, such as \"0644\"", shorten(f.Mode))
			}
			file.mode = int32(mode)
		}
		if holdsExpression(f.Path) {
			c.wrong(file.path+".path", v1alpha1.ReasonNotAllowed, "holds an expression, and must not: it is a name, and names are fixed")
		} else if p := wrongMountPath(strings.TrimPrefix(f.Path, "~")); p != "" || strings.HasSuffix(f.Path, "/") {
			if p == "" {
				p = fmt.Sprintf("%q must name a file, not a directory", shorten(f.Path))
			}
			c.wrong(file.path+".path", v1alpha1.ReasonPodInvalid, "%s", p)
		}
		c.files = append(c.files, file)
	}
}

// placeFiles puts the content's files where they belong. A file below a volume of the container is written there by an init
// container, so that it is the user's own and so are the directories above it; any other is mounted, read-only.
func (a *assembly) placeFiles() {
	written := map[string][]FileToWrite{}
	for i, f := range a.files {
		text := f.Content
		if f.text != nil {
			text = a.run.text(f.text)
		}
		c := a.agentContainer(f.Agent)
		if c == nil {
			continue // that there is no such agent is told already
		}
		at := a.filePath(f, c)
		if at == "" {
			continue
		}
		from := strconv.Itoa(i)
		if !a.carry(v1alpha1.AnnotationFile+from, text, f.path+".content", filesVolume, from, f.mode) {
			return
		}
		if m := mountAbove(c, at); m != nil {
			written[c.Name] = append(written[c.Name], FileToWrite{From: from, To: path.Clean(m.MountPath), Mode: fmt.Sprintf("%04o", f.mode),
				Path: strings.TrimPrefix(at, path.Clean(m.MountPath)+"/")})
			continue
		}
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: filesVolume, MountPath: at, SubPath: from, ReadOnly: true})
	}
	a.writeFiles(written)
}

// agentContainer is the container of the agent of that name, or of the first.
func (a *assembly) agentContainer(agent string) *corev1.Container {
	for _, x := range a.agents {
		if x.Name == agent || agent == "" {
			return a.containerOf(x)
		}
	}
	return nil
}

// filePath is where a file is in its container; empty, with the problem noted, where nothing tells.
func (a *assembly) filePath(f compiledFile, c *corev1.Container) string {
	below, inHome := strings.CutPrefix(f.Path, "~/")
	at := path.Clean(f.Path)
	if inHome {
		m := a.homeMount(c)
		switch {
		case m != nil:
			at = path.Join(m.MountPath, below)
		case a.pod == nil:
			at = path.Join(HomePath, below)
		default:
			a.wrong(f.path+".path", v1alpha1.ReasonPodInvalid, "%q: container %q has no home volume of the workspace's; write the whole path", f.Path, c.Name)
			return ""
		}
	}
	for _, m := range c.VolumeMounts {
		if path.Clean(m.MountPath) == at {
			a.wrong(f.path+".path", v1alpha1.ReasonPodInvalid, "%s: volume %q is mounted there", at, m.Name)
			return ""
		}
	}
	return at
}

// mountAbove is the innermost volume that a file stands in; nil where it stands in the image, or where nobody may write.
func mountAbove(c *corev1.Container, file string) *corev1.VolumeMount {
	var above *corev1.VolumeMount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		if underneath(file, path.Clean(m.MountPath)) && (above == nil || len(m.MountPath) > len(above.MountPath)) {
			above = m
		}
	}
	if above == nil || above.ReadOnly {
		return nil
	}
	return above
}

// writeFiles adds the init containers that write files into volumes: one a container, with that container's rights, its
// volumes, and nothing else of it.
func (a *assembly) writeFiles(written map[string][]FileToWrite) {
	for n, name := range sortedKeys(written) {
		of := a.container(name)
		text, err := json.Marshal(written[name])
		if err != nil {
			a.wrong(contentPath+".files", v1alpha1.ReasonPodInvalid, "%v", err)
			return
		}
		writer := corev1.Container{
			Name: FilesContainer, Image: of.Image, ImagePullPolicy: of.ImagePullPolicy,
			Command: []string{agentProgram, "files", "--from", filesDirectory, "--files", strings.ReplaceAll(string(text), "$", "$$")},
			VolumeMounts: []corev1.VolumeMount{
				{Name: agentVolume, MountPath: agentDirectory, ReadOnly: true}, {Name: filesVolume, MountPath: filesDirectory, ReadOnly: true}},
			Resources:       ownShare(of.Resources),
			SecurityContext: of.SecurityContext.DeepCopy(),

			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		}
		if n > 0 {
			writer.Name = fmt.Sprintf("%s-%d", FilesContainer, n)
		}
		for _, m := range of.VolumeMounts {
			if a.claimed[m.Name] != nil || !strings.HasPrefix(m.Name, ownPrefix) && !m.ReadOnly {
				writer.VolumeMounts = append(writer.VolumeMounts, *m.DeepCopy())
			}
		}
		a.prepend(writer)
	}
}

// holdToArchitecture has the pod run on nodes of the agents' architecture.
func (a *assembly) holdToArchitecture() {
	for _, agent := range a.agents {
		if agent.Arch == "" {
			continue
		}
		pod := &a.workload.Pod.Spec
		if other, is := pod.NodeSelector[corev1.LabelArchStable]; is && other != agent.Arch {
			a.wrong(agent.path+".arch", v1alpha1.ReasonPodInvalid, "the pod is for %s already; all agents of a pod share its node", other)
			continue
		}
		if pod.NodeSelector == nil {
			pod.NodeSelector = map[string]string{}
		}
		pod.NodeSelector[corev1.LabelArchStable] = agent.Arch
	}
}
