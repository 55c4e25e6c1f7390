// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/crypto/argon2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

// hashOf is a hash as other tools make it.
func hashOf(password string) string {
	salt, b := []byte("0123456789abcdef"), base64.RawStdEncoding
	return "$argon2id$v=19$m=19456,t=2,p=1$" + b.EncodeToString(salt) + "$" + b.EncodeToString(argon2.IDKey([]byte(password), salt, 2, 19456, 1, 32))
}

var _ = Describe("A declared password", func() {
	const first, second = "the first of them", "the second of them"
	var store *credentials.Store
	var ada *v1alpha1.User
	hashes := 0

	BeforeEach(func(ctx SpecContext) {
		hashes = 0
		store = credentials.New(cached, namespace, time.Now)
		store.Hashed = func() { hashes++ }
		ada = newUser(ctx)
	})

	declare := func(ctx SpecContext, data map[string]string, change ...func(*corev1.Secret)) *corev1.Secret {
		GinkgoHelper()
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "declared-"}, StringData: data}
		for _, f := range change {
			f(s)
		}
		Expect(cached.Create(ctx, s)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(env.Client.Delete(ctx, s))).To(Succeed()) })
		return s
	}
	edit := func(ctx SpecContext, s *corev1.Secret, change func()) {
		GinkgoHelper()
		change()
		Expect(cached.Update(ctx, s)).To(Succeed())
	}
	take := func(ctx SpecContext, s *corev1.Secret) error {
		return store.TakePassword(ctx, ada, ids.Of(ada), s.Name)
	}
	session := func(ctx SpecContext) (alive func() bool) {
		GinkgoHelper()
		token, _, err := store.Issue(ctx, ada, ids.Of(ada), v1alpha1.LoginTypePassword, time.Hour)
		Expect(err).NotTo(HaveOccurred())
		return func() bool {
			_, err := store.Verify(ctx, token)
			return err == nil
		}
	}
	opens := func(ctx SpecContext, password string) bool {
		GinkgoHelper()
		right, err := store.CheckPassword(ctx, ids.Of(ada), password)
		Expect(err).NotTo(HaveOccurred())
		return right
	}

	It("is taken once, and anew when it is another one: then what the old one led to ends", func(ctx SpecContext) {
		s := declare(ctx, map[string]string{"password": first})
		Expect(take(ctx, s)).To(Succeed())
		Expect(opens(ctx, first)).To(BeTrue())
		alive, before, cost := session(ctx), secretOf(ctx, ada).ResourceVersion, hashes
		for range 3 {
			Expect(take(ctx, s)).To(Succeed())
		}
		Expect(secretOf(ctx, ada).ResourceVersion).NotTo(BeEmpty())
		Expect(hashes).To(Equal(cost), "nothing is hashed where nothing has changed")
		Expect(alive()).To(BeTrue())
		Expect(secretOf(ctx, ada).ResourceVersion).To(Equal(before))

		edit(ctx, s, func() { s.Labels = map[string]string{"touched": "yes"} })
		Expect(take(ctx, s)).To(Succeed())
		Expect(alive()).To(BeTrue(), "a Secret that was only touched ends nothing")

		edit(ctx, s, func() { s.Data["password"] = []byte(second) })
		Expect(take(ctx, s)).To(Succeed())
		Expect(alive()).To(BeFalse())
		Expect(opens(ctx, first)).To(BeFalse())
		Expect(opens(ctx, second)).To(BeTrue())
		kept, err := json.Marshal(secretOf(ctx, ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(kept)).NotTo(Or(ContainSubstring(second), ContainSubstring(base64.StdEncoding.EncodeToString([]byte(second)))))
	})

	It("gives way to one that is chosen later, also after a restore, until the Secret's is another", func(ctx SpecContext) {
		s := declare(ctx, map[string]string{"password": first})
		Expect(take(ctx, s)).To(Succeed())
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), "one of her own")).To(Succeed())
		alive := session(ctx)
		edit(ctx, s, func() { s.Annotations = map[string]string{"touched": "yes"} })
		Expect(take(ctx, s)).To(Succeed())
		Expect(cached.Delete(ctx, s)).To(Succeed())
		restored := declare(ctx, map[string]string{"password": first})
		Expect(take(ctx, restored)).To(Succeed())
		Expect(opens(ctx, "one of her own")).To(BeTrue())
		Expect(alive()).To(BeTrue())
		edit(ctx, restored, func() { restored.Data["password"] = []byte(second) })
		Expect(take(ctx, restored)).To(Succeed())
		Expect(opens(ctx, second)).To(BeTrue())
		Expect(alive()).To(BeFalse())
	})

	It("that is the present one already ends nothing", func(ctx SpecContext) {
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), first)).To(Succeed())
		alive := session(ctx)
		Expect(take(ctx, declare(ctx, map[string]string{"password": first}))).To(Succeed())
		Expect(alive()).To(BeTrue())
	})

	It("may be a hash, which is kept as it is", func(ctx SpecContext) {
		s := declare(ctx, map[string]string{"passwordHash": hashOf(first) + "\n"})
		Expect(take(ctx, s)).To(Succeed())
		Expect(opens(ctx, first)).To(BeTrue())
		alive := session(ctx)
		edit(ctx, s, func() { s.Data["passwordHash"] = []byte(hashOf(second)) })
		Expect(take(ctx, s)).To(Succeed())
		Expect(opens(ctx, second)).To(BeTrue())
		Expect(alive()).To(BeFalse())
	})

	It("is forgotten with the password of an account that signs in elsewhere, and taken again afterwards", func(ctx SpecContext) {
		s := declare(ctx, map[string]string{"password": first})
		Expect(take(ctx, s)).To(Succeed())
		Expect(store.ForgetPassword(ctx, ada, ids.Of(ada))).To(Succeed())
		Expect(opens(ctx, first)).To(BeFalse())
		Expect(take(ctx, s)).To(Succeed())
		Expect(opens(ctx, first)).To(BeTrue())
	})

	DescribeTable("is refused, and leaves everything as it is", func(ctx SpecContext, data map[string]string, reason, says string, change func(*corev1.Secret)) {
		Expect(store.SetPassword(ctx, ada, ids.Of(ada), "one of her own")).To(Succeed())
		alive, before := session(ctx), secretOf(ctx, ada).ResourceVersion
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "nowhere"}}
		if data != nil {
			s = declare(ctx, data, change)
		}
		f, is := fault.As(take(ctx, s))
		Expect(is).To(BeTrue())
		Expect(f.Reason).To(Equal(reason))
		Expect(f.Error()).To(And(HavePrefix("spec.passwordSecret: "), ContainSubstring(says)))
		for _, value := range data {
			if len(value) > 0 {
				Expect(f.Error()+f.Detail+f.Message).NotTo(ContainSubstring(strings.TrimSpace(value)), "nothing of it is told")
			}
		}
		Expect(alive()).To(BeTrue())
		Expect(secretOf(ctx, ada).ResourceVersion).To(Equal(before))
	},
		Entry("missing", nil, v1alpha1.ReasonPasswordSecretMissing, "there is no Secret nowhere", same),
		Entry("without a key", map[string]string{"pass": first}, v1alpha1.ReasonPasswordSecretInvalid, `one of the keys "password" and "passwordHash"`, same),
		Entry("with both keys", map[string]string{"password": first, "passwordHash": hashOf(first)}, v1alpha1.ReasonPasswordSecretInvalid, "one of the keys", same),
		Entry("too short", map[string]string{"password": "seven77"}, v1alpha1.ReasonPasswordSecretInvalid, "at least 8 characters", same),
		Entry("empty", map[string]string{"password": ""}, v1alpha1.ReasonPasswordSecretInvalid, "at least 8 characters", same),
		Entry("with a line break", map[string]string{"password": first + "\n"}, v1alpha1.ReasonPasswordSecretInvalid, "line break", same),
		Entry("a hash of another kind", map[string]string{"passwordHash": "$2y$10$abcdefghijklmnopqrstuv"}, v1alpha1.ReasonPasswordSecretInvalid, "$argon2id$v=19$m=19456,t=2,p=1$", same),
		Entry("a hash of a cost that somebody chose", map[string]string{"passwordHash": strings.Replace(hashOf(first), "m=19456", "m=9999999", 1)},
			v1alpha1.ReasonPasswordSecretInvalid, "$argon2id$v=19$m=19456,t=2,p=1$", same),
		Entry("in a Secret of another type", map[string]string{"password": first}, v1alpha1.ReasonPasswordSecretInvalid, "is of type example.org/other",
			func(s *corev1.Secret) { s.Type = "example.org/other" }),
		Entry("in what looks like somebody's credentials", map[string]string{"password": first}, v1alpha1.ReasonPasswordSecretInvalid, "name one of type Opaque",
			func(s *corev1.Secret) { s.GenerateName, s.Name = "", "berth-user-00000000-0000-4000-8000-000000000001" }),
	)

	It("is not taken from another user's credentials", func(ctx SpecContext) {
		eve := newUser(ctx)
		Expect(store.SetPassword(ctx, eve, ids.Of(eve), first)).To(Succeed())
		err := take(ctx, secretOf(ctx, eve))
		Expect(fault.Is(err, fault.Invalid)).To(BeTrue(), "%v", err)
		Expect(opens(ctx, first)).To(BeFalse())
	})
})

func same(*corev1.Secret) {}
