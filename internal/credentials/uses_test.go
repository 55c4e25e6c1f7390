// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/crypto/ssh"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// counting is a store whose writes are counted. It reads what is written at once.
func counting(now *clock) (*credentials.Store, *atomic.Int64) {
	GinkgoHelper()
	live, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	writes := &atomic.Int64{}
	counted := interceptor.NewClient(live, interceptor.Funcs{
		// without a cache there is no index: every Secret of the namespace is looked through
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return cached.List(ctx, list, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			writes.Add(1)
			return c.Patch(ctx, o, p, opts...)
		},
	})
	return credentials.New(counted, namespace, now.Now), writes
}

var _ = Describe("The use of a key", func() {
	var now *clock
	var ada *v1alpha1.User

	BeforeEach(func(ctx SpecContext) {
		now = &clock{now: time.Now().Truncate(time.Second)}
		ada = newUser(ctx)
	})

	session := func(ctx context.Context, store *credentials.Store) string {
		GinkgoHelper()
		token, _, err := store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { _, err := store.Verify(ctx, token); return err }).Should(Succeed())
		return token
	}
	// usedAt is when the stored key was last used.
	usedAt := func(ctx context.Context, store *credentials.Store) time.Time {
		GinkgoHelper()
		keys, err := store.Keys(ctx, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(keys).To(HaveLen(1))
		return keys[0].UsedAt
	}
	// many uses the key often, at once and from all sides.
	many := func(ctx context.Context, store *credentials.Store, token string) {
		var work sync.WaitGroup
		for range 50 {
			work.Go(func() {
				defer GinkgoRecover()
				_, err := store.Verify(ctx, token)
				Expect(err).NotTo(HaveOccurred())
			})
		}
		work.Wait()
	}

	It("is written once a minute at most, beside the requests, and moves a session's end", func(ctx SpecContext) {
		store, writes := counting(now)
		token := session(ctx, store)
		writes.Store(0)
		begun := now.Now()
		now.pass(59 * time.Second)
		many(ctx, store, token)
		now.pass(2 * time.Second)
		many(ctx, store, token)
		Expect(writes.Load()).To(BeZero(), "no request writes")
		running, stop := context.WithCancel(ctx)
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- store.Run(running) }()
		Eventually(func() time.Time { return usedAt(ctx, store) }).WithTimeout(30 * time.Second).Should(BeTemporally("==", begun.Add(61*time.Second)))
		many(ctx, store, token)
		now.pass(59 * time.Second)
		many(ctx, store, token)
		Expect(writes.Load()).To(BeEquivalentTo(1), "in two minutes")
		now.pass(time.Second)
		Eventually(func(g Gomega) {
			many(ctx, store, token) // the cache may not have seen the last use yet
			g.Expect(usedAt(ctx, store)).To(BeTemporally("==", begun.Add(121*time.Second)))
		}).WithTimeout(30 * time.Second).Should(Succeed())
		Expect(writes.Load()).To(BeEquivalentTo(2))
		key, err := store.Keys(ctx, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(key[0].ExpiresAt).To(BeTemporally("==", begun.Add(121*time.Second).Add(credentials.SessionLifetime)))
		stop()
		Eventually(ended).WithTimeout(30 * time.Second).Should(Receive(BeNil()))
	})

	It("is written by one replica where several saw it", func(ctx SpecContext) {
		first, _ := counting(now)
		second, _ := counting(now)
		token := session(ctx, first)
		joan := newUser(ctx)
		other, _, err := first.Issue(ctx, joan, ids.Of(joan), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { _, err := second.Verify(ctx, other); return err }).Should(Succeed())
		now.pass(61 * time.Second)
		for _, store := range []*credentials.Store{first, second} {
			many(ctx, store, token)
		}
		_, err = second.Verify(ctx, other)
		Expect(err).NotTo(HaveOccurred())
		running, stop := context.WithCancel(ctx)
		defer stop()
		go func() { _ = first.Run(running) }()
		Eventually(func() time.Time { return usedAt(ctx, first) }).WithTimeout(30 * time.Second).Should(BeTemporally("==", now.Now()))
		before := secretOf(ctx, ada).ResourceVersion
		now.pass(time.Second) // so that what would be written differs
		go func() { _ = second.Run(running) }()
		Eventually(func() time.Time { // which comes behind the same use
			keys, err := second.Keys(ctx, ids.Of(joan))
			Expect(err).NotTo(HaveOccurred())
			return keys[0].UsedAt
		}).WithTimeout(30 * time.Second).Should(BeTemporally("==", now.Now()))
		Expect(secretOf(ctx, ada).ResourceVersion).To(Equal(before))
	})

	It("is waited for where it was not noted for an hour, so that a session that is used does not end", func(ctx SpecContext) {
		store, writes := counting(now)
		token := session(ctx, store)
		writes.Store(0)
		for range 5 {
			now.pass(20 * time.Hour)
			Eventually(func(g Gomega) {
				_, err := store.Verify(ctx, token)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(usedAt(ctx, store)).To(BeTemporally("==", now.Now()))
			}).WithTimeout(30 * time.Second).Should(Succeed())
			Eventually(func(g Gomega) { // until the cache knows it
				keys, err := credentials.New(cached, namespace, now.Now).Keys(ctx, ids.Of(ada))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(keys[0].UsedAt).To(BeTemporally("==", now.Now()))
			}).WithTimeout(30 * time.Second).Should(Succeed())
		}
		Expect(writes.Load()).To(BeEquivalentTo(5))
		now.pass(credentials.SessionLifetime)
		_, err := store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
	})

	It("moves nothing where sessions do not slide", func(ctx SpecContext) {
		store, _ := counting(now)
		store.Fixed = true
		token := session(ctx, store)
		now.pass(20 * time.Hour)
		_, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(usedAt(ctx, store)).To(BeTemporally("==", now.Now()), "it is noted all the same")
		now.pass(4 * time.Hour)
		_, err = store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
	})

	It("does not bring back a key that was ended meanwhile", func(ctx SpecContext) {
		store, _ := counting(now)
		token := session(ctx, store)
		now.pass(2 * time.Minute)
		many(ctx, store, token) // a use waits to be noted
		Expect(store.EndAll(ctx, ada, ids.Of(ada))).To(Succeed())
		running, stop := context.WithCancel(ctx)
		defer stop()
		other := newUser(ctx)
		next, _, err := store.Issue(ctx, other, ids.Of(other), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error { _, err := store.Verify(ctx, next); return err }).Should(Succeed())
		now.pass(2 * time.Minute)
		_, err = store.Verify(ctx, next)
		Expect(err).NotTo(HaveOccurred())
		go func() { _ = store.Run(running) }()
		Eventually(func() time.Time { // behind the one of the ended key
			keys, err := store.Keys(ctx, ids.Of(other))
			Expect(err).NotTo(HaveOccurred())
			return keys[0].UsedAt
		}).WithTimeout(30 * time.Second).Should(BeTemporally("==", now.Now()))
		Expect(store.Keys(ctx, ids.Of(ada))).To(BeEmpty())
	})
})

var _ = Describe("A password", func() {
	It("costs one hash to check, whose and whatever it is", func(ctx SpecContext) {
		store := credentials.New(cached, namespace, time.Now)
		hashes := 0
		store.Hashed = func() { hashes++ }
		ada, without, keyed := newUser(ctx), newUser(ctx), newUser(ctx)
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), "correct horse")).To(Succeed())
		_, _, err := store.Issue(ctx, keyed, ids.Of(keyed), v1alpha1.LoginTypeOIDC, time.Hour)
		Expect(err).NotTo(HaveOccurred())
		for name, c := range map[string]struct {
			id       uuid.UUID
			password string
			want     bool
		}{
			"right": {ids.Of(ada), "correct horse", true}, "wrong": {ids.Of(ada), "correct house", false}, "empty": {ids.Of(ada), "", false},
			"too long": {ids.Of(ada), strings.Repeat("x", 1<<20), false}, "nobody's": {uuid.Nil, "correct horse", false},
			"of one without a Secret": {ids.Of(without), "correct horse", false}, "of one without a password": {ids.Of(keyed), "correct horse", false},
			"of one who is gone": {uuid.New(), "correct horse", false},
		} {
			hashes = 0
			Expect(store.CheckPassword(ctx, c.id, c.password)).To(Equal(c.want), name)
			Expect(hashes).To(Equal(1), name)
		}
	})
})

var _ = Describe("A git key", func() {
	It("is made once for all who ask at once, kept through a new password, and replaced on demand", func(ctx SpecContext) {
		ada := newUser(ctx)
		stores := []*credentials.Store{credentials.New(cached, namespace, time.Now), credentials.New(env.Client, namespace, time.Now)}
		const many = 10
		keys := make([]credentials.GitKey, many)
		var work sync.WaitGroup
		for i := range many {
			work.Go(func() {
				defer GinkgoRecover()
				var err error
				keys[i], err = stores[i%2].GitKey(ctx, ada, ids.Of(ada))
				Expect(err).NotTo(HaveOccurred())
			})
		}
		work.Wait()
		for _, k := range keys {
			Expect(k.Public).To(Equal(keys[0].Public))
		}
		parsed, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(keys[0].Public))
		Expect(err).NotTo(HaveOccurred())
		Expect(parsed.Type()).To(Equal(ssh.KeyAlgoED25519))
		Expect(rest).To(BeEmpty())

		Expect(stores[0].SetPassword(ctx, ada, ids.Of(ada), "correct horse")).To(Succeed())
		Expect(stores[0].EndAll(ctx, ada, ids.Of(ada))).To(Succeed())
		again, err := stores[1].GitKey(ctx, ada, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Public).To(Equal(keys[0].Public))

		next, err := stores[0].RotateGitKey(ctx, ada, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(next.Public).NotTo(Equal(again.Public))
		Expect(next.CreatedAt).To(BeTemporally("==", again.CreatedAt))
		Expect(next.UpdatedAt).To(BeTemporally(">", again.UpdatedAt))
		Expect(stores[1].GitKey(ctx, ada, ids.Of(ada))).To(Equal(next))
		Expect(stores[0].CheckPassword(ctx, ids.Of(ada), "correct horse")).To(BeTrue(), "it stands beside the password")
	})
})
