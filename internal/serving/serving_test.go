// SPDX-License-Identifier: Apache-2.0

package serving_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/serving"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

func TestServing(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The serving certificate")
}

var env *cluster.Cluster

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(env.Stop()).To(Succeed()) })
})

var _ = Describe("The replicas' certificate", func() {
	var namespace string
	var passed atomic.Int64 // nanoseconds

	BeforeEach(func(ctx SpecContext) {
		n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "berth-"}}
		Expect(env.Client.Create(ctx, n)).To(Succeed())
		namespace = n.Name
		passed.Store(0)
	})

	keeper := func() *serving.Keeper {
		return &serving.Keeper{Client: env.Client, Namespace: namespace, Names: serving.Names("berth-apiserver", namespace),
			Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }, Failed: func(err error) { Fail(err.Error()) }}
	}
	serial := func(k *serving.Keeper) string {
		GinkgoHelper()
		c, err := k.GetCertificate(nil)
		Expect(err).NotTo(HaveOccurred())
		return c.Leaf.SerialNumber.String()
	}
	secret := func(ctx context.Context) *corev1.Secret {
		GinkgoHelper()
		s := &corev1.Secret{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: serving.SecretName}, s)).To(Succeed())
		return s
	}
	bundle := func(ctx context.Context) []byte {
		GinkgoHelper()
		c := &corev1.ConfigMap{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: serving.ConfigMapName}, c)).To(Succeed())
		return []byte(c.Data[serving.BundleKey])
	}

	It("is one, however many replicas start at once, and its CA is published", func(ctx SpecContext) {
		replicas := make([]*serving.Keeper, 5)
		var work sync.WaitGroup
		for i := range replicas {
			replicas[i] = keeper()
			work.Go(func() {
				defer GinkgoRecover()
				Expect(replicas[i].Check(ctx)).To(Succeed())
			})
		}
		work.Wait()
		for _, r := range replicas {
			Expect(serial(r)).To(Equal(serial(replicas[0])))
		}
		roots := x509.NewCertPool()
		Expect(roots.AppendCertsFromPEM(bundle(ctx))).To(BeTrue())
		c, err := replicas[0].GetCertificate(nil)
		Expect(err).NotTo(HaveOccurred())
		_, err = c.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "berth-apiserver." + namespace + ".svc"})
		Expect(err).NotTo(HaveOccurred())
		block, _ := pem.Decode(bundle(ctx))
		Expect(block.Type).To(Equal("CERTIFICATE"), "the published bundle holds no key")
		Expect(bytes.Contains(bundle(ctx), []byte("KEY"))).To(BeFalse())
	})

	It("is not written while it is good, and replaced in time by one that all replicas take", func(ctx SpecContext) {
		a, b := keeper(), keeper()
		Expect(a.Check(ctx)).To(Succeed())
		Expect(b.Check(ctx)).To(Succeed())
		before, first := secret(ctx).ResourceVersion, serial(a)
		Expect(a.Check(ctx)).To(Succeed())
		Expect(secret(ctx).ResourceVersion).To(Equal(before))
		ca := bundle(ctx)
		passed.Store(int64(65 * 24 * time.Hour))
		Expect(b.Check(ctx)).To(Succeed())
		Expect(serial(b)).NotTo(Equal(first))
		Expect(serial(a)).To(Equal(first), "until it looks")
		Expect(a.Check(ctx)).To(Succeed())
		Expect(serial(a)).To(Equal(serial(b)))
		Expect(bundle(ctx)).To(Equal(ca), "the CA lives on, so nobody has to learn another")
	})

	It("is made anew when somebody removed or damaged it", func(ctx SpecContext) {
		k := keeper()
		Expect(k.Check(ctx)).To(Succeed())
		first := serial(k)
		broken := secret(ctx)
		broken.Data["tls.key"] = []byte("x")
		Expect(env.Client.Update(ctx, broken)).To(Succeed())
		Expect(k.Check(ctx)).To(Succeed())
		second := serial(k)
		Expect(second).NotTo(Equal(first))
		Expect(env.Client.Delete(ctx, secret(ctx))).To(Succeed())
		Expect(env.Client.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: serving.ConfigMapName}})).To(Succeed())
		Expect(k.Check(ctx)).To(Succeed())
		Expect(serial(k)).NotTo(Equal(second))
		roots := x509.NewCertPool()
		Expect(roots.AppendCertsFromPEM(bundle(ctx))).To(BeTrue())
		c, err := k.GetCertificate(nil)
		Expect(err).NotTo(HaveOccurred())
		_, err = c.Leaf.Verify(x509.VerifyOptions{Roots: roots})
		Expect(err).NotTo(HaveOccurred(), "the bundle is that of the new CA")
	})
})
