// SPDX-License-Identifier: Apache-2.0

package credentials_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("What an external provider gave", func() {
	var now *clock
	var store *credentials.Store
	var ada *v1alpha1.User
	const host = "host"

	BeforeEach(func(ctx SpecContext) {
		now = &clock{now: time.Now().Truncate(time.Second)}
		store = credentials.New(cached, namespace, now.Now)
		ada = newUser(ctx)
	})

	links := func(ctx SpecContext, l credentials.External) {
		GinkgoHelper()
		Expect(store.LinkExternal(ctx, ada, ids.Of(ada), host, l)).To(Succeed())
	}
	kept := func(ctx SpecContext) credentials.External {
		GinkgoHelper()
		l, ok, err := store.External(ctx, ids.Of(ada), host)
		Expect(err).NotTo(HaveOccurred())
		Expect(ok).To(BeTrue())
		return l
	}
	begins := func(ctx SpecContext, l credentials.External) credentials.External {
		GinkgoHelper()
		mine, began, err := store.BeginExternalRefresh(ctx, ids.Of(ada), host, l)
		Expect(err).NotTo(HaveOccurred())
		Expect(began).To(BeTrue())
		return mine
	}
	ends := func(ctx SpecContext, was, l credentials.External) {
		GinkgoHelper()
		Expect(store.EndExternalRefresh(ctx, ids.Of(ada), host, was, l)).To(Succeed())
	}
	refused := func(l credentials.External) credentials.External {
		l.Refresh, l.Refused = "", true
		return l
	}
	first, second := credentials.External{Access: "a1", Refresh: "r1"}, credentials.External{Access: "a2", Refresh: "r2"}

	It("is refreshed by one of those who have read the same", func(ctx SpecContext) {
		links(ctx, first)
		seen := kept(ctx)
		mine := begins(ctx, seen)
		_, began, err := store.BeginExternalRefresh(ctx, ids.Of(ada), host, seen)
		Expect(err).NotTo(HaveOccurred())
		Expect(began).To(BeFalse())
		Expect(kept(ctx).Claim).To(Equal(mine.Claim))
		now.pass(time.Hour)
		ends(ctx, mine, second)
		Expect(kept(ctx)).To(And(HaveField("Access", "a2"), HaveField("Refresh", "r2"), HaveField("Claim", ""), HaveField("CreatedAt", seen.CreatedAt)))
	})

	It("is kept though it comes late, when another has claimed it and was refused the spent token", func(ctx SpecContext) {
		links(ctx, first)
		mine := begins(ctx, kept(ctx))
		theirs := begins(ctx, kept(ctx))
		ends(ctx, theirs, refused(theirs))
		Expect(kept(ctx).Refused).To(BeTrue())
		ends(ctx, mine, second)
		Expect(kept(ctx)).To(And(HaveField("Access", "a2"), HaveField("Refused", false)))
	})

	It("is no refusal of who has lost the claim, nor an end of another's claim", func(ctx SpecContext) {
		links(ctx, first)
		mine := begins(ctx, kept(ctx))
		theirs := begins(ctx, kept(ctx))
		ends(ctx, mine, refused(mine))
		ends(ctx, mine, mine)
		Expect(kept(ctx)).To(And(HaveField("Refresh", "r1"), HaveField("Refused", false), HaveField("Claim", theirs.Claim)))
		ends(ctx, theirs, second)
		Expect(kept(ctx).Access).To(Equal("a2"))
	})

	It("is nothing against a new sign-in, or once the person has signed out", func(ctx SpecContext) {
		links(ctx, first)
		mine := begins(ctx, kept(ctx))
		links(ctx, credentials.External{Access: "b1", Refresh: "s1"})
		ends(ctx, mine, second)
		ends(ctx, mine, refused(mine))
		Expect(store.MarkExternal(ctx, ids.Of(ada), host, mine, true)).To(Succeed())
		Expect(kept(ctx)).To(And(HaveField("Access", "b1"), HaveField("Refresh", "s1"), HaveField("Claim", ""), HaveField("Refused", false)))

		mine = begins(ctx, kept(ctx))
		was, found, err := store.UnlinkExternal(ctx, ids.Of(ada), host)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(BeTrue())
		Expect(was.Access).To(Equal("b1"))
		ends(ctx, mine, second)
		_, there, err := store.External(ctx, ids.Of(ada), host)
		Expect(err).NotTo(HaveOccurred())
		Expect(there).To(BeFalse())
	})

	It("is marked as what the provider takes, and lists where somebody is signed in", func(ctx SpecContext) {
		links(ctx, first)
		Expect(store.LinkExternal(ctx, ada, ids.Of(ada), "another", second)).To(Succeed())
		Expect(store.MarkExternal(ctx, ids.Of(ada), host, kept(ctx), true)).To(Succeed())
		all, err := store.Externals(ctx, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(credentials.SignedInTo(all)).To(Equal([]string{"another"}))
		Expect(store.MarkExternal(ctx, ids.Of(ada), host, kept(ctx), false)).To(Succeed())
		all, err = store.Externals(ctx, ids.Of(ada))
		Expect(err).NotTo(HaveOccurred())
		Expect(credentials.SignedInTo(all)).To(Equal([]string{"another", host}))
	})

	It("is bounded, in number and in size, and a new sign-in where one is takes the place of the old", func(ctx SpecContext) {
		for i := range 15 {
			Expect(store.LinkExternal(ctx, ada, ids.Of(ada), fmt.Sprint("p", i), first)).To(Succeed())
		}
		links(ctx, first)
		Expect(fault.Is(store.LinkExternal(ctx, ada, ids.Of(ada), "p15", first), fault.Conflict)).To(BeTrue())
		links(ctx, second)
		Expect(store.LinkExternal(ctx, ada, ids.Of(ada), host, credentials.External{Access: strings.Repeat("x", 50<<10)})).NotTo(Succeed())
		Expect(kept(ctx).Access).To(Equal("a2"))
	})
})
