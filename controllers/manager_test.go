// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// soon is how long a watch may take to be acted on, on a machine that does much else.
const soon = 20 * time.Second

// state reads an object anew, for Eventually.
func state[T client.Object](ctx context.Context, o T) func() T {
	return func() T {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			o.SetResourceVersion("")
		}
		return o
	}
}

func create(ctx context.Context, objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
}

func patch(ctx context.Context, o client.Object, text string) {
	GinkgoHelper()
	Expect(env.Client.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(text)))).To(Succeed())
}

// manifests are the objects of the files that a pattern below config names, in the order of the files.
func manifests(pattern string) []*unstructured.Unstructured {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(Root(), "config", pattern))
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
	var found []*unstructured.Unstructured
	for _, f := range files {
		text, err := os.ReadFile(f)
		Expect(err).NotTo(HaveOccurred())
		for _, document := range strings.Split(string(text), "\n---\n") {
			u := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(document), &u.Object)).To(Succeed(), f)
			if u.GetKind() != "" {
				found = append(found, u)
			}
		}
	}
	return found
}

var _ = Describe("the manager", Ordered, func() {
	// It runs with the rights that the chart gives it and no other, under the policies that the chart brings.
	var config *rest.Config
	BeforeAll(func(ctx SpecContext) {
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "berth-system"}})
		for _, u := range append(manifests("rbac/m*.yaml"), append(manifests("policies/*.yaml"), manifests("stamps/*.yaml")...)...) {
			create(ctx, u)
		}
		who := []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "berth-system", Name: "berth-manager"}}
		name := metav1.ObjectMeta{Name: "berth-manager", Namespace: "berth-system"}
		create(ctx,
			&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name.Name}, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name}},
			&rbacv1.RoleBinding{ObjectMeta: name, Subjects: who, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name.Name}})
		var err error
		config, err = env.AddUser("system:serviceaccount:berth-system:berth-manager")
		Expect(err).NotTo(HaveOccurred())
		config.Wrap(written.through)
		running, stop := context.WithCancel(context.Background())
		mgr, err := controllers.New(running, config, controllers.Options{
			Namespace: "berth-system", ServiceAccount: "berth-manager", APIServerAccount: "berth-apiserver", AgentImage: "registry.example/berth:1", MetricsAddress: "0", HealthAddress: "0",
			Brief:  time.Minute, // nothing of a start is told in between, however slow the machine is
			Worker: "manager-0", LeaderElect: true, Aggregation: true, Service: "berth-apiserver", ServicePort: 443,
			ClusterRole: "berth-aggregated-api", Deployment: "berth-manager", KubectlAccess: true, RequesterStamps: true,
		})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) { // the kube-apiserver looks every five seconds for kinds that are new
			probe := given.User("probe")
			err := env.Client.Create(ctx, probe, client.DryRunAll)
			return probe.Annotations[v1alpha1.AnnotationRequester], err
		}).WithContext(ctx).WithTimeout(time.Minute).ShouldNot(BeEmpty())
		ended := make(chan error, 1)
		go func() { ended <- mgr.Start(running) }()
		DeferCleanup(func() {
			stop()
			Expect(<-ended).To(Succeed())
		})
	})

	It("brings the samples to rest, in whichever order they come", func(ctx SpecContext) {
		var all []*unstructured.Unstructured
		for _, u := range manifests("samples/*.yaml") {
			if u.GetAPIVersion() == v1alpha1.GroupVersion.String() {
				all = append([]*unstructured.Unstructured{u}, all...) // the last first
			}
		}
		for _, u := range all {
			if u.GetNamespace() == "" {
				create(ctx, u)
			}
		}
		for _, u := range all {
			if u.GetNamespace() != "" {
				Eventually(func() error { return env.Client.Create(ctx, u) }).WithContext(ctx).WithTimeout(soon).Should(Succeed())
			}
		}
		for _, u := range all {
			if u.GetKind() == "Workspace" {
				continue // it needs a kubelet
			}
			Eventually(ready(ctx, u)).WithContext(ctx).WithTimeout(soon).Should(Equal("True"), "%s %s", u.GetKind(), u.GetName())
		}
		Eventually(func() []eventsv1.Event {
			var told eventsv1.EventList
			Expect(env.Client.List(ctx, &told)).To(Succeed())
			return told.Items
		}).WithContext(ctx).WithTimeout(soon).Should(ContainElement(And(
			HaveField("Regarding.Kind", "Organization"), HaveField("Reason", v1alpha1.ReasonReady), HaveField("ReportingController", "berth-manager"))))
	})

	It("brings the samples for more than a first try to rest: a database beside it, several agents, extra objects", func(ctx SpecContext) {
		for _, u := range manifests("samples/more/*.yaml") {
			create(ctx, u)
			if u.GetKind() == "Template" {
				Eventually(ready(ctx, u)).WithContext(ctx).WithTimeout(soon).Should(Equal("True"), u.GetName())
			}
		}

		By("a start in another organization, which the version's count tells of")
		ws := given.Workspace("data", "notes", "mary", "shared")
		Eventually(func() string {
			kubelet(ctx, ws)
			return reason(state(ctx, ws)())
		}).WithContext(ctx).WithTimeout(soon).Should(Equal("AgentReady"))
		shared := given.Template("platform", "shared")
		v := given.TemplateVersion("platform", string(state(ctx, shared)().Status.ActiveVersion.Name), "shared")
		Eventually(state(ctx, v)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Builds", "1/1"))
	})

	It("brings the four-line template into being, and follows what it depends on", func(ctx SpecContext) {
		t := given.Template("crew", "plain")
		create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "crew"}}, t)
		Eventually(state(ctx, t)).WithContext(ctx).WithTimeout(soon).Should(BeStalled(v1alpha1.ReasonNotAnOrganization))

		By("an Organization that comes later")
		create(ctx, given.Organization("crew"))
		Eventually(state(ctx, t)).WithContext(ctx).WithTimeout(soon).Should(BeReady())
		var v v1alpha1.TemplateVersion
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: "crew", Name: string(t.Status.ActiveVersion.Name)}, &v)).To(Succeed())
		Eventually(state(ctx, &v)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Active", BeTrue()))

		By("a misspelt parameter")
		patch(ctx, t, `{"spec":{"content":{"image":"${parameters.gone}"}}}`)
		Eventually(state(ctx, t)).WithContext(ctx).WithTimeout(soon).Should(BeStalled(v1alpha1.ReasonVersionInvalid))
		Expect(t.Status.ActiveVersion.UID).To(Equal(v.UID))

		By("a workspace that comes and goes")
		ws := given.Workspace("crew", "dev", "nobody", "plain")
		create(ctx, ws)
		Eventually(state(ctx, t)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Workspaces", BeEquivalentTo(1)))
		Expect(env.Client.Delete(ctx, ws)).To(Succeed())
		Eventually(state(ctx, t)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.Workspaces", BeZero()))

		By("a namespace whose labels somebody took")
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "crew"}}
		patch(ctx, n, `{"metadata":{"labels":{"berth.dev/organization":null}}}`)
		Eventually(state(ctx, n)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Labels", HaveKeyWithValue(v1alpha1.LabelOrganization, "crew")))

		By("another Pod Security level")
		patch(ctx, given.Organization("crew"), `{"spec":{"podSecurity":"baseline"}}`)
		Eventually(state(ctx, &v)).WithContext(ctx).WithTimeout(soon).Should(HaveField("Status.PodSecurity", "baseline"))
	})

	It("gives a name to who waits for it when it is free", func(ctx SpecContext) {
		first, second := given.User("first-one"), given.User("second-one", func(u *v1alpha1.User) { u.Spec.Username = "FIRST-one" })
		create(ctx, first)
		Eventually(state(ctx, first)).WithContext(ctx).WithTimeout(soon).Should(BeReady())
		create(ctx, second)
		Eventually(state(ctx, second)).WithContext(ctx).WithTimeout(soon).Should(BeStalled(v1alpha1.ReasonUsernameTaken))
		Expect(env.Client.Delete(ctx, first)).To(Succeed())
		Eventually(state(ctx, second)).WithContext(ctx).WithTimeout(soon).Should(BeReady())
	})

	It("starts, keeps, stops, restarts and deletes a workspace", theLifeOfAWorkspace)

	It("writes seven times for a start, and counts many at once", theWritesOfAStart)

	It("brings a version out by a canary's start, and starts a workspace when a quota has room", aRolloutAndAQuota)

	It("starts what names a Secret that is open to templates, and not what names another", whatTemplatesMayMount)

	It("lets people at what is theirs with kubectl, as that comes and goes", whatPeopleMayDo)

	It("can bind itself to nothing more", func(ctx SpecContext) {
		manager, err := client.New(config, client.Options{Scheme: env.Scheme})
		Expect(err).NotTo(HaveOccurred())
		whatTheManagerMayBind(ctx, manager)
	})

	It("looks again at whom a User concerns", func(ctx SpecContext) {
		same := func(u *v1alpha1.User) { u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: "oidc:one"}} }
		one, two := given.User("one", same), given.User("two", same)
		group := given.Group("crew", "all", func(g *v1alpha1.Group) { g.Spec.Members = []v1alpha1.ObjectName{"one"} })
		create(ctx, group)
		Eventually(state(ctx, group)).WithContext(ctx).WithTimeout(soon).Should(
			HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonMemberMissing))
		one.Spec.Memberships = []v1alpha1.Membership{{Organization: "crew"}}
		create(ctx, one)
		Eventually(state(ctx, group)).WithContext(ctx).WithTimeout(soon).Should(
			HaveCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady))
		create(ctx, two)
		Eventually(state(ctx, one)).WithContext(ctx).WithTimeout(soon).Should(BeStalled(v1alpha1.ReasonSubjectTaken))
		Expect(env.Client.Delete(ctx, two)).To(Succeed())
		Eventually(state(ctx, one)).WithContext(ctx).WithTimeout(soon).Should(BeReady())
	})

	It("V7, V51: tells no value of a Secret to anybody", whatNobodyIsTold)

	It("puts back the account of an organization", func(ctx SpecContext) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "crew", Name: v1alpha1.DefaultServiceAccount}}
		Expect(env.Client.Delete(ctx, account)).To(Succeed())
		Eventually(func() error { return env.Client.Get(ctx, client.ObjectKeyFromObject(account), account) }).
			WithContext(ctx).WithTimeout(soon).Should(Succeed())
	})

	It("is done when it is done: a quiet cluster sees no write", func(ctx SpecContext) {
		var before string
		Eventually(func() bool { // what failed once is tried again for some seconds yet
			was := before
			before = versions(ctx)
			return was == before
		}).WithContext(ctx).WithTimeout(time.Minute).WithPolling(5 * time.Second).Should(BeTrue())
	})
})

// versions are the resourceVersions of everything of ours.
func versions(ctx context.Context) string {
	GinkgoHelper()
	var all []string
	for _, list := range []client.ObjectList{
		&v1alpha1.OrganizationList{}, &v1alpha1.UserList{}, &v1alpha1.GroupList{}, &v1alpha1.TemplateList{},
		&v1alpha1.TemplateVersionList{}, &v1alpha1.WorkspaceList{}, &v1alpha1.WorkspaceBuildList{}, &corev1.NamespaceList{},
	} {
		Expect(env.Client.List(ctx, list)).To(Succeed())
		Expect(meta.EachListItem(list, func(o runtime.Object) error {
			item := o.(client.Object)
			all = append(all, item.GetNamespace()+"/"+item.GetName()+"@"+item.GetResourceVersion())
			return nil
		})).To(Succeed())
	}
	return strings.Join(all, "\n")
}

// ready gives the status of an object's Ready condition.
func ready(ctx context.Context, u *unstructured.Unstructured) func() string {
	return func() string {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return err.Error()
		}
		conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
		for _, c := range conditions {
			if c, ok := c.(map[string]any); ok && c["type"] == v1alpha1.ConditionReady {
				status, _ := c["status"].(string)
				return status
			}
		}
		return "absent"
	}
}
