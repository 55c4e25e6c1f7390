// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/given"
)

func TestCredentials(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Credentials")
}

const namespace = "berth-system"

var (
	env *cluster.Cluster
	// cached reads as the API server does, and waits for what it wrote.
	cached client.Client
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(env.Stop()).To(Succeed()) })
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	c, err := cache.New(env.Config, cache.Options{Scheme: env.Scheme})
	Expect(err).NotTo(HaveOccurred())
	Expect(credentials.IndexKeys(ctx, c)).To(Succeed())
	running, stop := context.WithCancel(context.Background())
	DeferCleanup(stop)
	go func() {
		defer GinkgoRecover()
		Expect(c.Start(running)).To(Succeed())
	}()
	Expect(c.WaitForCacheSync(ctx)).To(BeTrue())
	consistent := true
	cached, err = client.New(env.Config, client.Options{Scheme: env.Scheme,
		Cache: &client.CacheOptions{Reader: c, EnableReadYourWritesConsistency: &consistent}})
	Expect(err).NotTo(HaveOccurred())
}, NodeTimeout(time.Minute))

// clock is a time that a spec moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newUser(ctx context.Context) *v1alpha1.User {
	GinkgoHelper()
	u := given.User("")
	u.GenerateName, u.Spec.Email = "user", "u@example.org"
	Expect(env.Client.Create(ctx, u)).To(Succeed())
	return u
}

func secretOf(ctx context.Context, u *v1alpha1.User) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "berth-user-" + ids.Of(u).String()}, secret)).To(Succeed())
	return secret
}

var _ = Describe("The store of credentials", func() {
	var now *clock
	var store *credentials.Store
	var ada *v1alpha1.User

	BeforeEach(func(ctx SpecContext) {
		now = &clock{now: time.Now().Truncate(time.Second)}
		store = credentials.New(cached, namespace, now.Now)
		ada = newUser(ctx)
	})

	issue := func(ctx SpecContext) string {
		GinkgoHelper()
		token, key, err := store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).NotTo(HaveOccurred())
		Expect(token).To(HavePrefix(key.ID + "-"))
		return token
	}

	It("keeps a password so that it can be checked and not be read", func(ctx SpecContext) {
		id := ids.Of(ada)
		Expect(store.SetPassword(ctx, ada, id, "correct horse")).To(Succeed())
		Expect(store.CheckPassword(ctx, id, "correct horse")).To(BeTrue())
		Expect(store.CheckPassword(ctx, id, "correct house")).To(BeFalse())
		Expect(store.CheckPassword(ctx, id, strings.Repeat("x", 1<<20))).To(BeFalse())
		Expect(store.CheckPassword(ctx, ids.Of(newUser(ctx)), "")).To(BeFalse(), "one who has none")
		secret := secretOf(ctx, ada)
		data, err := json.Marshal(secret)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).NotTo(ContainSubstring("correct horse"))
		Expect(string(secret.Data["password"])).To(HavePrefix("$argon2id$"))
		Expect(secret.OwnerReferences).To(HaveLen(1))
		Expect(secret.OwnerReferences[0].UID).To(Equal(ada.UID), "it goes with its user")
	})

	It("makes keys that are known at once, and forgets those that are revoked", func(ctx SpecContext) {
		token := issue(ctx)
		key, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(key.User).To(Equal(ids.Of(ada)))
		data, err := json.Marshal(secretOf(ctx, ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).NotTo(ContainSubstring(token[11:]))
		Expect(store.Revoke(ctx, key.User, key.ID)).To(Succeed())
		Expect(store.Revoke(ctx, key.User, key.ID)).To(Succeed(), "twice is once")
		_, err = store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
	})

	It("V 59: refuses what is no key, and the id of a key without its secret", func(ctx SpecContext) {
		token := issue(ctx)
		for _, text := range []string{"", "x", token[:10], token[:10] + "-" + strings.Repeat("0", 22), token + "0", strings.Repeat("-", 33), strings.Repeat("x", 1<<16)} {
			_, err := store.Verify(ctx, text)
			Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue(), text)
			Expect(err.Error()).NotTo(ContainSubstring(token[11:]))
		}
	})

	It("lets a session slide while it is used, and not beyond a logout", func(ctx SpecContext) {
		token := issue(ctx)
		before := secretOf(ctx, ada).ResourceVersion
		now.pass(30 * time.Minute)
		key, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(secretOf(ctx, ada).ResourceVersion).To(Equal(before), "not written on each use")
		now.pass(23 * time.Hour)
		renewed, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(renewed.ExpiresAt).To(BeTemporally(">", key.ExpiresAt))
		now.pass(23 * time.Hour)
		_, err = store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred(), "it was used since")
		Expect(store.Revoke(ctx, key.User, key.ID)).To(Succeed())
		now.pass(2 * time.Hour)
		_, err = store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		Expect(secretOf(ctx, ada).Data).NotTo(HaveKey("key-" + key.ID))
	})

	It("says that a session has expired, and clears it away with the next sign-in", func(ctx SpecContext) {
		token := issue(ctx)
		now.pass(credentials.SessionLifetime)
		_, err := store.Verify(ctx, token)
		Expect(err).To(MatchError(ContainSubstring("session has expired")))
		issue(ctx)
		Expect(secretOf(ctx, ada).Data).To(HaveLen(1))
	})

	It("ends sessions with the password that began them", func(ctx SpecContext) {
		token := issue(ctx)
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), "another horse")).To(Succeed())
		_, err := store.Verify(ctx, token)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
	})

	It("leaves the session that is excepted when the password changes, and none when all are to end", func(ctx SpecContext) {
		kept, other := issue(ctx), issue(ctx)
		id, _, _ := strings.Cut(kept, "-")
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), "another horse", id)).To(Succeed())
		_, err := store.Verify(ctx, other)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		Expect(store.Verify(ctx, kept)).To(HaveField("ID", id))
		Expect(store.EndAll(ctx, ada, ids.Of(ada))).To(Succeed())
		_, err = store.Verify(ctx, kept)
		Expect(fault.Is(err, fault.Unauthenticated)).To(BeTrue())
		Expect(store.CheckPassword(ctx, ids.Of(ada), "another horse")).To(BeTrue(), "the password stays")
		nobody := newUser(ctx)
		Expect(store.EndAll(ctx, nobody, ids.Of(nobody))).To(Succeed(), "who has none keeps none")
	})

	It("ends every session of the old password, also those that another replica makes at the same time", func(ctx SpecContext) {
		issue(ctx)
		other := credentials.New(env.Client, namespace, now.Now) // without this one's cache
		var made []string
		// Between this replica's reading and its writing the other one makes a session: the write is refused and made anew.
		racing := interceptor.NewClient(env.Client, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			err := c.Get(ctx, key, o, opts...)
			if len(made) < 3 {
				token, _, issueErr := other.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
				made = append(made, token)
				err = errors.Join(err, issueErr)
			}
			return err
		}})
		Expect(credentials.New(racing, namespace, now.Now).SetPassword(ctx, ada, ids.Of(ada), "another horse")).To(Succeed())
		Expect(made).To(HaveLen(3))
		for _, token := range made {
			Eventually(func() error { _, err := store.Verify(ctx, token); return err }).WithTimeout(30 * time.Second).ShouldNot(Succeed())
		}
	})

	It("loses no key when many are made at once", func(ctx SpecContext) {
		other := credentials.New(env.Client, namespace, now.Now) // as another replica would, without this one's cache
		const many = 20
		tokens := make([]string, many)
		var work sync.WaitGroup
		for i := range many {
			work.Go(func() {
				defer GinkgoRecover()
				by := store
				if i%2 == 0 {
					by = other
				}
				var err error
				tokens[i], _, err = by.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
				Expect(err).NotTo(HaveOccurred())
			})
		}
		work.Wait()
		for _, token := range tokens {
			Eventually(func() error { _, err := store.Verify(ctx, token); return err }).Should(Succeed())
		}
	})

	It("gives room to a new session when there are too many, and never grows beyond", func(ctx SpecContext) {
		full := map[string][]byte{"password": []byte("x")}
		for i := range 500 {
			value, err := json.Marshal(map[string]any{"digest": []byte("x"), "createdAt": now.Now(), "lifetimeSeconds": 86400,
				"expiresAt": now.Now().Add(time.Duration(i+1) * time.Minute), "session": true})
			Expect(err).NotTo(HaveOccurred())
			full["key-"+strings.Repeat("0", 7)+string(rune('a'+i/100))+string(rune('a'+i/10%10))+string(rune('a'+i%10))] = value
		}
		Expect(env.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "berth-user-" + ids.Of(ada).String(),
			Labels: map[string]string{credentials.LabelKind: credentials.KindUser}}, Data: full})).To(Succeed())
		Eventually(func(g Gomega) {
			secret := &corev1.Secret{}
			g.Expect(cached.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "berth-user-" + ids.Of(ada).String()}, secret)).To(Succeed())
		}).Should(Succeed())
		token := issue(ctx)
		_, err := store.Verify(ctx, token)
		Expect(err).NotTo(HaveOccurred())
		Expect(secretOf(ctx, ada).Data).To(HaveLen(501), "the password, 499 sessions and the new one")
		Expect(secretOf(ctx, ada).Data).NotTo(HaveKey("key-0000000aaa"), "the one nearest to its end")
	})

	It("does not take a Secret of another sort for a user's", func(ctx SpecContext) {
		token := issue(ctx)
		secret := secretOf(ctx, ada)
		forged := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "forged"}, Data: secret.Data}
		Expect(env.Client.Create(ctx, forged)).To(Succeed())
		Expect(env.Client.Delete(ctx, secret)).To(Succeed())
		Eventually(func() bool { _, err := store.Verify(ctx, token); return fault.Is(err, fault.Unauthenticated) }).Should(BeTrue())
	})

	It("V 51: repeats nothing of a Secret in an error", func(ctx SpecContext) {
		const canary = "canary-in-the-api-s-words"
		refuse := apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Secret").GroupKind(), "x", nil)
		refuse.ErrStatus.Message = canary
		failing := credentials.New(interceptor.NewClient(env.Client, interceptor.Funcs{
			Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return refuse
			},
		}), namespace, now.Now)
		_, _, err := failing.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, credentials.SessionLifetime)
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).NotTo(ContainSubstring(canary))
		var status apierrors.APIStatus
		Expect(errors.As(err, &status)).To(BeTrue())
		Expect(status.Status().Reason).To(Equal(metav1.StatusReasonInvalid), "what to do about it can still be told")
	})
})
