// SPDX-License-Identifier: Apache-2.0

package berth_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

const system = "berth-system"

var _ = Describe("an installation", Ordered, func() {
	var (
		env        *cluster.Cluster
		kubeconfig string
	)

	install := func(ctx context.Context, set ...string) string {
		GinkgoHelper()
		args := []string{"upgrade", "--install", "berth", chart, "--kubeconfig", kubeconfig, "--namespace", system}
		for _, s := range set {
			args = append(args, "--set", s)
		}
		out, err := run(ctx, GinkgoTB(), args...)
		Expect(err).NotTo(HaveOccurred())
		return out
	}
	kubectl := func(ctx context.Context, input string, args ...string) string {
		GinkgoHelper()
		command := exec.CommandContext(ctx, filepath.Join(os.Getenv(cluster.AssetsVariable), "kubectl"),
			append([]string{"--kubeconfig", kubeconfig}, args...)...)
		command.Stdin = strings.NewReader(input)
		out, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "kubectl %s\n%s", strings.Join(args, " "), out)
		return string(out)
	}
	get := func(ctx context.Context, name string, o client.Object) error {
		return env.Client.Get(ctx, types.NamespacedName{Namespace: system, Name: name}, o)
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		env, err = cluster.Start(func(e *envtest.Environment) {
			e.CRDDirectoryPaths = nil // the chart brings them
			Expect(apiextensionsv1.AddToScheme(e.Scheme)).To(Succeed())
		})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(env.Stop)
		kubeconfig = write(env.Config)
		Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system, Labels: map[string]string{
			"pod-security.kubernetes.io/enforce": "restricted"}}})).To(Succeed())
	})

	It("is accepted whole, and says commands that work", func(ctx SpecContext) {
		notes := install(ctx)
		manifests := regexp.MustCompile(`(?s)<<'YAML'\n(.*?)\nYAML\n`).FindAllStringSubmatch(notes, -1)
		Expect(manifests).To(HaveLen(2), notes)
		Eventually(func() error { // the kube-apiserver looks every five seconds for kinds that are new, where a policy writes on them
			return env.Client.Create(ctx, &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: "probe"}}, client.DryRunAll)
		}).WithTimeout(time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
		kubectl(ctx, manifests[0][1], "apply", "--filename", "-")
		kubectl(ctx, "", "create", "namespace", "team") // what the manager does of an Organization
		kubectl(ctx, manifests[1][1], "apply", "--filename", "-")
		var workspace v1alpha1.Workspace
		Expect(env.Client.Get(ctx, types.NamespacedName{Namespace: "team", Name: "dev"}, &workspace)).To(Succeed())
	})

	It("runs pods that Pod Security calls restricted", func(ctx SpecContext) {
		for _, name := range []string{"berth-manager", "berth-apiserver"} {
			var deployment appsv1.Deployment
			Expect(get(ctx, name, &deployment)).To(Succeed())
			template := deployment.Spec.Template
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: system, GenerateName: name + "-", Labels: template.Labels}, Spec: template.Spec}
			Expect(env.Client.Create(ctx, pod, client.DryRunAll)).To(Succeed())
			container := pod.Spec.Containers[0]
			Expect(*container.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
			Expect(*pod.Spec.SecurityContext.RunAsUser).To(BeEquivalentTo(65532), "a number, so that runAsNonRoot needs no look at the image")
			Expect(container.LivenessProbe).NotTo(BeNil())
			Expect(container.ReadinessProbe).NotTo(BeNil())
			Expect(pod.Spec.EnableServiceLinks).To(HaveValue(BeFalse()))
			Expect(pod.Spec.TopologySpreadConstraints).NotTo(BeEmpty())
		}
	})

	It("takes git hosts, and the kube-apiserver their volumes, without the secrets' values", func(ctx SpecContext) {
		const canary = "canary-of-a-client-secret"
		for name, key := range map[string]string{"ext-github": "clientSecret", "ext-own": "secret"} {
			Expect(env.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name},
				StringData: map[string]string{key: canary}})).To(Succeed())
		}
		notes := install(ctx, gitHosts...)
		Expect(notes).NotTo(ContainSubstring(canary))
		var deployment appsv1.Deployment
		Expect(get(ctx, "berth-apiserver", &deployment)).To(Succeed())
		template := deployment.Spec.Template
		Expect(template.Spec.Volumes).To(HaveLen(2))
		Expect(template.Spec.Volumes[0].Projected.Sources).To(HaveLen(2), "the third is a public client")
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: system, GenerateName: "berth-apiserver-", Labels: template.Labels}, Spec: template.Spec}
		Expect(env.Client.Create(ctx, pod, client.DryRunAll)).To(Succeed(), "restricted, with them mounted")
		Expect(kubectl(ctx, "", "get", "--output", "json", "--all-namespaces",
			"configmaps,deployments,networkpolicies,services,serviceaccounts")).NotTo(ContainSubstring(canary))
		install(ctx)
	})

	It("takes the samples by one apply of the folder, and again", func(ctx SpecContext) {
		samples := filepath.Join(cluster.Root(), "config", "samples")
		kubectl(ctx, "", "apply", "--filename", samples)
		Expect(kubectl(ctx, "", "apply", "--filename", samples)).NotTo(MatchRegexp(`(?m) (created|configured)$`))
		kubectl(ctx, "", "apply", "--server-side", "--force-conflicts", "--filename", samples)
		Expect(kubectl(ctx, "", "apply", "--kustomize", samples, "--dry-run=server")).NotTo(MatchRegexp(`(?m) created`))
		var workspace v1alpha1.Workspace
		Expect(env.Client.Get(ctx, types.NamespacedName{Namespace: "platform", Name: "ada-api"}, &workspace)).To(Succeed())
		Expect(workspace.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationRequester, "admin"), "this cluster writes down who asks")
	})

	It("is left as it is by an upgrade to the same, workspaces too", func(ctx SpecContext) {
		var before, after rbacv1.ClusterRole
		var generation appsv1.Deployment
		Expect(get(ctx, "berth-aggregated-api", &before)).To(Succeed())
		Expect(get(ctx, "berth-manager", &generation)).To(Succeed())
		list := &v1alpha1.WorkspaceList{}
		Expect(env.Client.List(ctx, list)).To(Succeed())
		install(ctx)
		Expect(get(ctx, "berth-aggregated-api", &after)).To(Succeed())
		Expect(after.UID).To(Equal(before.UID), "a new uid would collect the APIService")
		var again appsv1.Deployment
		Expect(get(ctx, "berth-manager", &again)).To(Succeed())
		Expect(again.Generation).To(Equal(generation.Generation), "the same values roll out nothing")
		same := &v1alpha1.WorkspaceList{}
		Expect(env.Client.List(ctx, same)).To(Succeed())
		Expect(same.Items).To(Equal(list.Items))
	})

	It("takes its APIService away, with the ClusterRole that owns it, when aggregation is turned off", func(ctx SpecContext) {
		install(ctx, "aggregation.enabled=false")
		Expect(get(ctx, "berth-aggregated-api", &rbacv1.ClusterRole{})).To(Satisfy(apierrors.IsNotFound))
		install(ctx)
	})

	It("leaves kinds and objects when it is uninstalled, and nothing else in the cluster", func(ctx SpecContext) {
		_, err := run(ctx, GinkgoTB(), "uninstall", "berth", "--kubeconfig", kubeconfig, "--namespace", system)
		Expect(err).NotTo(HaveOccurred())
		var workspaces v1alpha1.WorkspaceList
		Expect(env.Client.List(ctx, &workspaces)).To(Succeed())
		Expect(workspaces.Items).To(HaveLen(2))
		left := kubectl(ctx, "", "get", "--output", "name", "--all-namespaces", "--selector", "app.kubernetes.io/part-of=berth",
			"clusterroles,clusterrolebindings,rolebindings,roles,validatingadmissionpolicies,"+
				"validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings,deployments,services,serviceaccounts,networkpolicies,poddisruptionbudgets")
		Expect(left).To(MatchRegexp(`^(No resources found\n)?$`))
	})
})

// write makes a kubeconfig of a configuration, for programs.
func write(config *rest.Config) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, file)).To(Succeed())
	return file
}
