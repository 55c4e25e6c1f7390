// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// hiding is a client that for the first lists knows nothing, as a cache that lags behind.
type hiding struct {
	client.Client
	lists atomic.Int32
}

func (h *hiding) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	if h.lists.Add(-1) >= 0 {
		return nil
	}
	return h.Client.List(ctx, into, opts...)
}

var _ = Describe("A code for an app's host", func() {
	const host = "a--b.apps.example.org"
	var now *clock
	var store *credentials.Store
	var ada *v1alpha1.User
	var session string

	BeforeEach(func(ctx SpecContext) {
		now = &clock{now: time.Now().Truncate(time.Second)}
		store = credentials.New(cached, namespace, now.Now)
		ada = newUser(ctx)
		var err error
		session, _, err = store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
	})

	anybody := func(context.Context, uuid.UUID) error { return nil }
	idOf := func(token string) string { id, _, _ := strings.Cut(token, "-"); return id }
	code := func(ctx context.Context) string {
		GinkgoHelper()
		c, err := store.IssueCode(ctx, ada, ids.Of(ada), idOf(session), host, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		return c
	}
	redeem := func(ctx context.Context, c string) (string, error) {
		token, key, err := store.RedeemCode(ctx, c, host, anybody)
		if err == nil {
			Expect(key.Scope).To(Equal(credentials.ScopeApplicationConnect))
			Expect(key.Host).To(Equal(host))
			Expect(key.Session).To(BeTrue())
			Expect(key.ExpiresAt).To(BeTemporally("==", now.Now().Add(credentials.SessionLifetime)))
		}
		return token, err
	}
	refusedOf := func(err error) bool { return fault.Is(err, fault.Forbidden) }

	It("opens nothing itself, and becomes a session of that host and of the narrow scope", func(ctx SpecContext) {
		c := code(ctx)
		_, err := store.Verify(ctx, c)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		Expect(store.Keys(ctx, ids.Of(ada))).To(HaveLen(1), "it is no key that is shown")
		token, err := redeem(ctx, c)
		Expect(err).NotTo(HaveOccurred())
		Expect(token).NotTo(ContainSubstring(idOf(c)))
		key, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{key.Scope, key.Host, key.User}).To(Equal([]any{credentials.ScopeApplicationConnect, host, ids.Of(ada)}))
		for name, value := range secretOf(ctx, ada).Data {
			for _, secret := range []string{c, token} {
				_, half, _ := strings.Cut(secret, "-")
				Expect(name + string(value)).NotTo(ContainSubstring(half))
			}
		}
		Expect(store.Keys(ctx, ids.Of(ada))).To(HaveLen(2))
	})

	It("is worth that once, whoever is quicker", func(ctx SpecContext) {
		c := code(ctx)
		other := credentials.New(cached, namespace, now.Now) // with turns of its own, as another process
		var won atomic.Int32
		var work sync.WaitGroup
		for i := range 8 {
			work.Go(func() {
				defer GinkgoRecover()
				by := []*credentials.Store{store, other}[i%2]
				_, _, err := by.RedeemCode(ctx, c, host, anybody)
				if err == nil {
					won.Add(1)
				} else {
					Expect(refusedOf(err)).To(BeTrue(), "%v", err)
				}
			})
		}
		work.Wait()
		Expect(won.Load()).To(BeEquivalentTo(1))
		Expect(store.Keys(ctx, ids.Of(ada))).To(HaveLen(2))
	})

	It("is of its host, of a minute, of its maker and of no other kind", func(ctx SpecContext) {
		c := code(ctx)
		_, _, err := store.RedeemCode(ctx, c, "x--b.apps.example.org", anybody)
		Expect(refusedOf(err)).To(BeTrue())
		changed := []byte(c)
		if changed[len(changed)-1]++; changed[len(changed)-1] > 'z' || changed[len(changed)-1] == ':' || changed[len(changed)-1] == '[' {
			changed[len(changed)-1] = '0'
		}
		token, _, err := store.IssueToken(ctx, ada, ids.Of(ada), credentials.Token{Name: "t", Scope: credentials.ScopeApplicationConnect, Lifetime: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		for name, made := range map[string]string{"changed": string(changed), "a session": session, "a token": token, "empty": "", "long": strings.Repeat("a", 5000)} {
			_, err := redeem(ctx, made)
			Expect(refusedOf(err)).To(BeTrue(), name)
		}
		now.pass(credentials.CodeLifetime - time.Second)
		_, err = redeem(ctx, c)
		Expect(err).NotTo(HaveOccurred(), "none of this has spent it")
		c = code(ctx)
		now.pass(credentials.CodeLifetime)
		_, err = redeem(ctx, c)
		Expect(refusedOf(err)).To(BeTrue())
		code(ctx)
		Expect(secretOf(ctx, ada).Data).NotTo(HaveKey("key-"+idOf(c)), "the next one clears it away")
	})

	It("is of no worth to who may not come in, and is not spent by the attempt", func(ctx SpecContext) {
		c, no := code(ctx), errors.New("suspended")
		_, _, err := store.RedeemCode(ctx, c, host, func(_ context.Context, user uuid.UUID) error {
			Expect(user).To(Equal(ids.Of(ada)))
			return no
		})
		Expect(err).To(Equal(no))
		_, err = redeem(ctx, c)
		Expect(err).NotTo(HaveOccurred())
	})

	It("ends with the session that made it, and so does what it became", func(ctx SpecContext) {
		for name, end := range map[string]func(){
			"a sign-out":     func() { Expect(store.Revoke(ctx, ids.Of(ada), idOf(session))).To(Succeed()) },
			"a new password": func() { Expect(store.SetPassword(ctx, ada, ids.Of(ada), "another horse")).To(Succeed()) },
			"an end of all":  func() { Expect(store.EndAll(ctx, ada, ids.Of(ada))).To(Succeed()) },
			"its time":       func() { now.pass(credentials.SessionLifetime) },
		} {
			Expect(store.EndAll(ctx, ada, ids.Of(ada))).To(Succeed())
			var err error
			session, _, err = store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
			Expect(err).NotTo(HaveOccurred())
			now.pass(time.Second)
			used, left := code(ctx), code(ctx)
			token, err := redeem(ctx, used)
			Expect(err).NotTo(HaveOccurred())
			_, err = store.Verify(ctx, token)
			Expect(err).NotTo(HaveOccurred())
			end()
			_, err = store.Verify(ctx, token)
			Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue(), name)
			_, err = redeem(ctx, left)
			Expect(refusedOf(err)).To(BeTrue(), name)
			_, err = store.IssueCode(ctx, ada, ids.Of(ada), idOf(session), host, time.Hour)
			Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue(), name)
			Expect(store.Keys(ctx, ids.Of(ada))).To(BeEmpty(), name)
		}
	})

	It("V 4: never outlives the provider's word that began the session", func(ctx SpecContext) {
		until := now.Now().Add(time.Hour)
		var err error
		session, _, err = store.IssueLinked(ctx, ada, ids.Of(ada), v1alpha1.LoginTypeOIDC, credentials.Link{}, credentials.SessionLifetime, until)
		Expect(err).NotTo(HaveOccurred())
		token, key, err := store.RedeemCode(ctx, code(ctx), host, anybody)
		Expect(err).NotTo(HaveOccurred())
		Expect(key.ExpiresAt).To(BeTemporally("==", until))
		Expect(key.LoginType).To(Equal(v1alpha1.LoginTypeOIDC))
		now.pass(time.Hour)
		_, err = store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		session, _, err = store.IssueLinked(ctx, ada, ids.Of(ada), v1alpha1.LoginTypeOIDC, credentials.Link{RefreshToken: "x"}, credentials.SessionLifetime, time.Time{})
		Expect(err).NotTo(HaveOccurred())
		_, key, err = store.RedeemCode(ctx, code(ctx), host, anybody)
		Expect(err).NotTo(HaveOccurred())
		Expect(key.Linked).To(BeTrue(), "the provider is asked about it as well")
	})

	It("is not made by a key that opens apps alone", func(ctx SpecContext) {
		token, err := redeem(ctx, code(ctx))
		Expect(err).NotTo(HaveOccurred())
		narrow, _, err := store.IssueToken(ctx, ada, ids.Of(ada), credentials.Token{Name: "n", Scope: credentials.ScopeApplicationConnect, Lifetime: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		for _, from := range []string{token, narrow} {
			_, err = store.IssueCode(ctx, ada, ids.Of(ada), idOf(from), host, time.Hour)
			Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		}
	})

	It("is waited for where another process made it a moment ago, and not for long", func(ctx SpecContext) {
		c, lagging := code(ctx), &hiding{Client: cached}
		lagging.lists.Store(3)
		_, _, err := credentials.New(lagging, namespace, now.Now).RedeemCode(ctx, c, host, anybody)
		Expect(err).NotTo(HaveOccurred())
		began := time.Now()
		lagging.lists.Store(1 << 20)
		_, _, err = credentials.New(lagging, namespace, now.Now).RedeemCode(ctx, code(ctx), host, anybody)
		Expect(refusedOf(err)).To(BeTrue())
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
	})

	It("is not lost where others write meanwhile", func(ctx SpecContext) {
		races := 0
		racing := interceptor.NewClient(env.Client, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				err := c.Get(ctx, key, o, opts...)
				if races++; races <= 2 {
					_, _, issued := store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, time.Hour)
					err = errors.Join(err, issued)
				}
				return err
			},
			List: func(ctx context.Context, _ client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
				return cached.List(ctx, l, opts...) // which has the index
			},
		})
		_, _, err := credentials.New(racing, namespace, now.Now).RedeemCode(ctx, code(ctx), host, anybody)
		Expect(err).NotTo(HaveOccurred())
		Expect(races).To(Equal(3))
		secret := &corev1.Secret{}
		Expect(env.Client.Get(ctx, client.ObjectKeyFromObject(secretOf(ctx, ada)), secret)).To(Succeed())
		Expect(secret.Data).To(HaveLen(4))
	})
})
