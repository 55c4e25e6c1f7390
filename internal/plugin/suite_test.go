// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"

	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// soon is how long a command may take, on a machine that does much else.
const soon = time.Minute

var (
	env *cluster.Cluster
	// admin and ada are kubeconfig files.
	admin, ada string
)

func TestPlugin(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Plugin")
}

// The suite has a control plane, the manager as it runs in a cluster, and a kubelet's part played beside it.
var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	folder := GinkgoT().TempDir()
	admin = kubeconfig(folder, "admin", env.Config)
	person, err := env.AddUser("oidc:ada")
	Expect(err).NotTo(HaveOccurred())
	ada = kubeconfig(folder, "ada", person)

	running, stop := context.WithCancel(context.Background())
	Expect(env.Client.Create(running, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "berth-system"}})).To(Succeed())
	mgr, err := controllers.New(running, env.Config, controllers.Options{
		Namespace: "berth-system", ServiceAccount: "berth-manager", AgentImage: "registry.example/berth:1", MetricsAddress: "0", HealthAddress: "0",
		Worker: "manager-0", Service: "berth-apiserver", ServicePort: 443, ClusterRole: "berth-aggregated-api", Deployment: "berth-manager",
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 2)
	go func() { ended <- mgr.Start(running) }()
	go func() { ended <- kubelet(running) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
		Expect(<-ended).To(Succeed())
	})
})

// kubeconfig writes a file by which the plug-in reaches the control plane.
func kubeconfig(folder, name string, config *rest.Config) string {
	GinkgoHelper()
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	c.AuthInfos["me"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "me"}
	c.CurrentContext = "test"
	file := filepath.Join(folder, name)
	Expect(clientcmd.WriteToFile(*c, file)).To(Succeed())
	return file
}

// kubelet plays the parts of the scheduler and the kubelet: a pod gets a node and runs, unless it asks for more than 8
// processors, which no node has, or for an image whose name says that it is missing.
func kubelet(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var pods corev1.PodList
		if err := env.Client.List(ctx, &pods); err != nil {
			continue // the control plane is going down, or busy
		}
		for i := range pods.Items {
			p := &pods.Items[i]
			switch {
			case p.DeletionTimestamp != nil:
				_ = env.Client.Delete(ctx, p, client.GracePeriodSeconds(0)) // as below: it is tried again
			case p.Status.Phase == corev1.PodPending && len(p.Status.ContainerStatuses) == 0:
				_ = play(ctx, p)
			}
		}
	}
}

func play(ctx context.Context, p *corev1.Pod) error {
	if cpu := p.Spec.Containers[0].Resources.Requests.Cpu(); cpu.Value() > 8 {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			Message: "0/1 nodes are available: 1 Insufficient cpu."}}
		return env.Client.Status().Update(ctx, p)
	}
	if p.Spec.NodeName == "" {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: "n1"}}
		if err := env.Client.SubResource("binding").Create(ctx, p, binding); err != nil {
			return err
		}
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
	}
	for _, c := range p.Spec.Containers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image}
		if strings.Contains(c.Image, "missing") {
			s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "rpc error: code = NotFound desc = " + c.Image + ": not found"}
		} else {
			s.Ready = true
			s.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.Now()}
			p.Status.Phase, p.Status.PodIP = corev1.PodRunning, "10.0.0.7"
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
	}
	return env.Client.Status().Update(ctx, p)
}

// run runs one command line as whoever the kubeconfig is.
func run(ctx context.Context, kubeconfig string, arguments ...string) result {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	var out, errOut bytes.Buffer
	code := Run(ctx, append([]string{"--kubeconfig", kubeconfig}, arguments...), genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut})
	return result{code, out.String(), errOut.String()}
}

// organization makes an organization with one template, go, which everybody may use, and waits until it can be started.
func organization(ctx context.Context, change ...func(*v1alpha1.Template)) string {
	GinkgoHelper()
	org := &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	Expect(env.Client.Create(ctx, org)).To(Succeed())
	cpu := given.Parameter("cpu", v1alpha1.TypeInteger, 2, func(p *v1alpha1.Parameter) {
		least, most := v1alpha1.ValueOf(1), v1alpha1.ValueOf(64)
		p.Minimum, p.Maximum, p.Mutable = &least, &most, true
	})
	t := given.Template(org.Name, "go", append([]func(*v1alpha1.Template){func(t *v1alpha1.Template) {
		t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindEveryone, Role: v1alpha1.AccessRoleUse}}
		t.Spec.Content.Parameters = []v1alpha1.Parameter{cpu, given.Parameter("region", v1alpha1.TypeString, "zurich"),
			given.Parameter("disk", v1alpha1.TypeInteger, 10, func(p *v1alpha1.Parameter) { p.Mutable, p.Monotonic = true, v1alpha1.MonotonicIncreasing })}
		t.Spec.Content.Presets = []v1alpha1.Preset{{Name: "large", Parameters: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf(32)}}}
		t.Spec.Content.Resources = &v1alpha1.ContentResources{Requests: map[string]v1alpha1.Value{"cpu": v1alpha1.ValueOf("${parameters.cpu}")}}
	}}, change...)...)
	Eventually(func() error { return env.Client.Create(ctx, t) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
	Eventually(func() *v1alpha1.UIDReference {
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(t), t)).To(Succeed())
		return t.Status.ActiveVersion
	}).WithContext(ctx).WithTimeout(soon).ShouldNot(BeNil())
	return org.Name
}

// member makes a User of an organization.
func member(ctx context.Context, org, name string, change ...func(*v1alpha1.User)) {
	GinkgoHelper()
	u := given.User(name, append([]func(*v1alpha1.User){func(u *v1alpha1.User) {
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(org)}}
	}}, change...)...)
	Expect(env.Client.Create(ctx, u)).To(Succeed())
}

// may lets a Kubernetes user do something in a namespace.
func may(ctx context.Context, namespace, user string, rules ...rbacv1.PolicyRule) {
	GinkgoHelper()
	name := metav1.ObjectMeta{Namespace: namespace, Name: "test"}
	Expect(env.Client.Create(ctx, &rbacv1.Role{ObjectMeta: name, Rules: rules})).To(Succeed())
	Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "test"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}})).To(Succeed())
}

// nodeOf is a node with so many processors, on which nothing runs.
func nodeOf(cpus int64) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n2"},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("64Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}},
	}
}
