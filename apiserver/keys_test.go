// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("A token", func() {
	const place = "/api/v2/users/me/keys/tokens"
	var w *world

	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	create := func(ctx context.Context, d door, in codersdk.CreateTokenRequest) string {
		GinkgoHelper()
		var out codersdk.GenerateAPIKeyResponse
		a := ask(ctx, d, "POST", place, in)
		Expect(a.Status).To(Equal(http.StatusCreated), string(a.Body))
		a.JSON(&out)
		return out.Key
	}
	list := func(ctx context.Context, d door, query string) (tokens []codersdk.APIKeyWithOwner) {
		GinkgoHelper()
		ask(ctx, d, "GET", place+query, nil).JSON(&tokens)
		return tokens
	}
	names := func(tokens []codersdk.APIKeyWithOwner) (all []string) {
		for _, t := range tokens {
			all = append(all, t.TokenName)
		}
		return all
	}

	It("opens the API until it is deleted, and is shown without its secret", func(ctx SpecContext) {
		token := create(ctx, w.member.session, codersdk.CreateTokenRequest{TokenName: "ci", Lifetime: 48 * time.Hour})
		Expect(me(ctx, session(token))).To(Equal(http.StatusOK))
		id, secret, _ := strings.Cut(token, "-")

		a := ask(ctx, w.member.session, "GET", place+"/ci", nil)
		Expect(string(a.Body)).NotTo(ContainSubstring(secret))
		var key codersdk.APIKey
		a.JSON(&key)
		Expect(key.ID).To(Equal(id))
		Expect(key.UserID).To(Equal(ids.Of(w.member.User)))
		Expect(key.LoginType).To(Equal(codersdk.LoginTypeToken))
		Expect(key.Scope).To(Equal(codersdk.APIKeyScopeAll))
		Expect(key.LifetimeSeconds).To(BeEquivalentTo(48 * 60 * 60))
		Expect(key.ExpiresAt.Sub(key.CreatedAt)).To(Equal(48 * time.Hour))
		Expect(key.LastUsed).To(BeTemporally("~", time.Now(), time.Minute), "it was used above")

		tokens := list(ctx, w.member.session, "")
		Expect(names(tokens)).To(Equal([]string{"ci"}), "sessions are no tokens")
		Expect(tokens[0].Username).To(Equal(w.member.Name))
		byID := ask(ctx, w.member.aggregated, "GET", "/api/v2/users/me/keys/"+id, nil)
		Expect(withoutStatus(byID)).To(MatchJSON(a.Body))

		Expect(ask(ctx, w.member.session, "DELETE", "/api/v2/users/me/keys/"+id, nil).Status).To(Equal(http.StatusNoContent))
		Expect(me(ctx, session(token))).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, w.member.session, "DELETE", "/api/v2/users/me/keys/"+id, nil).Status).To(Equal(http.StatusNotFound))
		Expect(list(ctx, w.member.session, "")).To(BeEmpty())
	})

	It("ends with the password, as a session does", func(ctx SpecContext) {
		token := create(ctx, w.member.session, codersdk.CreateTokenRequest{})
		var other codersdk.GenerateAPIKeyResponse
		ask(ctx, w.member.session, "POST", "/api/v2/users/me/keys", nil).JSON(&other)
		Expect(me(ctx, session(other.Key))).To(Equal(http.StatusOK))
		Expect(names(list(ctx, w.member.session, ""))).To(Equal([]string{"token-1"}))
		Expect(credentials.New(env.Client, namespace, time.Now).SetPassword(ctx, w.member.User, ids.Of(w.member.User), "another password")).To(Succeed())
		for _, key := range []string{other.Key, token} {
			Eventually(func() int { return me(ctx, session(key)) }).WithTimeout(10 * time.Second).Should(Equal(http.StatusUnauthorized))
		}
	})

	It("of the narrow scope opens nothing of the API", func(ctx SpecContext) {
		token := create(ctx, w.member.session, codersdk.CreateTokenRequest{TokenName: "apps", Scope: codersdk.APIKeyScopeApplicationConnect})
		for _, path := range []string{"/api/v2/users/me", "/api/v2/workspaces", place} {
			a := ask(ctx, session(token), "GET", path, nil)
			Expect(a.Status).To(Equal(http.StatusForbidden), path)
			Expect(a.Message()).To(ContainSubstring("scope all"))
		}
		Expect(ask(ctx, session(token), "POST", place, codersdk.CreateTokenRequest{}).Status).To(Equal(http.StatusForbidden))
	})

	It("is refused with the field when it can't be", func(ctx SpecContext) {
		create(ctx, w.member.session, codersdk.CreateTokenRequest{TokenName: "taken"})
		for name, c := range map[string]struct {
			in     codersdk.CreateTokenRequest
			status int
			field  string
		}{
			"a taken name":       {codersdk.CreateTokenRequest{TokenName: "taken"}, http.StatusConflict, "token_name"},
			"a path":             {codersdk.CreateTokenRequest{TokenName: "../x"}, http.StatusBadRequest, "token_name"},
			"the config's name":  {codersdk.CreateTokenRequest{TokenName: "tokenconfig"}, http.StatusBadRequest, "token_name"},
			"a long name":        {codersdk.CreateTokenRequest{TokenName: strings.Repeat("x", 33)}, http.StatusBadRequest, "token_name"},
			"a negative life":    {codersdk.CreateTokenRequest{Lifetime: -time.Hour}, http.StatusBadRequest, "lifetime"},
			"seconds, not nanos": {codersdk.CreateTokenRequest{Lifetime: 3600}, http.StatusBadRequest, "lifetime"},
			"two centuries":      {codersdk.CreateTokenRequest{Lifetime: 2 * 876_600 * time.Hour}, http.StatusBadRequest, "lifetime"},
			"another scope":      {codersdk.CreateTokenRequest{Scope: "everything"}, http.StatusBadRequest, "scope"},
		} {
			a := ask(ctx, w.member.session, "POST", place, c.in)
			Expect(a.Status).To(Equal(c.status), "%s: %s", name, a.Body)
			var r codersdk.Response
			Expect(json.Unmarshal(a.Body, &r)).To(Succeed())
			Expect(r.Validations).To(ConsistOf(HaveField("Field", c.field)), name)
		}
	})

	It("has a name of its own, however many ask at once", func(ctx SpecContext) {
		statuses := make(chan int, 8)
		var asking sync.WaitGroup
		for range cap(statuses) {
			asking.Go(func() {
				defer GinkgoRecover()
				statuses <- ask(ctx, w.member.session, "POST", place, codersdk.CreateTokenRequest{TokenName: "one"}).Status
			})
		}
		asking.Wait()
		close(statuses)
		made := 0
		for status := range statuses {
			Expect(status).To(BeElementOf(http.StatusCreated, http.StatusConflict))
			if status == http.StatusCreated {
				made++
			}
		}
		Expect(made).To(Equal(1))
		Expect(names(list(ctx, w.member.session, ""))).To(Equal([]string{"one"}))
	})

	It("for git is a person's own, shown by its public half alone, and replaced on demand", func(ctx SpecContext) {
		const path = "users/me/gitsshkey"
		first := got[codersdk.GitSSHKey](ctx, 200, w.member.session, "GET", path, nil)
		Expect(first.PublicKey).To(MatchRegexp(`^ssh-ed25519 [A-Za-z0-9+/=]+\n$`))
		Expect(first.UserID).To(Equal(ids.Of(w.member.User)))
		Expect(got[codersdk.GitSSHKey](ctx, 200, w.member.session, "GET", path, nil)).To(Equal(first), "a second look changes nothing")
		Expect(got[codersdk.GitSSHKey](ctx, 200, w.peer.session, "GET", path, nil).PublicKey).NotTo(Equal(first.PublicKey))
		refused(ctx, 404, w.peer.session, "GET", "users/"+w.member.Name+"/gitsshkey", nil)
		next := got[codersdk.GitSSHKey](ctx, 200, w.member.session, "PUT", path, nil)
		Expect(next.PublicKey).NotTo(Equal(first.PublicKey))
		Expect(next.CreatedAt).To(BeTemporally("==", first.CreatedAt))
		Expect(got[codersdk.GitSSHKey](ctx, 200, w.owner.session, "GET", "users/"+w.member.Name+"/gitsshkey", nil)).To(Equal(next))
		Expect(me(ctx, w.member.session)).To(Equal(http.StatusOK), "it ends no session")
	})

	It("of everybody is listed to whoever may see them", func(ctx SpecContext) {
		create(ctx, w.member.session, codersdk.CreateTokenRequest{TokenName: "members"})
		create(ctx, w.peer.session, codersdk.CreateTokenRequest{TokenName: "peers"})
		Expect(names(list(ctx, w.owner.session, "?include_all=true"))).To(ContainElements("members", "peers"))
		Expect(names(list(ctx, w.member.session, "?include_all=true"))).To(Equal([]string{"members"}))
		Expect(list(ctx, w.owner.session, "")).To(BeEmpty())
	})
})
