// SPDX-License-Identifier: Apache-2.0

package files_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/files"
	"github.com/berth-dev/berth/internal/fault"
	kept "github.com/berth-dev/berth/internal/files"
	. "github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

var env *Cluster

func TestFiles(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Files")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})

// desk is a place of its own to keep archives in.
type desk struct {
	*files.Sweep
	clock *clocktesting.FakeClock
	ada   *v1alpha1.User
}

func sit(ctx context.Context) *desk {
	GinkgoHelper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "berth-"}}
	Expect(env.Client.Create(ctx, n)).To(Succeed())
	d := &desk{clock: clocktesting.NewFakeClock(time.Now()), ada: given.User("ada", func(u *v1alpha1.User) { u.UID = "11111111-1111-4111-8111-111111111111" })}
	d.Sweep = &files.Sweep{
		Reader: NewJournal(env.Client), Clock: d.clock, Log: logr.Discard(),
		Files: &kept.Files{Client: env.Client, Namespace: n.Name, Now: d.clock.Now},
	}
	return d
}

// put keeps an archive and gives its id.
func (d *desk) put(ctx context.Context, data []byte) uuid.UUID {
	GinkgoHelper()
	id, _, err := d.Files.Put(ctx, d.ada, data)
	Expect(err).NotTo(HaveOccurred())
	return id
}

func (d *desk) chunks(ctx context.Context) []corev1.ConfigMap {
	GinkgoHelper()
	var list corev1.ConfigMapList
	Expect(env.Client.List(ctx, &list, client.InNamespace(d.Files.Namespace), client.HasLabels{kept.LabelFile})).To(Succeed())
	return list.Items
}

func (d *desk) there(ctx context.Context, id uuid.UUID) bool {
	GinkgoHelper()
	_, err := d.Files.Find(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return false
	}
	Expect(err).NotTo(HaveOccurred())
	return true
}

// noise is data that does not get smaller.
func noise(seed uint64, size int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed)})
	data := make([]byte, size)
	_, _ = source.Read(data) // it never fails
	return data
}

var _ = Describe("an uploaded archive", func() {
	It("is kept in chunks that fit, once, and is read as it was sent", func(ctx SpecContext) {
		d := sit(ctx)
		for i, size := range []int{0, 1, 640 << 10, 3 << 20, 10 << 20} {
			data := noise(uint64(i), size)
			id, made, err := d.Files.Put(ctx, d.ada, data)
			Expect(err).NotTo(HaveOccurred())
			Expect(made).To(BeTrue())
			again, made, err := d.Files.Put(ctx, d.ada, data)
			Expect(err).NotTo(HaveOccurred())
			Expect(made).To(BeFalse())
			Expect(again).To(Equal(id))
			file, err := d.Files.Find(ctx, id)
			Expect(err).NotTo(HaveOccurred())
			Expect(file.Uploader).To(Equal("ada"))
			read, err := d.Files.Read(ctx, file)
			Expect(err).NotTo(HaveOccurred())
			Expect(bytes.Equal(read, data)).To(BeTrue())
		}
		for _, c := range d.chunks(ctx) {
			Expect(c.Immutable).To(HaveValue(BeTrue()))
		}
	})

	It("of another person is another one", func(ctx SpecContext) {
		d := sit(ctx)
		one := d.put(ctx, []byte("x"))
		d.ada = given.User("eve", func(u *v1alpha1.User) { u.UID = "22222222-2222-4222-8222-222222222222" })
		Expect(d.put(ctx, []byte("x"))).NotTo(Equal(one))
	})

	It("is finished by who sends it again after it was broken off", func(ctx SpecContext) {
		d := sit(ctx)
		data := noise(9, 2<<20)
		id := d.put(ctx, data)
		Expect(env.Client.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.Files.Namespace, Name: "berth-file-" + id.String()}})).To(Succeed())
		Expect(d.there(ctx, id)).To(BeFalse(), "it is not whole")
		Expect(d.put(ctx, data)).To(Equal(id))
		file, err := d.Files.Find(ctx, id)
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Files.Read(ctx, file)).To(Equal(data))
	})

	It("whose chunks somebody exchanged is not handed out", func(ctx SpecContext) {
		d := sit(ctx)
		id := d.put(ctx, []byte("image: a"))
		other := d.put(ctx, []byte("image: b"))
		stolen := &corev1.ConfigMap{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: d.Files.Namespace, Name: "berth-file-" + other.String()}, stolen)).To(Succeed())
		head := &corev1.ConfigMap{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: d.Files.Namespace, Name: "berth-file-" + id.String()}, head)).To(Succeed())
		Expect(env.Client.Delete(ctx, head)).To(Succeed())
		head.ResourceVersion, head.BinaryData = "", stolen.BinaryData
		Expect(env.Client.Create(ctx, head)).To(Succeed())
		file, err := d.Files.Find(ctx, id)
		Expect(err).NotTo(HaveOccurred())
		_, err = d.Files.Read(ctx, file)
		Expect(err).To(MatchError(ContainSubstring("its hash is another")))
	})
})

var _ = Describe("the sweep", func() {
	It("removes what no version refers to once its time is over, and nothing else", func(ctx SpecContext) {
		d := sit(ctx)
		unused, used := d.put(ctx, noise(1, 2<<20)), d.put(ctx, []byte("used"))
		org, err := env.Organization(ctx, "org-")
		Expect(err).NotTo(HaveOccurred())
		v := given.TemplateVersion(org, "v", "", func(v *v1alpha1.TemplateVersion) {
			v.Spec.TemplateRef, v.Spec.Source = nil, &v1alpha1.VersionSource{File: v1alpha1.ID(used.String())}
		})
		Expect(env.Client.Create(ctx, v)).To(Succeed())
		other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.Files.Namespace, Name: "other"}}
		Expect(env.Client.Create(ctx, other)).To(Succeed())

		d.clock.Step(23 * time.Hour)
		Expect(d.Sweep.Sweep(ctx)).To(Succeed())
		Expect(d.there(ctx, unused)).To(BeTrue(), "its time is not over")
		d.clock.Step(2 * time.Hour)
		Expect(d.Sweep.Sweep(ctx)).To(Succeed())
		Expect(d.there(ctx, unused)).To(BeFalse())
		Expect(d.there(ctx, used)).To(BeTrue())
		Expect(d.chunks(ctx)).To(HaveLen(1), "its chunks are gone with it")
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(other), other)).To(Succeed())

		By("the version goes")
		Expect(env.Client.Delete(ctx, v)).To(Succeed())
		Expect(d.Sweep.Sweep(ctx)).To(Succeed())
		Expect(d.chunks(ctx)).To(BeEmpty())
	})

	It("leaves what was sent again", func(ctx SpecContext) {
		d := sit(ctx)
		id := d.put(ctx, []byte("x"))
		d.clock.Step(23 * time.Hour)
		d.put(ctx, []byte("x"))
		d.clock.Step(2 * time.Hour)
		Expect(d.Sweep.Sweep(ctx)).To(Succeed())
		Expect(d.there(ctx, id)).To(BeTrue())
	})

	It("leaves what was sent again since it was listed", func(ctx SpecContext) {
		d := sit(ctx)
		id := d.put(ctx, []byte("x"))
		d.clock.Step(25 * time.Hour)
		listed, err := d.Files.List(ctx)
		Expect(err).NotTo(HaveOccurred())
		d.put(ctx, []byte("x"))
		Expect(d.Files.Remove(ctx, listed[0])).To(Succeed())
		Expect(d.there(ctx, id)).To(BeTrue())
	})

	It("removes what an upload that was broken off has left", func(ctx SpecContext) {
		d := sit(ctx)
		id := d.put(ctx, noise(2, 2<<20))
		Expect(env.Client.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.Files.Namespace, Name: "berth-file-" + id.String()}})).To(Succeed())
		Expect(d.chunks(ctx)).NotTo(BeEmpty())
		d.clock.Step(25 * time.Hour)
		Expect(d.Sweep.Sweep(ctx)).To(Succeed())
		Expect(d.chunks(ctx)).To(BeEmpty())
	})

	It("comes again by itself, and ends with its context", func(ctx SpecContext) {
		d := sit(ctx)
		id := d.put(ctx, []byte("x"))
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- d.Start(running) }()
		Eventually(d.clock.HasWaiters).WithContext(ctx).Should(BeTrue())
		Eventually(func() bool {
			d.clock.Step(time.Hour)
			return d.there(ctx, id)
		}).WithContext(ctx).WithTimeout(20 * time.Second).Should(BeFalse())
		stop()
		Eventually(ended).WithContext(ctx).Should(Receive(BeNil()))
	})
})
