// SPDX-License-Identifier: Apache-2.0

//go:build node

// The node test starts a real cluster beside any other, uses what a cluster is
// for, and takes it away. It needs root on Linux and some minutes; run it with
//
//	go test -C hack/cluster -tags node -timeout 30m .
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/hack/cluster/internal/await"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/images"
)

const (
	testCluster = "berth-nodetest"
	testAPIPort = "26443"
	testWebPort = "28080"
	probeImage  = "probe.test/probe:1"
)

// rig runs the tool and kubectl against the test's own cluster.
type rig struct {
	*testing.T
	tool, state string
	env         []string
}

func TestNode(t *testing.T) {
	if reason := host.CanRunPods(); reason != nil {
		t.Skipf("real pods cannot run here: %v", reason)
	}
	r := newRig(t)
	before := r.footprint()
	t.Cleanup(func() {
		r.cluster("down")
		if left := added(before, r.footprint()); len(left) > 0 {
			t.Errorf("down left behind:\n%s", strings.Join(left, "\n"))
		}
		if _, err := os.Stat(r.state); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the state folder is still there: %v", err)
		}
		if out := r.cluster("down"); !strings.Contains(out, "is not there") {
			t.Errorf("a second down says %q", out)
		}
	})
	r.up()
	r.step("load", r.testLoad)
	r.step("restricted pod with a claim", r.testPod)
	r.step("names and services", r.testServices)
	r.step("outside", r.testOutside)
	r.step("aggregation", r.testAggregation)
	r.step("pod security", r.testPodSecurity)
	r.step("audit", r.testAudit)
	r.step("network policy", r.testNetworkPolicy)
	r.step("up again", r.testUpAgain)
	r.step("what died comes back", r.testCrash)
	r.step("data survives down --keep", r.testKeep)
	r.step("a deleted claim is reclaimed", r.testReclaim)
	r.step("down when half up", r.testHalfUp)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{T: t, tool: filepath.Join(dir, "cluster"), state: filepath.Join(os.TempDir(), testCluster+"-state")}
	for from, to := range map[string]string{".": r.tool, "./testdata/probe": filepath.Join(dir, "probe")} {
		cmd := exec.Command("go", "build", "-o", to, from)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", from, err, out)
		}
	}
	r.cluster("down")
	return r
}

// step stops the test at the first part that fails; later ones build on it.
func (r *rig) step(name string, part func()) {
	r.Helper()
	began := time.Now()
	part()
	if r.Failed() {
		r.FailNow()
	}
	r.Logf("%s: ok (%s)", name, time.Since(began).Round(100*time.Millisecond))
}

func (r *rig) up(flags ...string) string {
	r.Helper()
	out := r.cluster(append([]string{"up", "--port", testAPIPort, "--forward", testWebPort + "=30080", "--audit"}, flags...)...)
	lines := r.cluster("env")
	r.env = os.Environ()
	for line := range strings.Lines(lines) {
		entry := strings.TrimSpace(strings.TrimPrefix(line, "export "))
		r.env = append(r.env, strings.ReplaceAll(entry, "$PATH", os.Getenv("PATH")))
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			r.Setenv("PATH", strings.ReplaceAll(path, "$PATH", os.Getenv("PATH")))
		}
	}
	return out
}

// cluster runs the tool on the test's cluster; the command comes first in args.
func (r *rig) cluster(args ...string) string {
	r.Helper()
	args = append([]string{args[0], "--name", testCluster, "--state", r.state}, args[1:]...)
	out, err := exec.Command(r.tool, args...).CombinedOutput()
	if err != nil {
		r.Fatalf("cluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// kubectl runs kubectl and fails the test if it fails.
func (r *rig) kubectl(stdin string, args ...string) string {
	r.Helper()
	out, err := r.tryKubectl(stdin, args...)
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func (r *rig) tryKubectl(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	cmd.Env, cmd.Stdin = r.env, strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

func (r *rig) eventually(what string, check func() error) {
	r.Helper()
	if err := await.Until(r.Context(), what, time.Minute, func(context.Context) error { return check() }); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) want(what, got, want string) {
	r.Helper()
	if strings.TrimSpace(got) != want {
		r.Errorf("%s is %q, want %q", what, got, want)
	}
}

func (r *rig) testLoad() {
	archive, err := images.Image{
		Ref: probeImage, Files: map[string]string{"/probe": filepath.Join(filepath.Dir(r.tool), "probe")},
		Entrypoint: []string{"/probe"}, User: "1000:1000",
	}.Archive(r.TempDir())
	if err != nil {
		r.Fatal(err)
	}
	r.want("load's output", r.cluster("load", archive), probeImage)
}

const probePod = `
apiVersion: v1
kind: Namespace
metadata:
  name: probes
  labels: {pod-security.kubernetes.io/enforce: restricted}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: home, namespace: probes}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: probes
  labels: {app: web}
spec:
  terminationGracePeriodSeconds: 2
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    seccompProfile: {type: RuntimeDefault}
  containers:
  - name: probe
    image: ` + probeImage + `
    args: [serve, ":8000"]
    readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}
    resources: {limits: {memory: 64Mi, cpu: 500m}}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: home, mountPath: /home/me}]
  volumes:
  - name: home
    persistentVolumeClaim: {claimName: home}
---
apiVersion: v1
kind: Service
metadata: {name: site, namespace: probes}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8000, nodePort: 30080}]
`

func (r *rig) startProbe() {
	r.Helper()
	r.kubectl(probePod, "apply", "-f", "-")
	r.kubectl("", "-n", "probes", "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
}

func (r *rig) inProbe(args ...string) string {
	r.Helper()
	return r.kubectl("", append([]string{"-n", "probes", "exec", "web", "--", "/probe"}, args...)...)
}

func (r *rig) testPod() {
	r.startProbe()
	r.inProbe("write", "/home/me/note", "kept")
	r.want("the note", r.inProbe("read", "/home/me/note"), "kept")
	if logs := r.kubectl("", "-n", "probes", "logs", "web"); !strings.Contains(logs, "serving on :8000") {
		r.Errorf("kubectl logs gives %q", logs)
	}
	status := r.inProbe("read", "/proc/self/status")
	for _, line := range []string{"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, line) {
			r.Errorf("the process in the pod lacks %q", line)
		}
	}
	r.kubectl("", "-n", "probes", "delete", "pod", "web")
	r.startProbe()
	r.want("the note, seen by the next pod", r.inProbe("read", "/home/me/note"), "kept")
}

func (r *rig) testServices() {
	address := strings.TrimSpace(r.kubectl("", "-n", "probes", "get", "service", "site", "-o", "jsonpath={.spec.clusterIP}"))
	for _, name := range []string{"site", "site.probes", "site.probes.svc.cluster.local"} {
		r.want("address of "+name, r.inProbe("lookup", name), address)
	}
	r.want("kubernetes.default", r.inProbe("lookup", "kubernetes.default"), "10.96.0.1")
	r.eventually("the pod through its own Service", func() error { // its rules follow the pod's readiness
		body, err := r.tryKubectl("", "-n", "probes", "exec", "web", "--", "/probe", "get", "http://site")
		if err == nil && strings.TrimSpace(body) != "web" {
			err = fmt.Errorf("it answers %q", body)
		}
		return err
	})
	r.want("connecting to the API", r.inProbe("dial", "kubernetes.default:443"), "connected")
	r.eventually("the node port through the forwarder", func() error {
		response, err := http.Get("http://127.0.0.1:" + testWebPort)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		if string(body) != "web" {
			return fmt.Errorf("it answers %q", body)
		}
		return nil
	})
}

// testOutside reaches this machine's end of the uplink, which is as far outside
// as every machine has, and looks for the translation that leads further.
func (r *rig) testOutside() {
	out, err := exec.Command("nft", "list", "table", "ip", testCluster).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "masquerade") {
		r.Errorf("the host's nftables table is %q, %v", out, err)
	}
	links, err := exec.Command("ip", "-4", "-o", "addr", "show").CombinedOutput()
	if err != nil {
		r.Fatal(err)
	}
	var gateway string
	for line := range strings.Lines(string(links)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && strings.HasPrefix(fields[1], "berth") && strings.Contains(string(out), fields[1]) {
			gateway, _, _ = strings.Cut(fields[3], "/")
		}
	}
	server := &http.Server{Addr: gateway + ":0", ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "outside") //nolint:errcheck // the client's answer is checked
	})}
	listener, err := newListener(server.Addr)
	if err != nil {
		r.Fatal(err)
	}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	defer server.Close()      //nolint:errcheck // the test is over
	r.want("a server on the host, asked by a pod", r.inProbe("get", "http://"+listener.Addr().String()), "outside")
}

func (r *rig) testAggregation() {
	flags := strings.Join(r.argv("kube-apiserver"), " ")
	for _, flag := range []string{"--enable-aggregator-routing=true", "--requestheader-client-ca-file", "--proxy-client-cert-file"} {
		if !strings.Contains(flags, flag) {
			r.Errorf("kube-apiserver runs without %s", flag)
		}
	}
	config := r.kubectl("", "-n", "kube-system", "get", "configmap", "extension-apiserver-authentication", "-o", "yaml")
	if !strings.Contains(config, "requestheader-client-ca-file") || !strings.Contains(config, "front-proxy") {
		r.Errorf("extension-apiserver-authentication is:\n%s", config)
	}
}

func (r *rig) testPodSecurity() {
	_, err := r.tryKubectl("", "-n", "probes", "run", "bad", "--image="+probeImage)
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		r.Errorf("a pod without a security context gives: %v", err)
	}
}

func (r *rig) testAudit() {
	log, err := os.ReadFile(filepath.Join(r.state, "log", "audit.log"))
	if err != nil || !bytes.Contains(log, []byte(`"namespace":"probes"`)) {
		r.Errorf("the audit log has %d bytes and nothing of the test's namespace; %v", len(log), err)
	}
}

// testNetworkPolicy closes the web pod to all but guests.
func (r *rig) testNetworkPolicy() {
	pod := probePod[strings.Index(probePod, "apiVersion: v1\nkind: Pod"):strings.Index(probePod, "---\napiVersion: v1\nkind: Service")]
	pod = strings.ReplaceAll(pod, "persistentVolumeClaim: {claimName: home}", "emptyDir: {}")
	for _, name := range []string{"guest", "stranger"} {
		r.kubectl(strings.NewReplacer("name: web", "name: "+name, "app: web", "app: "+name).Replace(pod), "apply", "-f", "-")
	}
	r.kubectl("", "-n", "probes", "wait", "pod/guest", "pod/stranger", "--for=condition=Ready", "--timeout=60s")
	reach := func(from string) error {
		_, err := r.tryKubectl("", "-n", "probes", "exec", from, "--", "/probe", "get", "http://site")
		return err
	}
	if err := errors.Join(reach("guest"), reach("stranger")); err != nil {
		r.Fatalf("without a policy: %v", err)
	}
	r.kubectl(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: guests-only, namespace: probes}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: guest}}}]
    ports: [{port: 8000}]
`, "apply", "-f", "-")
	r.eventually("the stranger to be refused", func() error {
		if reach("stranger") == nil {
			return errors.New("it still gets an answer")
		}
		return nil
	})
	if err := reach("guest"); err != nil {
		r.Errorf("the guest is refused: %v", err)
	}
	r.kubectl("", "-n", "probes", "delete", "networkpolicy/guests-only", "pod/guest")
	r.eventually("the stranger to get an answer again", func() error { return reach("stranger") })
	r.kubectl("", "-n", "probes", "delete", "pod/stranger")
}

func (r *rig) testUpAgain() {
	before := r.processes()
	r.up()
	if diff := cmp.Diff(before, r.processes()); diff != "" {
		r.Errorf("up on a running cluster changed its processes:\n%s", diff)
	}
	r.cluster("status")
}
