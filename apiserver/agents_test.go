// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"
	"syscall"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/v1alpha1"
)

var _ = Describe("The agent of a prepared pod", func() {
	var w *world
	BeforeEach(func(ctx SpecContext) { w = newWorld(ctx) })

	It("waits, is told whose the pod has become, and starts its command, all in one process and with four writes", func(ctx SpecContext) {
		p := w.prepare(ctx, w.personal(ctx))
		writes, err := env.Client.Watch(ctx, &v1alpha1.WarmWorkspaceList{}, client.InNamespace(p.Namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: p.ResourceVersion}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(writes.Stop)
		a := runAgent(ctx, p)
		p.connected(ctx, true)
		Expect(p.agent(ctx, "main").Replica).NotTo(BeEmpty())
		Expect(a.said()).To(BeEmpty(), "nothing runs before the claim")
		ws := p.claim(ctx)
		Eventually(a.said).WithTimeout(20 * time.Second).Should(ContainSubstring("whose=" + w.member.Name + "'s name=" + ws.Name + " url="))
		Eventually(func() bool { return p.agent(ctx, "main").Bound }).WithTimeout(20 * time.Second).Should(BeTrue())
		Expect(a.process.Process.Signal(syscall.Signal(0))).To(Succeed(), "the process is the one that waited")

		var seen []v1alpha1.WarmAgent
		for range 4 {
			var e watch.Event
			Eventually(writes.ResultChan()).WithTimeout(10 * time.Second).Should(Receive(&e))
			slot, ok := e.Object.(*v1alpha1.WarmWorkspace)
			Expect(ok).To(BeTrue())
			if Expect(slot.Status.Agents).To(HaveLen(1)); len(seen) > 0 {
				slot.Status.Agents[0].Replica = ""
			}
			seen = append(seen, slot.Status.Agents[0])
		}
		hash := p.agent(ctx, "main").SecretHash
		Expect(hash).To(HaveLen(64))
		Expect(seen[0].Connected && seen[0].SecretHash == "").To(BeTrue())
		Expect(seen[1:]).To(Equal([]v1alpha1.WarmAgent{
			{Name: "main", Connected: true}, // the claim itself
			{Name: "main", SecretHash: hash},
			{Name: "main", SecretHash: hash, Bound: true},
		}))
		Consistently(writes.ResultChan()).ShouldNot(Receive())
		// V 7: neither side says a word of the token.
		Expect(env.log.String()).NotTo(ContainSubstring(p.token))
		Expect(a.said() + a.complaints()).NotTo(ContainSubstring(p.token))
	}, NodeTimeout(3*time.Minute))

	It("V 6: is told by a secret, without which nothing that was issued before opens anything from the claim on", func(ctx SpecContext) {
		replica := start()
		defer replica.stop()
		p := w.prepare(ctx, w.personal(ctx))
		conn := p.upgraded(ctx, env.server)
		ws := p.claim(ctx)
		c := told(ctx, conn)
		for _, at := range []*running{env.server, replica} {
			Eventually(func() int {
				again, response := hold(ctx, at, p.shows())
				if again != nil {
					_ = again.CloseNow() // it should not have been let in
				}
				return response.StatusCode
			}).WithTimeout(time.Second).Should(Equal(http.StatusUnauthorized), "what was issued before is dead at every server within a second")
		}
		Expect(c.Env).To(ContainElements(
			agentsdk.EnvVar{Name: "WHOSE", Value: w.member.Name + "'s"}, agentsdk.EnvVar{Name: "BERTH_OWNER_NAME", Value: w.member.Name},
			agentsdk.EnvVar{Name: "BERTH_WORKSPACE_NAME", Value: ws.Name}, agentsdk.EnvVar{Name: "BERTH_WORKSPACE_ID", Value: string(ws.UID)}))
		for _, v := range c.Env {
			Expect(v.Name).NotTo(Equal("SHARED"), "what all have is in the pod")
		}
		Expect(conn.Write(ctx, websocket.MessageText, []byte("{}"))).To(Succeed())
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusNormalClosure))
		Expect(p.agent(ctx, "main").Bound).To(BeTrue())

		other := w.prepare(ctx, w.personal(ctx))
		for name, s := range map[string]shown{
			"the token alone":               p.shows(),
			"another token of the pod":      {token: mint(ctx, p.Namespace, p.pod, "berth"), name: "main"},
			"a wrong secret":                {p.token, "x" + c.Secret[1:], "main"},
			"the hash for the secret":       {p.token, p.agent(ctx, "main").SecretHash, "main"},
			"the secret as the token":       {c.Secret, c.Secret, "main"},
			"the secret alone":              {"", c.Secret, "main"},
			"a person's token and a secret": {w.member.session.header.Get("Coder-Session-Token"), c.Secret, "main"},
		} {
			_, response := hold(ctx, env.server, s)
			Expect(response.StatusCode).To(Equal(http.StatusUnauthorized), name)
		}
		// V 45: it proves who one is in one's own pod only
		_, response := hold(ctx, env.server, shown{other.token, c.Secret, "main"})
		Expect(response.StatusCode).To(Equal(http.StatusUnauthorized))
		Expect(other.agent(ctx, "main").SecretHash).To(BeEmpty())

		// with both it is known, and there is nothing more to be told
		conn, response = hold(ctx, env.server, shown{p.token, c.Secret, "main"})
		Expect(response.StatusCode).To(Equal(http.StatusSwitchingProtocols))
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusNormalClosure))
		Expect(env.log.String()).NotTo(ContainSubstring(c.Secret))
	}, NodeTimeout(2*time.Minute))

	It("V 28, V 49: is refused before the switch without credentials of a prepared pod", func(ctx SpecContext) {
		p := w.prepare(ctx, w.version)
		p.upgraded(ctx, env.server)
		sessionToken := w.owner.session.header.Get("Coder-Session-Token")
		stray, strayToken := runs(ctx, p.Namespace, unique("stray"), "berth")
		_, forAnother := runs(ctx, p.Namespace, unique("another"), "vault")
		for name, s := range map[string]shown{
			"nothing":              {name: "main"},
			"made up":              {token: "0123456789-0123456789012345678901", name: "main"},
			"a person's":           {token: sessionToken, name: "main"},
			"of no pod":            {token: mint(ctx, p.Namespace, nil, "berth"), name: "main"},
			"for another audience": {token: forAnother, name: "main"},
			"for another too":      {token: mint(ctx, p.Namespace, p.pod, "berth", "vault"), name: "main"},
			"for the cluster":      {token: mint(ctx, p.Namespace, p.pod), name: "main"},
			"cut":                  {token: p.token[:len(p.token)-8], name: "main"},
		} {
			conn, response := hold(ctx, env.server, s)
			Expect(conn).To(BeNil(), name)
			Expect(response.StatusCode).To(Equal(http.StatusUnauthorized), name)
		}
		_, response := hold(ctx, env.server, shown{token: p.token, name: "other"})
		Expect(response.StatusCode).To(Equal(http.StatusBadRequest), "an agent that the pod does not have")

		By("a pod that nobody wrote down, whatever it says of itself")
		stray.Labels = map[string]string{v1alpha1.LabelID: string(p.UID)}
		Expect(env.Client.Update(ctx, stray)).To(Succeed())
		_, response = hold(ctx, env.server, shown{token: strayToken, name: "main"})
		Expect(response.StatusCode).To(Equal(http.StatusUnauthorized))
		Expect(response.Header.Get("Retry-After")).NotTo(BeEmpty(), "it may be written down yet")

		By("the other way round: an agent's token opens nothing that is a person's")
		Expect(me(ctx, session(p.token))).To(Equal(http.StatusUnauthorized))
		Expect(ask(ctx, session(p.token), "GET", "/api/v2/workspaces", nil).Status).To(Equal(http.StatusUnauthorized))
	}, NodeTimeout(2*time.Minute))

	It("is let in as soon as its pod is written down", func(ctx SpecContext) {
		p := w.unwritten(ctx, w.version)
		status := make(chan int, 1)
		go func() {
			defer GinkgoRecover()
			_, response := hold(ctx, env.server, p.shows())
			status <- response.StatusCode
		}()
		Consistently(status, "300ms").ShouldNot(Receive())
		p.writeDown(ctx)
		Eventually(status).WithTimeout(10 * time.Second).Should(Receive(Equal(http.StatusSwitchingProtocols)))
	}, NodeTimeout(time.Minute))

	It("V 10, V 45: hears of its own pod's claim and of no other's", func(ctx SpecContext) {
		v := w.personal(ctx)
		a, b := w.prepare(ctx, v), w.prepare(ctx, v)
		ofA, ofB := a.upgraded(ctx, env.server), b.upgraded(ctx, env.server)
		ws := b.claim(ctx)
		c := told(ctx, ofB)
		Expect(c.Env).To(ContainElement(agentsdk.EnvVar{Name: "BERTH_WORKSPACE_NAME", Value: ws.Name}))
		Expect(a.agent(ctx, "main")).To(HaveField("SecretHash", ""))
		ws = a.claim(ctx)
		c = told(ctx, ofA)
		Expect(c.Env).To(ContainElement(agentsdk.EnvVar{Name: "BERTH_WORKSPACE_NAME", Value: ws.Name}))
	}, NodeTimeout(time.Minute))

	It("is told in each of a pod's agents by a secret of its own", func(ctx SpecContext) {
		v := w.personal(ctx, func(c *v1alpha1.TemplateContent) {
			c.Image, c.Env = "", nil
			c.Agents = []v1alpha1.Agent{{Name: "main", Container: "dev"}, {Name: "web", Container: "web", Env: []v1alpha1.EnvVar{{Name: "WEB", Value: "${workspace.name}"}}}}
			c.PodTemplate = &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"dev","image":"registry.example/dev:1"},{"name":"web","image":"registry.example/web:1"}]}}`)}
		})
		p := w.prepare(ctx, v)
		main := p.upgraded(ctx, env.server)
		web, response := hold(ctx, env.server, shown{token: p.token, name: "web"})
		Expect(response.StatusCode).To(Equal(http.StatusSwitchingProtocols))
		Eventually(func() bool { return p.agent(ctx, "web").Connected }).WithTimeout(10 * time.Second).Should(BeTrue())
		ws := p.claim(ctx)
		ofMain, ofWeb := told(ctx, main), told(ctx, web)
		Expect(ofWeb.Env).To(ContainElement(agentsdk.EnvVar{Name: "WEB", Value: ws.Name}))
		Expect(ofMain.Env).NotTo(ContainElement(HaveField("Name", "WEB")))
		Expect(ofMain.Secret).NotTo(Equal(ofWeb.Secret))
		_, response = hold(ctx, env.server, shown{p.token, ofMain.Secret, "web"})
		Expect(response.StatusCode).To(Equal(http.StatusUnauthorized))
		conn, response := hold(ctx, env.server, shown{p.token, ofWeb.Secret, "web"})
		Expect(response.StatusCode).To(Equal(http.StatusSwitchingProtocols))
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusNormalClosure))
		Expect(p.agent(ctx, "web").Bound).To(BeTrue())
		Expect(p.agent(ctx, "main").Bound).To(BeFalse())
	}, NodeTimeout(time.Minute))

	It("is away when its stream is cut, and back when it comes again, wherever that is", func(ctx SpecContext) {
		p := w.prepare(ctx, w.version)
		first := p.upgraded(ctx, env.server)
		Expect(first.CloseNow()).To(Succeed())
		p.connected(ctx, false)
		first = p.upgraded(ctx, env.server)

		By("a second stream takes the first one's place, without a write")
		version := p.ResourceVersion
		second, _ := hold(ctx, env.server, p.shows())
		Expect(closes(ctx, first)).To(Equal(websocket.StatusPolicyViolation)) // only then the server knows of the second
		third, _ := hold(ctx, env.server, p.shows())
		Expect(closes(ctx, second)).To(Equal(websocket.StatusPolicyViolation))
		Expect(p.agent(ctx, "main").Connected).To(BeTrue())
		Expect(p.ResourceVersion).To(Equal(version))

		By("another server takes over, and what ends at the first changes nothing")
		other := start()
		replica := p.agent(ctx, "main").Replica
		fourth, _ := hold(ctx, other, p.shows())
		Expect(third.CloseNow()).To(Succeed())
		Eventually(func(g Gomega) {
			a := p.agent(ctx, "main")
			g.Expect(a.Connected).To(BeTrue())
			g.Expect(a.Replica).NotTo(Equal(replica))
		}).WithTimeout(20 * time.Second).Should(Succeed())

		By("a server that stops says so, to the agent and to the cluster")
		other.stop()
		Expect(closes(ctx, fourth)).To(Equal(websocket.StatusGoingAway))
		p.connected(ctx, false)
	}, NodeTimeout(2*time.Minute))

	It("is told once, however many streams of it there are", func(ctx SpecContext) {
		p := w.prepare(ctx, w.personal(ctx))
		other := start()
		first := p.upgraded(ctx, env.server)
		second, _ := hold(ctx, other, p.shows())
		p.claim(ctx)
		tellings := 0
		for _, conn := range []*websocket.Conn{first, second} {
			limit, cancel := context.WithTimeout(ctx, 20*time.Second)
			if _, _, err := conn.Read(limit); err == nil {
				tellings++
			} else {
				Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusPolicyViolation), err.Error())
			}
			cancel()
		}
		Expect(tellings).To(Equal(1))
	}, NodeTimeout(time.Minute))

	It("that is cut after it was told is not bound, until it comes with its secret", func(ctx SpecContext) {
		p := w.prepare(ctx, w.personal(ctx))
		conn := p.upgraded(ctx, env.server)
		p.claim(ctx)
		c := told(ctx, conn)
		Expect(conn.CloseNow()).To(Succeed())
		Expect(p.agent(ctx, "main")).To(And(HaveField("SecretHash", HaveLen(64)), HaveField("Bound", false)))
		_, response := hold(ctx, env.server, p.shows())
		Expect(response.StatusCode).To(Equal(http.StatusUnauthorized), "no second secret is given")
		conn, response = hold(ctx, env.server, shown{p.token, c.Secret, "main"})
		Expect(response.StatusCode).To(Equal(http.StatusSwitchingProtocols))
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusNormalClosure))
		Expect(p.agent(ctx, "main").Bound).To(BeTrue())
	}, NodeTimeout(time.Minute))

	It("loses its stream with its pod, and its prepared workspace", func(ctx SpecContext) {
		gone := w.prepare(ctx, w.version)
		conn := gone.upgraded(ctx, env.server)
		Expect(env.Client.Delete(ctx, gone.WarmWorkspace)).To(Succeed())
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusPolicyViolation))

		p := w.prepare(ctx, w.version)
		conn = p.upgraded(ctx, env.server)
		before := p.DeepCopy()
		p.Status.Pod.UID = "another"
		Expect(env.Client.Status().Patch(ctx, p.WarmWorkspace, client.MergeFrom(before))).To(Succeed())
		Expect(closes(ctx, conn)).To(Equal(websocket.StatusPolicyViolation))
	}, NodeTimeout(time.Minute))

	It("that comes too often has to wait", func(ctx SpecContext) {
		p := w.prepare(ctx, w.version)
		status := 0
		for range 20 {
			conn, response := hold(ctx, env.server, p.shows())
			if status = response.StatusCode; status != http.StatusSwitchingProtocols {
				Expect(response.Header.Get("Retry-After")).NotTo(BeEmpty())
				break
			}
			Expect(conn.CloseNow()).To(Succeed())
		}
		Expect(status).To(Equal(http.StatusTooManyRequests))
	}, NodeTimeout(time.Minute))

	It("that was a workspace's from the beginning has nothing to wait for", func(ctx SpecContext) {
		ws := w.workspace(ctx)
		pod, token := runs(ctx, ws.Namespace, ws.Name, "berth")
		before := ws.DeepCopy()
		ws.Status.Pod = &v1alpha1.PodStatus{Name: pod.Name, UID: pod.UID}
		Expect(env.Client.Status().Patch(ctx, ws, client.MergeFrom(before))).To(Succeed())
		_, response := hold(ctx, env.server, shown{token: token, name: "main"})
		Expect(response.StatusCode).To(Equal(http.StatusConflict))
	}, NodeTimeout(time.Minute))

	It("V10 that was prepared is nobody's once the record of its claim is gone", func(ctx SpecContext) {
		ws := w.workspace(ctx)
		pod, token := runs(ctx, ws.Namespace, ws.Name, "berth")
		before := ws.DeepCopy()
		ws.Status.Pod = &v1alpha1.PodStatus{Name: pod.Name, UID: pod.UID, Slot: "gone"}
		Expect(env.Client.Status().Patch(ctx, ws, client.MergeFrom(before))).To(Succeed())
		_, response := hold(ctx, env.server, shown{token: token, name: "main"})
		Expect(response.StatusCode).To(Equal(http.StatusUnauthorized))
	}, NodeTimeout(time.Minute))
})
