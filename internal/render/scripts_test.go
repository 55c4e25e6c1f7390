// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/script"
)

const withScripts = `
scripts:
- {name: clone, runAt: Start, blocksLogin: true, timeout: 5m, run: 'git clone "$BERTH_PARAM_REPO" ${HOME}/src'}
- {name: prune, runAt: Schedule, schedule: "0 0 3 * * *", run: "#!/usr/bin/env bash\nprune"}
- {name: $(save), runAt: Stop, run: save, logPath: ~/save.log}
`

func TestScripts(t *testing.T) {
	w := rendered(t, image(withScripts), nil)
	checkSafe(t, w)
	for key, want := range map[string]string{
		"berth.dev/script.main.0": `git clone "$BERTH_PARAM_REPO" ${HOME}/src`, "berth.dev/script.main.1": "#!/usr/bin/env bash\nprune", "berth.dev/script.main.2": "save",
	} {
		if got := w.Pod.Annotations[key]; got != want {
			t.Errorf("%s holds %q, want %q", key, got, want)
		}
	}
	c := w.Pod.Spec.Containers[0]
	want := []script.Script{
		{Name: "clone", From: "0", At: script.AtStart, Blocks: true, Timeout: 5 * time.Minute},
		{Name: "prune", From: "1", At: script.AtSchedule, Schedule: "0 0 3 * * *"},
		{Name: "$(save)", From: "2", At: script.AtStop, Log: "~/save.log"},
	}
	if diff := cmp.Diff(want, scripts(t, c)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	i := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/.berth-scripts" })
	if i < 0 || c.VolumeMounts[i].SubPath != "main" || !c.VolumeMounts[i].ReadOnly {
		t.Fatalf("mounts %+v", c.VolumeMounts)
	}
	v := slices.IndexFunc(w.Pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == c.VolumeMounts[i].Name })
	if got := w.Pod.Spec.Volumes[v].DownwardAPI.Items[1]; got.Path != "main/1" || got.FieldRef.FieldPath != "metadata.annotations['berth.dev/script.main.1']" || *got.Mode != 0o555 {
		t.Errorf("item %+v", got)
	}
	if grace := w.Pod.Spec.TerminationGracePeriodSeconds; grace != nil {
		t.Errorf("a stop script that says nothing has the pod end within %d s", *grace)
	}
}

// scripts are those that a container's agent is told of.
func scripts(t *testing.T, c corev1.Container) []script.Script {
	t.Helper()
	i := slices.Index(c.Command, "--scripts")
	if i < 0 {
		return nil
	}
	all, err := script.Parse(expand(c.Command[i+1], nil))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEachAgentHasItsOwnScripts(t *testing.T) {
	w := rendered(t, `
agents: [{name: web, container: web}, {name: db, container: db}]
podTemplate: {spec: {containers: [{name: db, image: a, command: [db]}, {name: web, image: a}]}}
scripts:
- {name: first, runAt: Start, run: a}
- {name: second, agent: db, runAt: Start, run: b}
`, nil)
	for _, c := range w.Pod.Spec.Containers {
		want := map[string]string{"web": "first", "db": "second"}[c.Name]
		if all := scripts(t, c); len(all) != 1 || all[0].Name != want {
			t.Errorf("%s runs %+v, want %s", c.Name, all, want)
		}
		if i := slices.Index(c.Command, "--"); c.Name == "db" && (i < 0 || c.Command[i+1] != "db") {
			t.Errorf("the container's own command comes last: %q", c.Command)
		}
	}
}

func TestAStopScriptHasTheTimeThatItNeeds(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		pod     int64 // 0 for Kubernetes' default
		agent   string
	}{
		"short":          {image(`scripts: [{name: a, runAt: Stop, timeout: 10s, run: a}]`), 0, ""},
		"long":           {image(`scripts: [{name: a, runAt: Stop, timeout: 90.5s, run: a}, {name: b, runAt: Stop, timeout: 1s, run: a}]`), 121, "111s"},
		"a start script": {image(`scripts: [{name: a, runAt: Start, timeout: 10m, run: a}]`), 0, ""},
		"the author's own": {`{podTemplate: {spec: {terminationGracePeriodSeconds: 60, containers: [{name: main, image: a}]}},
			scripts: [{name: a, runAt: Stop, timeout: 5m, run: a}]}`, 60, "50s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := rendered(t, test.content, nil)
			pod := int64(0)
			if given := w.Pod.Spec.TerminationGracePeriodSeconds; given != nil {
				pod = *given
			}
			agent, command := "", w.Pod.Spec.Containers[0].Command
			if i := slices.Index(command, "--grace"); i >= 0 {
				agent = command[i+1]
			}
			if pod != test.pod || agent != test.agent {
				t.Errorf("the pod has %d s and the agent %q, want %d and %q", pod, agent, test.pod, test.agent)
			}
		})
	}
}

func TestScriptsSayWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct{ script, wantPath, want string }{
		"in no agent":        {`runAt: Start, agent: other`, "agent", `no agent "other"`},
		"five fields":        {`runAt: Schedule, schedule: "0 3 * * *"`, "schedule", "six fields, seconds first"},
		"a zone":             {`runAt: Schedule, schedule: "TZ=UTC 0 0 3 * * *"`, "schedule", "six fields, seconds first"},
		"a long stop":        {`runAt: Stop, timeout: 6m`, "timeout", "would have to wait"},
		"a relative log":     {`runAt: Start, logPath: a.log`, "logPath", "must be the absolute path"},
		"a directory":        {`runAt: Start, logPath: /tmp/`, "logPath", "must be the absolute path"},
		"a log by choice":    {`runAt: Start, logPath: "~/${parameters.repo}"`, "logPath", "names are fixed"},
		"larger than can be": {`runAt: Start, run: ` + strings.Repeat("x", 129<<10), "run", "larger than 128 KiB together"},
	} {
		t.Run(name, func(t *testing.T) {
			run := "run: a, "
			if strings.Contains(test.script, "run: ") {
				run = ""
			}
			_, problems := render.Compile(content(t, image("scripts: [{name: a, "+run+test.script+"}]")))
			if len(problems) != 1 || problems[0].Path != "spec.content.scripts[0]."+test.wantPath || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("problems %+v", problems)
			}
		})
	}
}
