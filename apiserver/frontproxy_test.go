// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

var _ = Describe("The aggregated door", Ordered, func() {
	var organization string
	var ada *person
	var subject string

	me := func(ctx SpecContext, d door) answer { return ask(ctx, d, "GET", "/api/v2/users/me", nil) }

	BeforeAll(func(ctx SpecContext) {
		organization = newOrganization(ctx).Name
		ada = newPerson(ctx, organization)
		subject = ada.Spec.Subjects[0].Name
	})

	It("V 34: believes identity headers of an allowed front proxy only", func(ctx SpecContext) {
		foreign, err := newAuthority("front-proxy-ca")
		Expect(err).NotTo(HaveOccurred())
		wrongCA, err := foreign.client(env.proxy.name)
		Expect(err).NotTo(HaveOccurred())
		wrongName, err := env.proxy.client("somebody")
		Expect(err).NotTo(HaveOccurred())
		clusterCA, err := tls.X509KeyPair(env.Config.CertData, env.Config.KeyData)
		Expect(err).NotTo(HaveOccurred())
		for name, c := range map[string]struct {
			certificate *tls.Certificate
			want        int
		}{
			"no certificate":                  {nil, http.StatusUnauthorized},
			"another CA, the right name":      {wrongCA, http.StatusUnauthorized},
			"the right CA, another name":      {wrongName, http.StatusUnauthorized},
			"an administrator of the cluster": {&clusterCA, http.StatusUnauthorized},
			"the right CA and the right name": {env.proxy.certificate, http.StatusOK},
		} {
			d := direct(c.certificate)
			Expect(me(ctx, d.with("X-Remote-User", subject)).Status).To(Equal(c.want), name)
			Expect(ask(ctx, d.with("X-Remote-User", subject), "GET", "/api/v2/buildinfo", nil).Status).To(Equal(c.want), name+", where anybody may ask")
		}
		By("the session door, which knows no such header at all")
		d := direct(env.proxy.certificate).with("X-Remote-User", subject)
		d.aggregated = false
		Expect(me(ctx, d).Status).To(Equal(http.StatusUnauthorized))
		Expect(me(ctx, session("").with("X-Remote-User", subject)).Status).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, session("").with("X-Remote-User", subject), "GET", group+"/users/me", nil).Status).To(Equal(http.StatusNotFound), "no aggregated door without TLS")
		By("a session token, which this door does not know")
		a := ask(ctx, direct(nil).with("Coder-Session-Token", ada.session.header.Get("Coder-Session-Token")), "GET", "/api/v2/users/me", nil)
		Expect(a.Status).To(Equal(http.StatusUnauthorized))
	})

	It("V 34: learns at once of another CA and other names", func(ctx SpecContext) {
		key := client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "extension-apiserver-authentication"}
		before := &corev1.ConfigMap{}
		Expect(env.Client.Get(ctx, key, before)).To(Succeed())
		write := func(ctx SpecContext, change func(map[string]string)) {
			GinkgoHelper()
			now := &corev1.ConfigMap{}
			Expect(env.Client.Get(ctx, key, now)).To(Succeed())
			change(now.Data)
			Expect(env.Client.Update(ctx, now)).To(Succeed())
		}
		DeferCleanup(func(ctx SpecContext) {
			write(ctx, func(data map[string]string) {
				clear(data)
				for k, v := range before.Data {
					data[k] = v
				}
			})
			Eventually(func() int { return me(ctx, ada.aggregated).Status }).WithTimeout(20 * time.Second).Should(Equal(http.StatusOK))
		})
		next, err := newAuthority("front-proxy-ca-2")
		Expect(err).NotTo(HaveOccurred())
		certificate, err := next.client("next-name")
		Expect(err).NotTo(HaveOccurred())
		old, new := direct(env.proxy.certificate).with("X-Remote-User", subject), direct(certificate).with("X-Remote-User", subject)
		Expect(me(ctx, old).Status).To(Equal(http.StatusOK))
		write(ctx, func(data map[string]string) {
			data["requestheader-client-ca-file"] = string(next.pem())
			data["requestheader-allowed-names"] = `["next-name"]`
		})
		Eventually(func() int { return me(ctx, new).Status }).WithTimeout(5 * time.Second).Should(Equal(http.StatusOK))
		Eventually(func() int { return me(ctx, old).Status }).WithTimeout(5*time.Second).Should(Equal(http.StatusUnauthorized), "on a connection that is open already")
		write(ctx, func(data map[string]string) { data["requestheader-allowed-names"] = `[]` })
		Eventually(func() int { return me(ctx, new).Status }).WithTimeout(5*time.Second).Should(Equal(http.StatusUnauthorized), "no name is allowed, so none is")
	})

	It("V 37: is nobody's without an identity, and never our own", func(ctx SpecContext) {
		proxy := direct(env.proxy.certificate)
		for name, d := range map[string]door{
			"no header":            proxy,
			"an empty one":         proxy.with("X-Remote-User", ""),
			"blanks":               proxy.with("X-Remote-User", "  "),
			"a group alone":        proxy.with("X-Remote-Group", "system:masters"),
			"nobody by name":       proxy.with("X-Remote-User", "system:anonymous"),
			"two names":            proxy.with("X-Remote-User", subject, "system:admin"),
			"dropped on the way":   proxy.with("X-Remote-User", subject).with("Connection", "X-Remote-User"),
			"dropped among others": proxy.with("X-Remote-User", subject).with("Connection", "keep-alive, x-remote-group"),
			"dropped in a second":  proxy.with("X-Remote-User", subject).with("Connection", "keep-alive", "X-Remote-Extra-Scopes"),
		} {
			Expect(me(ctx, d).Status).To(Equal(http.StatusUnauthorized), name)
		}
		By("our own account and the cluster's administrators, who are no Users")
		for _, name := range []string{"system:serviceaccount:" + namespace + ":" + service, "system:admin", "kubernetes-admin", "system:kube-aggregator"} {
			Expect(me(ctx, proxy.with("X-Remote-User", name).with("X-Remote-Group", "system:masters")).Status).To(Equal(http.StatusForbidden), name)
		}
		Expect(me(ctx, proxy.with("X-Remote-User", subject).with("Connection", "keep-alive")).Status).To(Equal(http.StatusOK))
	})

	It("tells a stranger how it sees them and who can change that", func(ctx SpecContext) {
		config, err := env.AddUser("oidc:Eve@example.org", "dev", "all")
		Expect(err).NotTo(HaveOccurred())
		a := me(ctx, aggregated(config))
		Expect(a.Status).To(Equal(http.StatusForbidden))
		Expect(a.Message()).To(Equal(`you are "oidc:Eve@example.org" (groups all, dev), which no User lists in spec.subjects. ` +
			`A user-admin can add {kind: User, name: "oidc:Eve@example.org"} there: kubectl edit users.berth.dev eve`))
	})

	It("knows a service account, and a person whom another may impersonate", func(ctx SpecContext) {
		robot := given.User(unique("robot"), func(u *v1alpha1.User) {
			u.Spec.Subjects = []v1alpha1.Subject{{Kind: "ServiceAccount", Namespace: "ci", Name: u.Name}}
			u.Spec.Memberships = ada.Spec.Memberships
		})
		Expect(env.Client.Create(ctx, robot)).To(Succeed())
		proxy := direct(env.proxy.certificate)
		Eventually(func() int { return me(ctx, proxy.with("X-Remote-User", "system:serviceaccount:ci:"+robot.Name)).Status }).Should(Equal(http.StatusOK))
		for _, name := range []string{"system:serviceaccount:cd:" + robot.Name, "system:serviceaccount:ci:" + robot.Name + ":x", "ci:" + robot.Name, robot.Name} {
			Expect(me(ctx, proxy.with("X-Remote-User", name)).Status).To(Equal(http.StatusForbidden), name)
		}
		impersonating := rest.CopyConfig(env.Config)
		impersonating.Impersonate.UserName = subject
		impersonating.Impersonate.Groups = []string{"system:authenticated"}
		var user codersdk.User
		me(ctx, aggregated(impersonating)).JSON(&user)
		Expect(user.ID).To(Equal(ids.Of(ada.User)))
	})

	It("takes an identity that two Users list for nobody's", func(ctx SpecContext) {
		both := newPerson(ctx, organization)
		Expect(me(ctx, both.aggregated).Status).To(Equal(http.StatusOK))
		thief := given.User(unique("thief"), func(u *v1alpha1.User) { u.Spec.Subjects = both.Spec.Subjects })
		Expect(env.Client.Create(ctx, thief)).To(Succeed())
		Eventually(func() int { return me(ctx, both.aggregated).Status }).Should(Equal(http.StatusForbidden))
		Expect(me(ctx, both.aggregated).Message()).To(ContainSubstring("more than one User"))
		Expect(me(ctx, both.session).Status).To(Equal(http.StatusOK), "the session is not concerned")
	})

	It("gives the rights of Groups that list one of the caller's groups, while the caller has it", func(ctx SpecContext) {
		w := newWorld(ctx)
		before := w.template.DeepCopy()
		w.template.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindGroup, Name: "backend", Role: v1alpha1.AccessRoleUse}}
		Expect(env.Client.Patch(ctx, w.template, client.MergeFrom(before))).To(Succeed())
		Expect(env.Client.Create(ctx, given.Group(w.organization.Name, "backend", func(g *v1alpha1.Group) {
			g.Spec.Subjects = []v1alpha1.Subject{{Kind: "Group", Name: "oidc:backend"}}
		}))).To(Succeed())
		path := "/api/v2/templates/" + ids.Of(w.template).String()
		proxy := direct(env.proxy.certificate).with("X-Remote-User", w.peer.Spec.Subjects[0].Name)
		Eventually(func() int {
			return ask(ctx, proxy.with("X-Remote-Group", "oidc:backend", "x"), "GET", path, nil).Status
		}).Should(Equal(http.StatusOK))
		Eventually(func() int { return ask(ctx, proxy.with("X-Remote-Group", "oidc:frontend"), "GET", path, nil).Status }).Should(Equal(http.StatusNotFound))
		stranger := direct(env.proxy.certificate).with("X-Remote-User", w.stranger.Spec.Subjects[0].Name).with("X-Remote-Group", "oidc:backend")
		Expect(ask(ctx, stranger, "GET", path, nil).Status).To(Equal(http.StatusNotFound), "a group gives nothing outside of one's organizations")
	})

	It("is found by discovery as a group without resources", func(ctx SpecContext) {
		d := aggregated(env.Config)
		d.aggregated = false
		for _, path := range []string{"/apis/codersdk.berth.dev", group} {
			a := ask(ctx, d, "GET", path, nil)
			Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
		}
		var list metav1.APIResourceList
		ask(ctx, d, "GET", group, nil).JSON(&list)
		Expect(list.APIResources).To(BeEmpty())
		var groups metav1.APIGroupList
		ask(ctx, d, "GET", "/apis", nil).JSON(&groups)
		data, err := json.Marshal(groups)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(ContainSubstring(`"groupVersion":"codersdk.berth.dev/v2"`))
	})

	It("V 35: asks the kube-apiserver for no more than the table offers", func(ctx SpecContext) {
		// The ClusterRole is generated from the table, so what it leaves out is refused before it reaches us.
		for _, path := range []string{"/api/v2/secrets", "/api/v2/users/me/gitsshkey", "/api/v2/users/first/x", "/api/v2/workspaces/x/secret"} {
			a := ask(ctx, ada.aggregated, "GET", path, nil)
			Expect(a.Status).To(Equal(http.StatusForbidden), path+" "+string(a.Body))
			Expect(a.Header.Get("X-Coder-Build-Version")).To(BeEmpty(), "it was the kube-apiserver who refused "+path)
		}
		reviewer := &rbacv1.ClusterRole{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Name: "berth-aggregated-api"}, reviewer)).To(Succeed())
		for _, rule := range reviewer.Rules {
			Expect(strings.Join(append(rule.Resources, rule.Verbs...), " ")).NotTo(ContainSubstring("*"))
		}
	})

	It("V 35, V 39: takes a path that hides another for none", func(ctx SpecContext) {
		w := newWorld(ctx)
		ws := w.workspace(ctx)
		proxy := direct(env.proxy.certificate).with("X-Remote-User", w.owner.Spec.Subjects[0].Name)
		stranger := w.stranger.aggregated
		for _, path := range []string{"/api/v2/users/..%2fusers/" + w.member.Name, "/api/v2/workspaces/" + ids.Of(ws).String() + "%2f", "/api/v2/workspaces/%2e%2e/users/me",
			"/api/v2/users/" + w.member.Name + "%2fworkspace%2f" + ws.Name, "/api/v2/users/%2e/workspace/" + ws.Name} {
			for name, d := range map[string]door{"session": w.owner.session, "aggregated": proxy} {
				a := ask(ctx, d, "GET", path, nil)
				Expect(a.Status).To(Equal(http.StatusNotFound), "%s %s", name, path)
				Expect(a.Message()).To(Equal("Route not found."), path)
			}
			// The kube-apiserver decodes a path before it authorizes it and passes on what it authorized, so what it makes of
			// one is at most the plain path, with the caller's own rights.
			Expect(ask(ctx, stranger, "GET", path, nil).Status).To(BeElementOf(http.StatusNotFound, http.StatusForbidden), path)
		}
	})
})
