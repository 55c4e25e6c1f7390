// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/internal/render"
)

func TestAgentIsTheFirstProcess(t *testing.T) {
	tests := map[string]struct {
		content string
		want    []string
	}{
		"without a command": {plain, []string{"/.berth/berth-agent", "run", "--name", "main"}},
		"with a command":    {pod("command: [serve, -v]\nargs: [now]"), []string{"/.berth/berth-agent", "run", "--name", "main", "--", "serve", "-v"}},
		"with a directory":  {plain[:len(plain)-1] + ", agents: [{name: a, directory: ~/src/$PROJECT}]}", []string{"/.berth/berth-agent", "run", "--name", "a", "--directory", "~/src/$$PROJECT"}},
		"working directory": {pod("workingDir: /src"), []string{"/.berth/berth-agent", "run", "--name", "main", "--directory", "/src"}},
		"little grace":      {podSpec("terminationGracePeriodSeconds: 6"), []string{"/.berth/berth-agent", "run", "--name", "main", "--grace", "4s"}},
		"no grace":          {podSpec("terminationGracePeriodSeconds: 0"), []string{"/.berth/berth-agent", "run", "--name", "main", "--grace", "0s"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := rendered(t, test.content, nil)
			c := w.Pod.Spec.Containers[0]
			if diff := cmp.Diff(test.want, c.Command); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
			ready := []string{"/.berth/berth-agent", "ready", "--name", w.Agents[0].Name}
			if diff := cmp.Diff(ready, c.ReadinessProbe.Exec.Command); diff != "" {
				t.Errorf("readiness (-want +got):\n%s", diff)
			}
			if meant := w.Pod.Annotations["kubectl.kubernetes.io/default-container"]; meant != c.Name {
				t.Errorf("kubectl exec means container %q, want %q", meant, c.Name)
			}
			install := w.Pod.Spec.InitContainers[0]
			if diff := cmp.Diff([]string{"/usr/bin/berth-agent", "install", "--to", "/.berth"}, install.Command); diff != "" || install.Image != "registry.example/berth:sample" {
				t.Errorf("%s, install (-want +got):\n%s", install.Image, diff)
			}
			checkSafe(t, w)
		})
	}
}

func TestAgentsAndOtherContainers(t *testing.T) {
	w := rendered(t, torch, nil)
	if diff := cmp.Diff([]render.Agent{{Name: "train", Container: "train"}, {Name: "web", Container: "web"}}, w.Agents); diff != "" {
		t.Errorf("agents (-want +got):\n%s", diff)
	}
	train, otel := w.Pod.Spec.Containers[0], w.Pod.Spec.Containers[2]
	if gpus := train.Resources.Limits["nvidia.com/gpu"]; gpus.String() != "1" {
		t.Errorf("limits %v", train.Resources.Limits)
	}
	if otel.Command != nil || len(otel.Env) > 0 || len(otel.VolumeMounts) > 0 || otel.ReadinessProbe != nil {
		t.Errorf("a container that no agent names was touched: %+v", otel)
	}
	for _, c := range w.Pod.Spec.InitContainers {
		if len(c.Resources.Limits) > 0 {
			t.Errorf("init container %s asks for %v", c.Name, c.Resources.Limits)
		}
	}
}

func TestHome(t *testing.T) {
	type home struct {
		Env  string
		Seed []string
		At   string
	}
	tests := map[string]struct {
		content string
		want    home
	}{
		"short form": {plain, home{"/home/dev", []string{"/.berth/berth-agent", "seed", "--to", "/.berth-home", "--from", "/home/dev"}, "/.berth-home"}},
		"home elsewhere": {image("volumeClaims: [{name: home, size: 1Gi, mountPath: /home/coder}]"),
			home{"/home/coder", []string{"/.berth/berth-agent", "seed", "--to", "/.berth-home", "--from", "/home/coder"}, "/.berth-home"}},
		"claim of another name": {image("volumeClaims: [{name: data, size: 1Gi, mountPath: /home/dev}]"),
			home{"/home/dev", []string{"/.berth/berth-agent", "seed", "--to", "/.berth-home", "--from", "/home/dev"}, "/.berth-home"}},
		"no home":   {image("volumeClaims: [{name: data, size: 1Gi, mountPath: /data}]"), home{"/home/dev", nil, ""}},
		"long form": {podSpec(""), home{"", nil, ""}},
		"long form, mounted by the container": {pod("volumeMounts: [{name: home, mountPath: /root, subPath: r}]") + "volumeClaims: [{name: home, size: 1Gi}]",
			home{"/root", []string{"/.berth/berth-agent", "seed", "--to", "/.berth-home", "--from", "/root"}, "/.berth-home"}},
		"author's own HOME": {image("env: [{name: HOME, value: /x}]"), home{"/x", []string{"/.berth/berth-agent", "seed", "--to", "/.berth-home", "--from", "/home/dev"}, "/.berth-home"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := rendered(t, test.content, nil)
			got := home{Env: environment(w.Pod.Spec.Containers[0])["HOME"]}
			for _, c := range w.Pod.Spec.InitContainers {
				if c.Name != render.SeedContainer {
					continue
				}
				got.Seed = c.Command
				for _, m := range c.VolumeMounts {
					if m.Name == "home" || m.Name == "data" {
						got.At = m.MountPath
					}
				}
				if c.Image != w.Pod.Spec.Containers[0].Image {
					t.Errorf("seeded from %s", c.Image)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("home (-want +got):\n%s", diff)
			}
			checkSafe(t, w)
		})
	}
}

// Later variables of a name replace earlier ones, and each stands there once.
func TestAgentEnvironment(t *testing.T) {
	w := rendered(t, image("env: [{name: A, value: container}, {name: B, value: $(BERTH_PARAM_CPU)}]\nagents: [{name: main, env: [{name: A, value: agent}]}]"), nil)
	env := w.Pod.Spec.Containers[0].Env
	seen := map[string]int{}
	for _, v := range env {
		seen[v.Name]++
	}
	for name, n := range seen {
		if n > 1 {
			t.Errorf("%s stands there %d times", name, n)
		}
	}
	got := environment(w.Pod.Spec.Containers[0])
	want := map[string]string{
		"A": "agent", "B": "$(BERTH_PARAM_CPU)", "HOME": "/home/dev", "BERTH_AGENT": "main", "BERTH_WORKSPACE_NAME": "sample",
		"BERTH_WORKSPACE_ID": "00000000-0000-4000-8000-000000000001", "BERTH_OWNER_NAME": "sample", "BERTH_OWNER_EMAIL": "sample@example.org",
		"BERTH_TEMPLATE_NAME": "sample", "BERTH_ORGANIZATION_NAME": "sample", "BERTH_PARAM_CPU": "2", "BERTH_PARAM_RATIO": "0.5",
		"BERTH_PARAM_REPO": "", "BERTH_PARAM_DATABASE": "false", "BERTH_PARAM_SHARES": "[]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

// Only a prepared pod says where its agents hear whose it becomes.
func TestPreparedPodKnowsTheServer(t *testing.T) {
	compiled := compile(t, plain)
	in, _ := compiled.Sample()
	for _, hold := range []bool{true, false} {
		in.Hold, in.Platform.URL, in.Platform.CA = hold, "https://berth.test:443", "-----BEGIN CERTIFICATE-----"
		w, refusal := compiled.Render(in)
		if refusal != nil {
			t.Fatal(refusal)
		}
		env := environment(w.Pod.Spec.Containers[0])
		if said := env["BERTH_URL"] == in.Platform.URL && env["BERTH_CA"] == in.Platform.CA; said != hold {
			t.Errorf("hold %v: %v", hold, env)
		}
	}
}

// A pod whose author pinned its processors keeps the quality of service that needs.
func TestInitContainersKeepTheQualityOfService(t *testing.T) {
	w := rendered(t, image("resources: {requests: {cpu: 2, memory: 4Gi}, limits: {cpu: 2, memory: 4Gi, example.com/gpu: 1}}"), nil)
	for _, c := range everyContainer(&w.Pod.Spec) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			if request.IsZero() || request.Cmp(limit) != 0 {
				t.Errorf("container %s asks for %s of %s and may use %s", c.Name, request.String(), name, limit.String())
			}
		}
	}
}
