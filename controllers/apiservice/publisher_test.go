// SPDX-License-Identifier: Apache-2.0

package apiservice_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/controllers/apiservice"
	"github.com/berth-dev/berth/internal/serving"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// authority is a certificate as the API server would publish one.
func authority() string {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// desk runs a publisher whose clock and probe the spec holds.
type desk struct {
	own   string
	up    atomic.Bool
	tick  chan time.Time
	now   time.Time
	leave context.CancelFunc
	ended chan error
	*cluster.Journal
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "berth-"}}
	Expect(env.Client.Create(ctx, namespace)).To(Succeed())
	d := &desk{own: namespace.Name, tick: make(chan time.Time), now: time.Now(), ended: make(chan error, 1), Journal: cluster.NewJournal(env.Client)}
	labels := map[string]string{"a": "b"}
	for _, o := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.own, Name: serving.ConfigMapName}, Data: map[string]string{serving.BundleKey: authority()}},
		role(),
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.own, Name: "berth-manager"}, Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}},
		}},
	} {
		Expect(env.Client.Create(ctx, o)).To(Succeed())
	}
	running, leave := context.WithCancel(context.Background())
	d.leave = leave
	p := &apiservice.Publisher{
		Client: d.Journal, Namespace: d.own, Service: "berth-apiserver", Port: 443, ClusterRole: "berth-aggregated-api",
		Deployment: "berth-manager", Log: logr.Discard(), Tick: d.tick,
		Probe: func(_ context.Context, bundle []byte) error {
			Expect(bundle).To(HavePrefix("-----BEGIN CERTIFICATE"))
			if !d.up.Load() {
				return errors.New("nobody there")
			}
			return nil
		},
	}
	Expect(p.NeedLeaderElection()).To(BeTrue())
	d.up.Store(true)
	over := make(chan struct{})
	go func() {
		defer close(over)
		d.ended <- p.Start(running)
	}()
	DeferCleanup(func(ctx SpecContext) {
		d.leave()
		<-over
		for _, o := range []client.Object{role(), &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: apiservice.Name}}} {
			Expect(client.IgnoreNotFound(env.Client.Delete(ctx, o))).To(Succeed())
		}
	})
	return d
}

func role() *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "berth-aggregated-api"}}
}

// pass lets n probes happen and be acted on: a tick is taken only when the one before it was.
func (d *desk) pass(n int) {
	for range n + 1 {
		d.now = d.now.Add(6 * time.Second)
		d.tick <- d.now
	}
}

func written(ctx context.Context) *apiregistrationv1.APIService {
	GinkgoHelper()
	var a apiregistrationv1.APIService
	err := env.Client.Get(ctx, client.ObjectKey{Name: apiservice.Name}, &a)
	if client.IgnoreNotFound(err) == nil && err != nil {
		return nil
	}
	Expect(err).NotTo(HaveOccurred())
	return &a
}

var _ = Describe("the APIService", Serial, func() {
	It("is written while the server answers, and withdrawn after three failures", func(ctx SpecContext) {
		d := sit(ctx)
		d.pass(1)
		a := written(ctx)
		Expect(a).NotTo(BeNil())
		Expect(a.Spec.Service).To(HaveValue(Equal(apiregistrationv1.ServiceReference{Namespace: d.own, Name: "berth-apiserver", Port: ptr.To(int32(443))})))
		Expect(a.Spec.InsecureSkipTLSVerify).To(BeFalse())
		Expect(a.Spec.CABundle).NotTo(BeEmpty())
		Expect(a.OwnerReferences).To(ConsistOf(And(HaveField("Kind", "ClusterRole"), HaveField("BlockOwnerDeletion", HaveValue(BeFalse())))))

		By("leaving it alone while all is well")
		d.pass(3)
		Expect(d.Writes()).To(HaveLen(1))

		By("withdrawing it")
		d.up.Store(false)
		d.pass(3)
		Expect(written(ctx)).To(BeNil())

		By("writing it again")
		d.up.Store(true)
		d.pass(1)
		Expect(written(ctx)).NotTo(BeNil())
	})

	It("is withdrawn by a new leader that never saw the server", func(ctx SpecContext) {
		d := sit(ctx)
		d.pass(1)
		d.leave()
		Expect(<-d.ended).To(Succeed())
		Expect(written(ctx)).NotTo(BeNil(), "a manager that is only replaced leaves it")
		Expect(env.Client.Delete(ctx, role())).To(Succeed())
		next := sit(ctx)
		next.up.Store(false)
		next.pass(3)
		Expect(written(ctx)).To(BeNil())
	})

	It("follows a new CA and a role that was made anew", func(ctx SpecContext) {
		d := sit(ctx)
		d.pass(1)
		before := written(ctx)
		Expect(env.Client.Update(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.own, Name: serving.ConfigMapName},
			Data: map[string]string{serving.BundleKey: authority()}})).To(Succeed())
		Expect(env.Client.Delete(ctx, role())).To(Succeed())
		anew := role()
		Expect(env.Client.Create(ctx, anew)).To(Succeed())
		d.pass(2)
		after := written(ctx)
		Expect(after.Spec.CABundle).NotTo(Equal(before.Spec.CABundle))
		Expect(after.OwnerReferences).To(ConsistOf(HaveField("UID", anew.UID)))
	})

	It("goes with its role, and is not made again", func(ctx SpecContext) {
		d := sit(ctx)
		d.pass(1)
		Expect(env.Client.Delete(ctx, role())).To(Succeed())
		d.pass(2)
		Expect(written(ctx)).To(BeNil())
		d.pass(2)
		Expect(written(ctx)).To(BeNil())
	})

	DescribeTable("is withdrawn by a manager that ends because Berth goes", func(ctx SpecContext, going func(context.Context, *desk) error) {
		d := sit(ctx)
		d.pass(1)
		Expect(going(ctx, d)).To(Succeed())
		d.leave()
		Expect(<-d.ended).To(Succeed())
		Expect(written(ctx)).To(BeNil())
	},
		Entry("its namespace", func(ctx context.Context, d *desk) error {
			return env.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: d.own}})
		}),
		Entry("its Deployment", func(ctx context.Context, d *desk) error {
			return env.Client.Delete(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.own, Name: "berth-manager"}})
		}),
		Entry("all its replicas", func(ctx context.Context, d *desk) error {
			return env.Client.Patch(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.own, Name: "berth-manager"}},
				client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`)))
		}),
	)

	It("is left alone where somebody else made one", func(ctx SpecContext) {
		d := sit(ctx)
		foreign := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: apiservice.Name}, Spec: apiregistrationv1.APIServiceSpec{
			Group: "codersdk.berth.dev", Version: "v2", GroupPriorityMinimum: 1, VersionPriority: 1, InsecureSkipTLSVerify: true,
			Service: &apiregistrationv1.ServiceReference{Namespace: "elsewhere", Name: "other"},
		}}
		Expect(env.Client.Create(ctx, foreign)).To(Succeed())
		d.pass(2)
		d.up.Store(false)
		d.pass(4)
		Expect(written(ctx).Spec.Service.Namespace).To(Equal("elsewhere"))
	})
})

var _ = Describe("the probe", func() {
	DescribeTable("V 24: believes only a server that the CA vouches for, by its name", func(ctx SpecContext, status int, host string, trust bool, want OmegaMatcher) {
		var asked atomic.Int32
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		DeferCleanup(server.Close)
		bundle := []byte(authority())
		if trust {
			bundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		}
		Expect(apiservice.Ask(ctx, server.URL+"/api/v2/buildinfo", host, bundle)).To(want)
		Expect(asked.Load()).To(BeNumerically("<=", 1))
	},
		Entry("an answer", 200, "example.com", true, Succeed()),
		Entry("an answer that it may not see", 401, "example.com", true, Succeed()),
		Entry("V 36: a redirect, which is not followed", 302, "example.com", true, Succeed()),
		Entry("a server that is not ready", 503, "example.com", true, MatchError(ContainSubstring("503"))),
		Entry("another CA", 200, "example.com", false, MatchError(ContainSubstring("unknown authority"))),
		Entry("another name", 200, "berth-apiserver.berth-system.svc", true, MatchError(ContainSubstring("not berth-apiserver"))),
	)
})
