// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/ids"
)

var _ = Describe("Bad input", Ordered, func() {
	var w *world

	BeforeAll(func(ctx SpecContext) { w = newWorld(ctx) })

	It("is refused with the field's name, and is never a 500", func(ctx SpecContext) {
		ws := w.workspace(ctx)
		create := "/api/v2/organizations/" + w.organization.Name + "/members/me/workspaces"
		workspace := "/api/v2/workspaces/" + ids.Of(ws).String()
		named := func(name string) string {
			return fmt.Sprintf(`{"name":%q,"template_id":%q}`, name, ids.Of(w.template))
		}
		for name, c := range map[string]struct {
			method, path, body string
			want               int
			wantField          string
		}{
			"limit below zero":           {"GET", "/api/v2/workspaces?limit=-1", "", 400, "limit"},
			"offset below zero":          {"GET", "/api/v2/workspaces?offset=-1", "", 400, "offset"},
			"limit as a word":            {"GET", workspace + "/builds?limit=ten", "", 400, "limit"},
			"an id that is none":         {"GET", "/api/v2/workspaces/1", "", 400, "workspace"},
			"a build that is none":       {"GET", "/api/v2/workspacebuilds/x", "", 400, "workspacebuild"},
			"a template that is none":    {"GET", "/api/v2/templates/-", "", 400, "template"},
			"a body that is no JSON":     {"POST", create, "name=dev", 400, ""},
			"an empty body":              {"PUT", workspace + "/ttl", "", 400, ""},
			"a list for an object":       {"PUT", workspace + "/ttl", "[]", 400, ""},
			"a ttl as words":             {"PUT", workspace + "/ttl", `{"ttl_ms":"2 days"}`, 400, "ttl_ms"},
			"a ttl of nothing":           {"PUT", workspace + "/ttl", `{"ttl_ms":1}`, 400, "ttl_ms"},
			"a bad cron":                 {"PUT", workspace + "/autostart", `{"schedule":"every day"}`, 400, "schedule"},
			"a transition nobody knows":  {"POST", workspace + "/builds", `{"transition":"explode"}`, 400, "transition"},
			"a name with dots":           {"POST", create, named("../x"), 400, "name"},
			"a name of 300 characters":   {"POST", create, named(strings.Repeat("x", 300)), 400, "name"},
			"a name of two dashes":       {"POST", create, named("a--b"), 400, "name"},
			"no name":                    {"POST", create, named(""), 400, "name"},
			"a template nobody has":      {"POST", create, `{"name":"x","template_id":"6f9619ff-8b86-4011-b42d-00c04fc964ff"}`, 404, "template_id"},
			"an organization nobody has": {"GET", "/api/v2/organizations/" + strings.Repeat("x", 300), "", 404, ""},
			"a user nobody has":          {"GET", "/api/v2/users/..", "", 404, ""},
			"a name in a path with dots": {"GET", "/api/v2/users/me/workspace/%2e%2e", "", 404, ""},
			"a name of 5000 characters":  {"GET", "/api/v2/users/" + strings.Repeat("%41", 5000), "", 404, ""},
			"a build number beyond all":  {"GET", "/api/v2/users/" + w.member.Name + "/workspace/" + ws.Name + "/builds/99999999999999999999", "", 400, "buildnumber"},
			"another method":             {"DELETE", "/api/v2/buildinfo", "", 404, ""},
			"a method that is none":      {"BREW", "/api/v2/buildinfo", "", 404, ""},
			"what is not built":          {"GET", "/api/v2/deployment/config", "", 404, ""},
		} {
			for at, d := range map[string]door{"session": w.owner.session, "aggregated": w.owner.aggregated} {
				if at == "aggregated" && (c.method == "DELETE" || c.method == "BREW" || strings.Contains(c.path, "deployment") || strings.Contains(c.path, "..")) {
					continue // the kube-apiserver refuses these itself
				}
				a := ask(ctx, d, c.method, c.path, c.body)
				Expect(a.Status).To(Equal(c.want), "%s at the %s door: %s", name, at, a.Body)
				var refusal codersdk.Response
				a.JSON(&refusal)
				Expect(refusal.Message).NotTo(BeEmpty(), name)
				if c.wantField != "" {
					Expect(refusal.Validations).NotTo(BeEmpty(), name)
					Expect(refusal.Validations[0].Field).To(Equal(c.wantField), name)
				}
			}
		}
	})

	It("is survived by every route, whatever is sent to it", func(ctx SpecContext) {
		junk := []string{"", "{", "null", "[]", `""`, "0", `{"name":{}}`, `{"transition":[]}`, "\x00\xff", strings.Repeat("[", 10_000)}
		values := []string{"x", "me", "-", "%20", "%c0%af", "%ff", "0", "null", strings.Repeat("9", 400), "%e2%80%ae"}
		for _, route := range apiserver.Routes(apiserver.Deps{}) {
			for i, value := range values {
				path := route.Path
				for strings.Contains(path, "{") {
					start, end := strings.Index(path, "{"), strings.Index(path, "}")
					path = path[:start] + value + path[end+1:]
				}
				for _, d := range []door{w.owner.session, session("")} {
					if route.Path == "/api/v2/users/logout" {
						d = session("")
					}
					a := ask(ctx, d, route.Method, path+"?limit=%00&q=%ff&offset="+value, junk[i%len(junk)])
					Expect(a.Status).To(BeNumerically("<", 500), "%s %s: %s", route.Method, path, a.Body)
				}
			}
		}
		Expect(env.log.String()).NotTo(ContainSubstring(`"msg":"panic"`))
	})

	It("V 18: is a body of 100 MB, of which little is read", func(ctx SpecContext) {
		for name, d := range map[string]door{"session": w.owner.session, "aggregated": w.owner.aggregated} {
			sent := &counted{left: 100 << 20}
			request, err := http.NewRequestWithContext(ctx, "POST", d.url("/api/v2/organizations/"+w.organization.Name+"/members/me/workspaces"), sent)
			Expect(err).NotTo(HaveOccurred())
			request.ContentLength = 100 << 20
			for header, values := range d.header {
				request.Header[header] = values
			}
			response, err := d.client.Do(request)
			if err == nil {
				Expect(response.StatusCode).To(Equal(http.StatusRequestEntityTooLarge), name)
				Expect(response.Body.Close()).To(Succeed())
			}
			Expect(sent.read()).To(BeNumerically("<", 32<<20), name+": most of it was not sent")
		}
	})

	It("V 55: is a client that says too much or nothing at all", func(ctx SpecContext) {
		_, plain, _ := env.server.Addresses()
		By("headers of 200 KB")
		connection, err := net.Dial("tcp", plain.String())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(connection.Close)
		_, err = fmt.Fprintf(connection, "GET /api/v2/buildinfo HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 200<<10))
		if err == nil {
			answer, err := io.ReadAll(io.LimitReader(connection, 64))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(answer)).To(HavePrefix("HTTP/1.1 431"))
		}
		By("headers that do not end")
		silent, err := net.Dial("tcp", plain.String())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		_, err = fmt.Fprint(silent, "GET /api/v2/buildinfo HTTP/1.1\r\nHost: x\r\n")
		Expect(err).NotTo(HaveOccurred())
		Expect(silent.SetReadDeadline(time.Now().Add(15 * time.Second))).To(Succeed())
		_, err = io.Copy(io.Discard, silent)
		Expect(err).NotTo(HaveOccurred(), "the server hangs up by itself")
		Expect(ask(ctx, session(""), "GET", "/api/v2/buildinfo", nil).Status).To(Equal(http.StatusOK))
	}, NodeTimeout(time.Minute))
})

// counted is a long body that counts how much of it was taken.
type counted struct {
	left int64
	took atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, bytes.Repeat([]byte("x"), min(len(p), int(c.left))))
	c.left -= int64(n)
	c.took.Add(int64(n))
	return n, nil
}

func (c *counted) read() int64 { return c.took.Load() }
