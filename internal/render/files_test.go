// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

const withFiles = `
files:
- {path: ~/.gitconfig, content: "[user]\n name = ${USER}\n"}
- {path: /etc/motd, mode: "0444", content: "Hello ${owner.name}, $${HOME}", template: true}
- {path: /home/dev/bin/$x, mode: "0755", content: "#!/bin/sh\n"}
`

func TestFiles(t *testing.T) {
	w := rendered(t, image(withFiles), nil)
	checkSafe(t, w)
	for key, want := range map[string]string{
		"berth.dev/file.0": "[user]\n name = ${USER}\n", "berth.dev/file.1": "Hello sample, ${HOME}", "berth.dev/file.2": "#!/bin/sh\n",
	} {
		if got := w.Pod.Annotations[key]; got != want {
			t.Errorf("%s holds %q, want %q", key, got, want)
		}
	}
	i := slices.IndexFunc(w.Pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "berth-files" })
	if got := w.Pod.Spec.Volumes[i].DownwardAPI.Items[1]; got.Path != "1" || got.FieldRef.FieldPath != "metadata.annotations['berth.dev/file.1']" || *got.Mode != 0o444 {
		t.Errorf("item %+v", got)
	}

	var names []string
	for _, c := range w.Pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{render.InstallContainer, render.SeedContainer, render.FilesContainer}, names); diff != "" {
		t.Fatalf("the home is seeded before files are put over it (-want +got):\n%s", diff)
	}
	writer := w.Pod.Spec.InitContainers[2]
	var files []render.FileToWrite
	if err := json.Unmarshal([]byte(expand(writer.Command[5], nil)), &files); err != nil {
		t.Fatal(err)
	}
	want := []render.FileToWrite{{From: "0", To: "/home/dev", Path: ".gitconfig", Mode: "0644"}, {From: "2", To: "/home/dev", Path: "bin/$x", Mode: "0755"}}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if !slices.ContainsFunc(writer.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/home/dev" }) {
		t.Errorf("the writer mounts %+v", writer.VolumeMounts)
	}
	mounts := w.Pod.Spec.Containers[0].VolumeMounts
	if m := mounts[len(mounts)-1]; m.MountPath != "/etc/motd" || m.SubPath != "1" || !m.ReadOnly {
		t.Errorf("what stands in the image is mounted: %+v", mounts)
	}
}

func TestFilesSayWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct{ file, wantPath, want string }{
		"climbs":             {`{path: /home/../etc/passwd}`, "path", "must be an absolute path without : and .."},
		"the agent's own":    {`{path: /.berth/berth-agent}`, "path", "is the agent's own"},
		"the agent's token":  {`{path: /.berth-token/token}`, "path", "is the agent's own"},
		"a path by choice":   {`{path: "/home/${parameters.repo}"}`, "path", "names are fixed"},
		"a directory":        {`{path: /etc/}`, "path", "must name a file"},
		"decimal":            {`{path: /etc/a, mode: "0999"}`, "mode", "must be octal digits"},
		"misspelt":           {`{path: /etc/a, template: true, content: "${parameters.cp}"}`, "content", `did you mean "cpu"?`},
		"in no agent":        {`{path: /etc/a, agent: other}`, "agent", `no agent "other"`},
		"where a volume is":  {`{path: /home/dev}`, "path", `volume "home" is mounted there`},
		"larger than can be": {`{path: /etc/a, content: ` + strings.Repeat("x", 200<<10) + `}`, "content", "larger than 128 KiB together"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := render.Compile(content(t, image("files: ["+test.file+"]")))
			if len(problems) != 1 || problems[0].Path != "spec.content.files[0]."+test.wantPath || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("got %v, want %s at %s", problems, test.want, test.wantPath)
			}
		})
	}
	_, problems := render.Compile(content(t, podSpec("")+"files: [{path: ~/x}]"))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "has no home volume") {
		t.Errorf("got %v", problems)
	}
}

func TestAppsByCondition(t *testing.T) {
	text := image(`apps: [{name: code, port: 1}, {name: db, port: 2, includeWhen: ["${parameters.database}"]}]`)
	if w := rendered(t, text, nil); !slices.Equal(w.HiddenApps, []string{"db"}) {
		t.Errorf("hidden: %v", w.HiddenApps)
	}
	if w := rendered(t, text, map[string]any{"database": true}); len(w.HiddenApps) > 0 {
		t.Errorf("hidden: %v", w.HiddenApps)
	}
}

func TestArchitecture(t *testing.T) {
	w := rendered(t, image("agents: [{name: main, arch: arm64}]"), nil)
	if diff := cmp.Diff(map[string]string{"kubernetes.io/arch": "arm64"}, w.Pod.Spec.NodeSelector); diff != "" {
		t.Errorf("node selector (-want +got):\n%s", diff)
	}
	_, problems := render.Compile(content(t, podSpec("nodeSelector: {kubernetes.io/arch: amd64}")+"agents: [{name: a, arch: arm64}]"))
	want := []render.Problem{{Path: "spec.content.agents[0].arch", Message: "the pod is for amd64 already; all agents of a pod share its node", Reason: v1alpha1.ReasonPodInvalid}}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
