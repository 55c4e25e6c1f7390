// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	psapi "k8s.io/pod-security-admission/api"
	pspolicy "k8s.io/pod-security-admission/policy"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
)

// Every manifest and parameter value that these tests render must give such a pod.
func checkSafe(t *testing.T, w *render.Workload) {
	t.Helper()
	evaluator, err := pspolicy.NewEvaluator(pspolicy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}
	if found := pspolicy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &metav1.ObjectMeta{}, &w.Pod.Spec)); !found.Allowed {
		t.Errorf("Pod Security restricted refuses it: %s", found.ForbiddenDetail())
	}
	for _, c := range everyContainer(&w.Pod.Spec) {
		if c.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
			t.Errorf("container %s keeps its last words to itself: %s", c.Name, c.TerminationMessagePolicy)
		}
	}
}

func everyContainer(pod *corev1.PodSpec) []corev1.Container {
	return slices.Concat(pod.InitContainers, pod.Containers)
}

func TestManifestsOfTheDocumentationRender(t *testing.T) {
	for name, text := range map[string]string{"plain": plain, "go-dev": goDev, "torch": torch, "django": django} {
		t.Run(name, func(t *testing.T) { checkSafe(t, rendered(t, text, nil)) })
	}
}

func TestAdvisory_V41_HostilePodsAreRefused(t *testing.T) {
	const spec = "spec.content.podTemplate.spec"
	tests := map[string]struct{ content, wantPath string }{
		"other account":             {podSpec("serviceAccountName: admin"), spec + ".serviceAccountName"},
		"other account, old name":   {podSpec("serviceAccount: admin"), spec + ".serviceAccount"},
		"account by expression":     {podSpec(`serviceAccountName: "${parameters.repo}"`), spec + ".serviceAccountName"},
		"account's token":           {podSpec("automountServiceAccountToken: true"), spec + ".automountServiceAccountToken"},
		"host network":              {podSpec("hostNetwork: true"), spec + ".hostNetwork"},
		"host network by choice":    {podSpec(`hostNetwork: "${parameters.database}"`), spec + ".hostNetwork"},
		"host processes":            {podSpec("hostPID: true"), spec + ".hostPID"},
		"host IPC":                  {podSpec("hostIPC: true"), spec + ".hostIPC"},
		"a node of one's choice":    {podSpec("nodeName: control-plane"), spec + ".nodeName"},
		"cluster's priority":        {podSpec("priorityClassName: system-node-critical"), spec + ".priorityClassName"},
		"ephemeral containers":      {podSpec("ephemeralContainers: [{name: x, image: x}]"), spec + ".ephemeralContainers"},
		"runs once":                 {podSpec("restartPolicy: Never"), spec + ".restartPolicy"},
		"windows":                   {podSpec("os: {name: windows}"), spec + ".os.name"},
		"windows host process":      {podSpec("securityContext: {windowsOptions: {hostProcess: true}}"), spec + ".securityContext.windowsOptions"},
		"user by choice":            {podSpec(`securityContext: {runAsUser: "${parameters.cpu}"}`), spec + ".securityContext.runAsUser"},
		"host path":                 {podSpec("volumes: [{name: x, hostPath: {path: /}}]"), spec + ".volumes[0].hostPath"},
		"host path by choice":       {podSpec(`volumes: [{name: x, hostPath: {path: "${parameters.repo}"}}]`), spec + ".volumes[0].hostPath.path"},
		"all volumes by choice":     {podSpec(`volumes: "${parameters.shares}"`), spec + ".volumes"},
		"account's token as volume": {podSpec("volumes: [{name: x, projected: {sources: [{serviceAccountToken: {path: t}}]}}]"), spec + ".volumes[0].projected.sources[0].serviceAccountToken"},
		"driver in the pod":         {podSpec("volumes: [{name: x, csi: {driver: secrets-store.csi.k8s.io}}]"), spec + ".volumes[0].csi"},
		"foreign claim":             {podSpec("volumes: [{name: x, persistentVolumeClaim: {claimName: bob-home}}]"), spec + ".volumes[0].persistentVolumeClaim.claimName"},
		"foreign claim by choice":   {podSpec(`volumes: [{name: x, persistentVolumeClaim: {claimName: "${parameters.repo}"}}]`), spec + ".volumes[0].persistentVolumeClaim.claimName"},
		"clone of a foreign claim":  {podSpec("volumes: [{name: x, ephemeral: {volumeClaimTemplate: {spec: {dataSource: {kind: PersistentVolumeClaim, name: bob-home}}}}}]"), spec + ".volumes[0].ephemeral"},
		"Secret by choice":          {podSpec(`volumes: [{name: x, secret: {secretName: "${parameters.repo}"}}]`), spec + ".volumes[0].secret.secretName"},
		"ConfigMap by choice":       {podSpec(`volumes: [{name: x, configMap: {name: "${parameters.repo}"}}]`), spec + ".volumes[0].configMap.name"},
		"Secret in env by choice":   {pod(`env: [{name: X, valueFrom: {secretKeyRef: {name: "${parameters.repo}", key: k}}}]`), spec + ".containers[0].env[0].valueFrom.secretKeyRef.name"},
		"all of a Secret by choice": {pod(`envFrom: [{secretRef: {name: "${parameters.repo}"}}]`), spec + ".containers[0].envFrom[0].secretRef.name"},
		"pull Secret by choice":     {podSpec(`imagePullSecrets: [{name: "${parameters.repo}"}]`), spec + ".imagePullSecrets[0].name"},
		"foreign device claim":      {podSpec("resourceClaims: [{name: x, resourceClaimName: bob}]"), spec + ".resourceClaims[0].resourceClaimName"},
		"privileged":                {pod("securityContext: {privileged: true}"), spec + ".containers[0].securityContext.privileged"},
		"privileged by choice":      {pod(`securityContext: {privileged: "${parameters.database}"}`), spec + ".containers[0].securityContext.privileged"},
		"unmasked proc":             {pod("securityContext: {procMount: Unmasked}"), spec + ".containers[0].securityContext.procMount"},
		"privileged init container": {podSpec("initContainers: [{name: x, image: x, securityContext: {privileged: true}}]"), spec + ".initContainers[0].securityContext.privileged"},
		"port of the node":          {pod("ports: [{containerPort: 80, hostPort: 80}]"), spec + ".containers[0].ports[0].hostPort"},
		"kubelet asks another host": {pod("livenessProbe: {httpGet: {host: 169.254.169.254, port: 80}}"), spec + ".containers[0].livenessProbe.httpGet.host"},
		"hook asks another host":    {pod("lifecycle: {postStart: {httpGet: {host: 169.254.169.254, port: 80}}}"), spec + ".containers[0].lifecycle.postStart.httpGet.host"},
		"agent's own name":          {podSpec("initContainers: [{name: berth-agent-install, image: x}]"), spec + ".initContainers[0].name"},
		"agent's own volume":        {podSpec("volumes: [{name: berth-agent-token, emptyDir: {}}]"), spec + ".volumes[0].name"},
		"agent's own variable":      {pod("env: [{name: BERTH_AGENT, value: x}]"), spec + ".containers[0].env[0].name"},
		"Berth's own label":         {podTemplate("metadata: {labels: {berth.dev/id: x}}"), `spec.content.podTemplate.metadata.labels["berth.dev/id"]`},
		"Berth's own annotation":    {podTemplate("metadata: {annotations: {berth.dev/owner: bob}}"), `spec.content.podTemplate.metadata.annotations["berth.dev/owner"]`},
		"managed by":                {podTemplate("metadata: {labels: {app.kubernetes.io/managed-by: x}}"), `spec.content.podTemplate.metadata.labels["app.kubernetes.io/managed-by"]`},
		"namespace":                 {podTemplate("metadata: {namespace: kube-system}"), "spec.content.podTemplate.metadata.namespace"},
		"namespace by choice":       {podTemplate(`metadata: {namespace: "${parameters.repo}"}`), "spec.content.podTemplate.metadata.namespace"},
		"finalizers":                {podTemplate("metadata: {finalizers: [x/y]}"), "spec.content.podTemplate.metadata.finalizers"},
		"all annotations by choice": {podTemplate(`metadata: {annotations: "${ {parameters.repo: ''} }"}`), "spec.content.podTemplate.metadata.annotations"},
		"runtime's annotation": {podTemplate(`metadata: {annotations: {io.katacontainers.config.hypervisor.path: "${parameters.repo}"}}`),
			`spec.content.podTemplate.metadata.annotations["io.katacontainers.config.hypervisor.path"]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := render.Compile(content(t, test.content))
			named := false
			for _, p := range problems {
				named = named || p.Path == test.wantPath && p.Reason == v1alpha1.ReasonNotAllowed
			}
			if !named {
				t.Errorf("got %q, want one at %s that is NotAllowed", problems, test.wantPath)
			}
		})
	}
}

func podTemplate(more string) string {
	return podSpec("") + indent("  ", more)
}

// What an author may choose for himself is kept as he wrote it.
func TestAdvisory_V41_RenderedPodIsTheAuthorsPod(t *testing.T) {
	w := rendered(t, podSpec(`
securityContext: {runAsUser: 4000, runAsNonRoot: true, supplementalGroups: [5]}
tolerations: [{key: a, operator: Exists}]
terminationGracePeriodSeconds: 90
priorityClassName: batch`), nil)
	spec := w.Pod.Spec
	if *spec.SecurityContext.RunAsUser != 4000 || *spec.SecurityContext.RunAsGroup != 4000 || *spec.SecurityContext.FSGroup != 4000 {
		t.Errorf("security context %+v: want the author's user, and groups that go with it", spec.SecurityContext)
	}
	if len(spec.Tolerations) != 1 || *spec.TerminationGracePeriodSeconds != 90 || spec.PriorityClassName != "batch" {
		t.Errorf("pod %+v lost what the author wrote", spec)
	}
	if !slices.Contains(spec.Containers[0].Command, "80s") {
		t.Errorf("command %q: want the agent to end ten seconds before the pod is killed", spec.Containers[0].Command)
	}
	checkSafe(t, w)
}

func TestAdvisory_V42_NoCredentialButTheAgents(t *testing.T) {
	for name, text := range map[string]string{"plain": plain, "torch": torch, "django": django} {
		t.Run(name, func(t *testing.T) {
			w := rendered(t, text, nil)
			if a := w.Pod.Spec.AutomountServiceAccountToken; a == nil || *a {
				t.Error("the service account's token is mounted")
			}
			if l := w.Pod.Spec.EnableServiceLinks; l == nil || *l {
				t.Error("service links are on")
			}
			tokens := map[string]bool{}
			for _, v := range w.Pod.Spec.Volumes {
				if v.Projected == nil {
					continue
				}
				for _, s := range v.Projected.Sources {
					token := s.ServiceAccountToken
					if token == nil || token.Audience != render.TokenAudience || *token.ExpirationSeconds != 3600 {
						t.Errorf("volume %s projects %+v", v.Name, s)
					}
					tokens[v.Name] = true
				}
			}
			if len(tokens) != 1 {
				t.Errorf("volumes with a token: %v, want one", tokens)
			}
			agents := map[string]bool{}
			for _, a := range w.Agents {
				agents[a.Container] = true
			}
			for _, c := range everyContainer(&w.Pod.Spec) {
				mounts := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return tokens[m.Name] })
				if mounts != agents[c.Name] {
					t.Errorf("container %s mounts the agent's token: %v, want %v", c.Name, mounts, agents[c.Name])
				}
			}
		})
	}
}

func TestAdvisory_V60_NumericUser(t *testing.T) {
	for name, text := range map[string]string{"plain": plain, "torch": torch, "django": django, "root container": pod("securityContext: {runAsUser: 0}")} {
		t.Run(name, func(t *testing.T) {
			w := rendered(t, text, nil)
			s := w.Pod.Spec.SecurityContext
			if s == nil || s.RunAsUser == nil || s.RunAsGroup == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot {
				t.Errorf("security context %+v, want a numeric user that is not root", s)
			}
		})
	}
	// Whoever asks for root gets what the namespace's Pod Security level makes of it, not a pod that contradicts itself.
	w := rendered(t, pod("securityContext: {runAsUser: 0}"), nil)
	if s := w.Pod.Spec.Containers[0].SecurityContext; s.RunAsNonRoot == nil || *s.RunAsNonRoot {
		t.Errorf("container %+v runs as root and must not", s)
	}
}

func TestAdvisory_V23_ParametersReachNoShell(t *testing.T) {
	hostile := []string{
		"$(POSTGRES_PASSWORD)", "$$(HOME)", "$(HOME", "${HOME}", "`id`", `"; id; "`, `'; id; '`, "a\nb: c", "x\ty", "\\$(HOME)", "{{ .x }}", "$", "$$",
	}
	text := pod(`
command: [serve, "--repo=${parameters.repo}"]
env: [{name: REPO, value: "<${parameters.repo}> $(BERTH_AGENT)"}]
workingDir: /src`)
	for _, value := range hostile {
		w := rendered(t, text, map[string]any{"repo": value})
		c := w.Pod.Spec.Containers[0]
		env := map[string]string{"POSTGRES_PASSWORD": "leaked"}
		for _, v := range c.Env {
			env[v.Name] = expand(v.Value, env)
		}
		if env["BERTH_PARAM_REPO"] != value || env["REPO"] != "<"+value+"> main" {
			t.Errorf("%q arrives as %q and %q", value, env["BERTH_PARAM_REPO"], env["REPO"])
		}
		got := expand(c.Command[slices.Index(c.Command, "--")+2], env)
		if got != "--repo="+value {
			t.Errorf("%q arrives as the argument %q", value, got)
		}
	}
}

// expand does with $(NAME) and $$ what the kubelet does.
func expand(text string, env map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		switch end := strings.IndexByte(text[i:], ')'); {
		case text[i+1] == '$':
			out.WriteByte('$')
			i++
		case text[i+1] == '(' && end > 0:
			if value, ok := env[text[i+2:i+end]]; ok {
				out.WriteString(value)
			} else {
				out.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

func TestAdvisory_V51_SensitiveTextsAreLeftOut(t *testing.T) {
	w := rendered(t, image(`resourceMetadata: [{name: pod, items: [{key: shown, value: "${owner.name}"}, {key: hidden, value: "canary", sensitive: true}]}]`), nil)
	if got := fmt.Sprint(w.Resources); strings.Contains(got, "canary") || !strings.Contains(got, "sample") {
		t.Errorf("resources %s", got)
	}
}

func TestAdvisory_V59_BoundsOnWhatIsRead(t *testing.T) {
	tests := map[string]struct{ content, want string }{
		"deep":             {"podTemplate: {spec: {a: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}}", "is nested more than 32 deep"},
		"large":            {podSpec("hostname: " + strings.Repeat("x", 300<<10)), "is 300 KiB large; at most 256 are allowed"},
		"long expression":  {image(`dailyCost: "${` + strings.Repeat("1+", 3000) + `1}"`), "an expression of 6001 bytes; at most 4096 are allowed"},
		"many expressions": {image("env: [{name: X, value: '" + strings.Repeat("${1}", 1001) + "'}]"), "more than 1000 expressions in one content"},
		"deep expression":  {image(`dailyCost: "${` + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + `}"`), "is no expression"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := render.Compile(content(t, test.content))
			if len(problems) == 0 || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("got %.300q, want %q", problems, test.want)
			}
		})
	}
	t.Run("long text", func(t *testing.T) {
		_, err := tryRender(t, image(`env: [{name: X, value: "`+strings.Repeat("${parameters.repo}", 20)+`"}]`), map[string]any{"repo": strings.Repeat("x", 8192)})
		if err == nil || !strings.Contains(err.Error(), "grows too large") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("costly expressions", func(t *testing.T) {
		_, err := tryRender(t, image(`dailyCost: "${lists.range(2000).map(i, lists.range(2000).map(j, i * j).sum()).sum()}"`), nil)
		if err == nil || !strings.Contains(err.Error(), "cost") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("costly together", func(t *testing.T) {
		costly := `{name: X%d, value: "${lists.range(3000).map(i, i * i).sum()}"}`
		var env []string
		for i := range 60 {
			env = append(env, fmt.Sprintf(costly, i))
		}
		_, err := tryRender(t, image("env: ["+strings.Join(env, ", ")+"]"), nil)
		if err == nil || !strings.Contains(err.Error(), "take too long together") {
			t.Errorf("got %v", err)
		}
	})
}
