// SPDX-License-Identifier: Apache-2.0

package workspacebuild_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/render"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

// database is a content with a Secret of its own.
func database(keys ...string) func(*v1alpha1.TemplateContent) {
	return func(c *v1alpha1.TemplateContent) {
		c.Secrets = []v1alpha1.GeneratedSecret{{Name: "db", Generate: keys}}
		c.Env = []v1alpha1.EnvVar{{Name: "PASSWORD", ValueFrom: &v1alpha1.EnvSource{SecretKeyRef: &v1alpha1.KeyReference{Name: "${secrets.db.name}", Key: keys[0]}}}}
	}
}

// secret is the workspace's Secret db; nil when there is none.
func (b *bench) secret(ctx context.Context) *corev1.Secret {
	GinkgoHelper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: render.SecretName(b.workspace, "db")}}
	if !read(ctx, s) {
		return nil
	}
	return s
}

// moves has a later build of a new version at work.
func (b *bench) moves(ctx context.Context, number int64, change ...func(*v1alpha1.TemplateContent)) *v1alpha1.WorkspaceBuild {
	GinkgoHelper()
	b.content = given.Content(change...)
	b.version = given.TemplateVersion(b.org, fmt.Sprintf("go-%d", number), "go", func(v *v1alpha1.TemplateVersion) { v.Spec.Content = *b.content })
	create(ctx, b.version)
	build := b.accepts(ctx, b.build(ctx, number, v1alpha1.TransitionStart))
	b.settle(ctx, build)
	for _, p := range b.pods(ctx) {
		if p.Labels[v1alpha1.LabelBuild] != fmt.Sprint(number) {
			kill(ctx, &p)
		}
	}
	b.settle(ctx, build)
	return build
}

var _ = Describe("the Secrets that a template generates", func() {
	It("are made once, kept over stops, completed, and read by nobody but the pod", func(ctx SpecContext) {
		b := set(ctx, database("password"))
		b.runs(ctx)
		made := b.secret(ctx)
		Expect(made).NotTo(BeNil())
		Expect(made.Data).To(HaveLen(1))
		Expect(string(made.Data["password"])).To(MatchRegexp("^[A-Za-z0-9]{32}$"))
		Expect(made.OwnerReferences).To(BeEmpty(), "it is kept as the claims are")
		Expect(made.Labels).To(HaveKeyWithValue(v1alpha1.LabelID, string(b.workspace.UID)))
		Expect(made.Labels).NotTo(HaveKey(render.LabelMountable), "no other template may name it")
		Expect(b.claims(ctx)[0].Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationSecrets, made.Name))
		container := b.pod(ctx).Spec.Containers[0]
		Expect(container.Env).To(ContainElement(HaveField("ValueFrom.SecretKeyRef.Name", made.Name)))

		By("a stop and a start")
		stop := b.accepts(ctx, b.build(ctx, 2, v1alpha1.TransitionStop))
		kill(ctx, b.pod(ctx))
		b.settle(ctx, stop)
		Expect(stop.Status.Resources).To(ContainElement(HaveField("Kind", "Secret")))
		again := b.accepts(ctx, b.build(ctx, 3, v1alpha1.TransitionStart))
		b.settle(ctx, again)
		Expect(b.secret(ctx).ResourceVersion).To(Equal(made.ResourceVersion))

		By("a version that asks for one key more")
		b.moves(ctx, 4, database("password", "admin"))
		completed := b.secret(ctx)
		Expect(completed.UID).To(Equal(made.UID))
		Expect(completed.Data).To(HaveLen(2))
		Expect(completed.Data["password"]).To(Equal(made.Data["password"]), "what is there is never changed")
		Expect(string(completed.Data["admin"])).To(MatchRegexp("^[A-Za-z0-9]{32}$"))

		By("V51: no value anywhere but in the Secret")
		var all []string
		for _, list := range []client.ObjectList{&v1alpha1.WorkspaceList{}, &v1alpha1.WorkspaceBuildList{}, &v1alpha1.TemplateVersionList{},
			&corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.EventList{}, &eventsv1.EventList{}} {
			Expect(env.Client.List(ctx, list, client.InNamespace(b.org))).To(Succeed())
			text, err := json.Marshal(list)
			Expect(err).NotTo(HaveOccurred())
			all = append(all, string(text))
		}
		for _, value := range completed.Data {
			Expect(strings.Join(all, "\n")).NotTo(ContainSubstring(string(value)))
		}
	})

	It("belong to a workspace without claims until it has some", func(ctx SpecContext) {
		claimless := func(c *v1alpha1.TemplateContent) {
			c.Image, c.Env = "", nil
			c.PodTemplate = podOf(`{"spec":{"containers":[{"name":"a","image":"x"}]}}`)
		}
		b := set(ctx, database("password"), claimless)
		b.starts(ctx)
		made := b.secret(ctx)
		Expect(made.OwnerReferences).To(ConsistOf(HaveField("UID", b.workspace.UID)))
		b.moves(ctx, 2, database("password"))
		Expect(b.secret(ctx).UID).To(Equal(made.UID))
		Expect(b.secret(ctx).OwnerReferences).To(BeEmpty())
		Expect(b.secret(ctx).Data).To(Equal(made.Data))
	})

	It("V43: never take over a Secret that is not the workspace's", func(ctx SpecContext) {
		b := set(ctx, database("password"))
		foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.org, Name: render.SecretName(b.workspace, "db")}, StringData: map[string]string{"password": "theirs"}}
		create(ctx, foreign)
		build := b.starts(ctx)
		Expect(build).To(HaveCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonContainerConfig))
		Expect(Message(build, v1alpha1.ConditionReady)).To(ContainSubstring("stands in the way: it is not this workspace's"))
		Expect(b.pods(ctx)).To(BeEmpty())
		Expect(b.secret(ctx).Data).To(Equal(map[string][]byte{"password": []byte("theirs")}))
	})

	It("are met again after a crash between making one and making the pod", func(ctx SpecContext) {
		b := set(ctx, database("password"))
		build := b.accepts(ctx, b.build(ctx, 1, v1alpha1.TransitionStart))
		b.starving(ctx, build)
		made := b.secret(ctx)
		Expect(made).NotTo(BeNil())
		Expect(b.pods(ctx)).To(BeEmpty())
		read(ctx, b.workspace)
		b.well()
		b.settle(ctx, build)
		Expect(b.pods(ctx)).To(HaveLen(1))
		Expect(b.secret(ctx).ResourceVersion).To(Equal(made.ResourceVersion))
	})
})
