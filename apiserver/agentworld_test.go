// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/serving"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// account is what workspaces' pods run as.
const account = "berth-workspace"

// prepared is a prepared workspace with its pod and the pod's token, as manager and kubelet would have left them.
type prepared struct {
	*v1alpha1.WarmWorkspace
	w     *world
	pod   *corev1.Pod
	token string
}

// unwritten makes one whose pod is not yet written down.
func (w *world) unwritten(ctx context.Context, v *v1alpha1.TemplateVersion) *prepared {
	GinkgoHelper()
	p := &prepared{w: w, WarmWorkspace: &v1alpha1.WarmWorkspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.organization.Name, Name: unique("go-dev-warm-")},
		Spec: v1alpha1.WarmWorkspaceSpec{
			TemplateRef: v1alpha1.NameReference{Name: v1alpha1.ObjectName(w.template.Name)},
			VersionRef:  v1alpha1.UIDReference{Name: v1alpha1.ObjectName(v.Name), UID: v.UID}, ResolvedHash: strings.Repeat("a", 64),
		},
	}}
	Expect(env.Client.Create(ctx, p.WarmWorkspace)).To(Succeed())
	p.pod, p.token = runs(ctx, p.Namespace, p.Name, "berth")
	return p
}

// prepare makes a prepared workspace of a version.
func (w *world) prepare(ctx context.Context, v *v1alpha1.TemplateVersion) *prepared {
	GinkgoHelper()
	p := w.unwritten(ctx, v)
	p.writeDown(ctx)
	return p
}

// writeDown says whose pod it is.
func (p *prepared) writeDown(ctx context.Context) {
	GinkgoHelper()
	before := p.DeepCopy()
	p.Status.Phase, p.Status.Pod = v1alpha1.WarmReady, &v1alpha1.PodStatus{Name: p.pod.Name, UID: p.pod.UID}
	Expect(env.Client.Status().Patch(ctx, p.WarmWorkspace, client.MergeFrom(before))).To(Succeed())
}

// runs makes a pod and a token that is bound to it.
func runs(ctx context.Context, namespace, name string, audiences ...string) (*corev1.Pod, string) {
	GinkgoHelper()
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	Expect(client.IgnoreAlreadyExists(env.Client.Create(ctx, sa))).To(Succeed())
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: corev1.PodSpec{
		ServiceAccountName: account, Containers: []corev1.Container{{Name: "workspace", Image: "registry.example/base:24.04"}},
	}}
	Expect(env.Client.Create(ctx, pod)).To(Succeed())
	return pod, mint(ctx, namespace, pod, audiences...)
}

// mint asks the kube-apiserver for a token, bound to the pod unless it is nil.
func mint(ctx context.Context, namespace string, pod *corev1.Pod, audiences ...string) string {
	GinkgoHelper()
	set, err := kubernetes.NewForConfig(env.Config)
	Expect(err).NotTo(HaveOccurred())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID}
	}
	answer, err := set.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, request, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return answer.Status.Token
}

// credentialsOf are what an agent shows.
type shown struct{ token, secret, name string }

func (p *prepared) shows() shown { return shown{token: p.token, name: "main"} }

// hold asks for the stream of a prepared pod's agent at a replica.
func hold(ctx context.Context, at *running, s shown) (*websocket.Conn, *http.Response) {
	GinkgoHelper()
	header := http.Header{}
	if s.token != "" {
		header.Set(agentsdk.TokenHeader, s.token)
	}
	if s.secret != "" {
		header.Set(agentsdk.SecretHeader, s.secret)
	}
	address := strings.Replace(sessionAt(at, "").base, "http", "ws", 1) + agentsdk.HoldPath + "?" + url.Values{agentsdk.AgentParameter: {s.name}}.Encode()
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPHeader: header})
	if response == nil {
		Expect(err).NotTo(HaveOccurred())
	}
	if conn != nil {
		conn.SetReadLimit(1 << 20)
		DeferCleanup(func() { _ = conn.CloseNow() }) // it may be closed already
	}
	return conn, response
}

// upgraded is a stream that is open, and known to be.
func (p *prepared) upgraded(ctx context.Context, at *running) *websocket.Conn {
	GinkgoHelper()
	conn, response := hold(ctx, at, p.shows())
	Expect(response.StatusCode).To(Equal(http.StatusSwitchingProtocols))
	p.connected(ctx, true)
	return conn
}

// agent is what stands about an agent now.
func (p *prepared) agent(ctx context.Context, name string) v1alpha1.WarmAgent {
	GinkgoHelper()
	Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(p), p.WarmWorkspace)).To(Succeed())
	for _, a := range p.Status.Agents {
		if a.Name == name {
			return a
		}
	}
	return v1alpha1.WarmAgent{}
}

func (p *prepared) connected(ctx context.Context, is bool) {
	GinkgoHelper()
	Eventually(func() bool { return p.agent(ctx, "main").Connected }).WithContext(ctx).WithTimeout(20 * time.Second).Should(Equal(is))
}

// claim makes it a workspace of the member's.
func (p *prepared) claim(ctx context.Context) *v1alpha1.Workspace {
	GinkgoHelper()
	ws := given.Workspace(p.Namespace, unique("dev"), p.w.member.Name, p.w.template.Name)
	Expect(env.Client.Create(ctx, ws)).To(Succeed())
	before := p.DeepCopy()
	p.Spec.Claim = &v1alpha1.WarmClaim{
		WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(ws.Name), UID: ws.UID},
		Owner:        ws.Spec.Owner, At: "2026-11-26T08:00:00Z",
	}
	Expect(env.Client.Patch(ctx, p.WarmWorkspace, client.MergeFrom(before))).To(Succeed())
	return ws
}

// told is what the stream says.
func told(ctx context.Context, conn *websocket.Conn) agentsdk.Claim {
	GinkgoHelper()
	_, text, err := conn.Read(ctx)
	Expect(err).NotTo(HaveOccurred())
	var c agentsdk.Claim
	Expect(json.Unmarshal(text, &c)).To(Succeed())
	return c
}

// closes is how the server closes the stream.
func closes(ctx context.Context, conn *websocket.Conn) websocket.StatusCode {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	_, _, err := conn.Read(ctx)
	Expect(err).To(HaveOccurred())
	return websocket.CloseStatus(err)
}

// personal is a version whose agents' environment says whose it is.
func (w *world) personal(ctx context.Context, change ...func(*v1alpha1.TemplateContent)) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	return w.checked(ctx, given.TemplateVersion(w.organization.Name, unique("go-dev-p"), "go-dev", func(v *v1alpha1.TemplateVersion) {
		v.Spec.Content.Env = []v1alpha1.EnvVar{{Name: "WHOSE", Value: "${owner.name}'s"}, {Name: "SHARED", Value: "all"}}
		for _, f := range change {
			f(&v.Spec.Content)
		}
	}))
}

// agentProcess is berth-agent, as the first process of a prepared pod's container.
type agentProcess struct {
	process        *exec.Cmd
	stdout, stderr *logbook
}

func (a *agentProcess) said() string       { return a.stdout.String() }
func (a *agentProcess) complaints() string { return a.stderr.String() }

// runAgent runs the real binary for a prepared pod, by the server's own TLS port.
func runAgent(ctx context.Context, p *prepared) *agentProcess {
	GinkgoHelper()
	directory := GinkgoT().TempDir()
	binary := filepath.Join(directory, "berth-agent")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/berth-agent")
	build.Dir = cluster.Root()
	output, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
	Expect(os.WriteFile(filepath.Join(directory, "token"), []byte(p.token), 0o600)).To(Succeed())
	published := &corev1.ConfigMap{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: serving.ConfigMapName}, published)).To(Succeed())
	https, _, _ := env.server.Addresses()
	_, port, _ := strings.Cut(https.String(), ":")

	a := &agentProcess{stdout: &logbook{}, stderr: &logbook{}}
	a.process = exec.Command(binary, "run", "--hold", "--name", "main", "--state", filepath.Join(directory, "run", "main"), "--token", filepath.Join(directory, "token"),
		"--", "sh", "-c", `echo "whose=$WHOSE name=$BERTH_WORKSPACE_NAME url=$BERTH_URL"; exec sleep 600`)
	a.process.Env = append(os.Environ(), "BERTH_URL=https://localhost:"+port, "BERTH_CA="+published.Data[serving.BundleKey])
	a.process.Stdout, a.process.Stderr = a.stdout, a.stderr
	Expect(a.process.Start()).To(Succeed())
	DeferCleanup(func() {
		Expect(a.process.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(a.process.Wait()).To(Succeed(), a.complaints())
	})
	return a
}
