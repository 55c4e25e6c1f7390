// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/templateversion"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// tarred is an archive of files, given as name and text in turn.
func tarred(namesAndTexts ...string) string {
	GinkgoHelper()
	var files []archive.File
	for i := 0; i < len(namesAndTexts); i += 2 {
		files = append(files, archive.File{Name: namesAndTexts[i], Data: []byte(namesAndTexts[i+1])})
	}
	data, err := archive.Pack(files)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// upload sends an archive and gives its id.
func upload(ctx context.Context, user, tar string) uuid.UUID {
	GinkgoHelper()
	a := ask(ctx, user, "POST", "files", tar)
	Expect(a.status).To(Or(Equal(200), Equal(201)), string(a.body))
	var out codersdk.UploadResponse
	Expect(json.Unmarshal(a.body, &out)).To(Succeed())
	return out.ID
}

// pushed asks for a version of an archive.
func pushed(file uuid.UUID, change ...func(*codersdk.CreateTemplateVersionRequest)) codersdk.CreateTemplateVersionRequest {
	in := codersdk.CreateTemplateVersionRequest{StorageMethod: "file", Provisioner: "terraform", FileID: file}
	for _, f := range change {
		f(&in)
	}
	return in
}

func (w *world) versions() string { return "organizations/" + w.organization + "/templateversions" }

// push uploads an archive and makes a version of it.
func (w *world) push(ctx context.Context, user, tar string, change ...func(*codersdk.CreateTemplateVersionRequest)) codersdk.TemplateVersion {
	GinkgoHelper()
	return as[codersdk.TemplateVersion](ctx, 201, user, "POST", w.versions(), pushed(upload(ctx, user, tar), change...))
}

// stored is the object of a version.
func (w *world) stored(ctx context.Context, id uuid.UUID) *v1alpha1.TemplateVersion {
	GinkgoHelper()
	p, _, err := objects.VersionByID(ctx, id)
	Expect(err).NotTo(HaveOccurred())
	return p.Version.DeepCopy()
}

// check has the manager's own code check a version, and gives it as it is shown then.
func (w *world) check(ctx context.Context, id uuid.UUID) codersdk.TemplateVersion {
	GinkgoHelper()
	journal := cluster.NewJournal(env.Client)
	r := &templateversion.Reconciler{
		Client: journal, Live: journal, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
		Platform: render.Platform{AgentImage: "registry.example/berth:1"}, Worker: "manager-0", Events: events.NewFakeRecorder(99), Clock: clock.RealClock{},
	}
	v := w.stored(ctx, id)
	Expect(journal.Settle(ctx, r, v)).To(Succeed())
	seen(ctx, v)
	return as[codersdk.TemplateVersion](ctx, 200, w.owner, "GET", "templateversions/"+id.String(), nil)
}

var _ = Describe("Pushing a template", func() {
	It("keeps an archive once a person, and gives it back to who sent it", func(ctx SpecContext) {
		w := newWorld(ctx)
		tar := tarred("template.yaml", "image: a\n", "README.md", "# A\n")
		first := as[codersdk.UploadResponse](ctx, 201, w.admin, "POST", "files", tar)
		Expect(as[codersdk.UploadResponse](ctx, 200, w.admin, "POST", "files", tar)).To(Equal(first))
		other := as[codersdk.UploadResponse](ctx, 201, w.owner, "POST", "files", tar)
		Expect(other.ID).NotTo(Equal(first.ID))

		path := "files/" + first.ID.String()
		Expect(string(ask(ctx, w.admin, "GET", path, nil).body)).To(Equal(tar))
		Expect(ask(ctx, w.ada, "GET", path, nil).status).To(Equal(404))
		Expect(ask(ctx, w.admin, "GET", "files/"+absent(), nil).status).To(Equal(404))
		Expect(ask(ctx, w.admin, "GET", "files/x", nil).status).To(Equal(400))
		refused(ctx, 403, w.ada, "POST", "files", tar)

		By("a client that has it already")
		request, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/v2/"+path, nil)
		Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Test-User", w.admin)
		request.Header.Set("If-None-Match", `"`+first.ID.String()+`"`)
		response, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Body.Close()).To(Succeed())
		Expect(response.StatusCode).To(Equal(http.StatusNotModified))
	})

	DescribeTable("refuses what is no archive, or too much of one",
		func(ctx SpecContext, contentType string, body func() []byte, status int, field string) {
			w := newWorld(ctx)
			request, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/api/v2/files", bytes.NewReader(body()))
			Expect(err).NotTo(HaveOccurred())
			request.Header.Set("Test-User", w.admin)
			request.Header.Set("Content-Type", contentType)
			response, err := (&http.Client{Transport: observed}).Do(request)
			Expect(err).NotTo(HaveOccurred())
			text, err := io.ReadAll(response.Body)
			Expect(err).NotTo(HaveOccurred())
			Expect(response.Body.Close()).To(Succeed())
			Expect(response.StatusCode).To(Equal(status), string(text))
			if field != "" {
				Expect(string(text)).To(ContainSubstring(field))
			}
		},
		Entry("no type", "", func() []byte { return nil }, 400, "Content-Type"),
		Entry("another type", "application/json", func() []byte { return []byte("{}") }, 400, "application/x-tar"),
		Entry("text that is called a tar", "application/x-tar", func() []byte { return []byte("image: a") }, 400, "can't be read"),
		Entry("V 19: a name that climbs", "application/x-tar", func() []byte { return []byte(tarred("../x", "")) }, 400, "climbs out"),
		Entry("V 18: more than 10 MiB", "application/x-tar", func() []byte { return make([]byte, 10<<20+1) }, 413, "10 MiB"),
		Entry("V 18: a zip that unpacks to more", "application/zip", func() []byte { return zipped(make([]byte, 11<<20)) }, 413, "10 MiB"),
		Entry("a zip", "application/x-zip-compressed", func() []byte { return zipped([]byte("image: a")) }, 201, ""),
		Entry("a tar with a charset", "application/x-tar; charset=utf-8", func() []byte { return []byte(tarred("template.yaml", "image: b")) }, 201, ""),
	)

	It("makes a version whose job tells what was done", func(ctx SpecContext) {
		w := newWorld(ctx)
		template := ids.Of(w.goDev)
		v := w.push(ctx, w.admin, tarred("template.yaml", "image: registry.example/go:2\nparameters: [{name: cpu, type: integer, default: 2}]\n", "README.md", "# Go 2\n"),
			func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID, in.Message = template, "faster" })
		Expect(v.Job.Status).To(Equal(codersdk.ProvisionerJobPending))
		Expect(v.Name).NotTo(BeEmpty())
		Expect(v.Message).To(Equal("faster"))
		Expect(v.Readme).To(Equal("# Go 2\n"))
		Expect(v.CreatedBy.Username).To(Equal(w.admin))
		Expect(v.TemplateID).To(HaveValue(Equal(template)))
		Expect(ask(ctx, w.admin, "GET", "files/"+v.Job.FileID.String(), nil).status).To(Equal(200))

		path := "templateversions/" + v.ID.String()
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.admin, "GET", path+"/logs", nil)).To(BeEmpty())
		done := w.check(ctx, v.ID)
		Expect(done.Job.Status).To(Equal(codersdk.ProvisionerJobSucceeded), done.Job.Error)
		logs := as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", path+"/logs", nil)
		Expect(logs).To(HaveLen(4))
		Expect(logs[3].Stage).To(Equal("Dry run against the cluster"))
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", path+"/logs?after=1&before=4", nil)).To(Equal(logs[1:3]))
		refused(ctx, 400, w.ada, "GET", path+"/logs?after=x", nil, "after")

		resources := as[[]codersdk.WorkspaceResource](ctx, 200, w.ada, "GET", path+"/resources", nil)
		Expect(resources).To(HaveLen(2))
		Expect(resources[0].Agents).To(ConsistOf(And(HaveField("Name", "main"), HaveField("Status", codersdk.WorkspaceAgentConnecting))))
		Expect(as[[]codersdk.TemplateVersionParameter](ctx, 200, w.ada, "GET", path+"/rich-parameters", nil)).To(HaveLen(1))
		for _, legacy := range []string{"/parameters", "/schema"} {
			Expect(ask(ctx, w.ada, "GET", path+legacy, nil).body).To(MatchJSON(`[]`))
		}
		refused(ctx, 400, w.admin, "PATCH", path+"/cancel", nil)
		refused(ctx, 403, w.ada, "PATCH", path+"/cancel", nil)
	})

	It("lets a client follow the log to its end", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := w.push(ctx, w.admin, tarred("template.yaml", "image: a"))
		conn, _, err := websocket.Dial(ctx, server.URL+"/api/v2/templateversions/"+v.ID.String()+"/logs?follow=true&after=0",
			&websocket.DialOptions{HTTPHeader: http.Header{"Test-User": {w.admin}}})
		Expect(err).NotTo(HaveOccurred())
		defer conn.CloseNow()
		w.check(ctx, v.ID)
		var stages []string
		for {
			_, frame, err := conn.Read(ctx)
			if err != nil {
				Expect(websocket.CloseStatus(err)).To(Equal(websocket.StatusNormalClosure), "%v", err)
				break
			}
			var line codersdk.ProvisionerJobLog
			Expect(json.Unmarshal(frame, &line)).To(Succeed())
			stages = append(stages, line.Stage)
		}
		Expect(stages).To(Equal([]string{"Parsing template", "Checking expressions", "Rendering", "Dry run against the cluster"}))
	})

	DescribeTable("makes a version that fails with what is wrong with the archive",
		func(ctx SpecContext, tar func() string, message string) {
			w := newWorld(ctx)
			v := w.push(ctx, w.admin, tar())
			failed := w.check(ctx, v.ID)
			Expect(failed.Job.Status).To(Equal(codersdk.ProvisionerJobFailed))
			Expect(failed.Job.Error).To(ContainSubstring(message))
			logs := as[[]codersdk.ProvisionerJobLog](ctx, 200, w.admin, "GET", "templateversions/"+v.ID.String()+"/logs", nil)
			Expect(logs[len(logs)-1].Level).To(Equal(codersdk.LogLevelError))
			Expect(as[[]codersdk.WorkspaceResource](ctx, 200, w.admin, "GET", "templateversions/"+v.ID.String()+"/resources", nil)).To(BeEmpty())
		},
		Entry("Terraform", func() string { return tarred("main.tf", "") }, "the archive holds Terraform (main.tf), which is not run here: Berth reads a template.yaml"),
		Entry("a misspelt field", func() string { return tarred("template.yaml", "image: a\nparamters: []\n") }, "template.yaml:2: paramters: there is no such field"),
		Entry("what only the schema of the cluster sees", func() string {
			return tarred("template.yaml", "image: a\nparameters:\n- {name: a, type: string}\n- {name: b, type: bool}\n")
		}, `template.yaml:4: spec.content.parameters[1].type: Unsupported value: "bool"`),
		Entry("what only the check sees", func() string { return tarred("template.yaml", "image: ${parameters.gone}\n") }, "spec.content.image"),
		Entry("V 59: a bomb", func() string { return tarred("template.yaml", "image: &a x\nreadme: *a\n") }, "is an alias"),
		Entry("more than an object holds", func() string {
			return tarred("template.yaml", "podTemplate: {spec: {x: ["+strings.Repeat("xxxxxxxxx, ", 40_000)+"]}}\nreadme: "+strings.Repeat("y", 70_000))
		}, "spec.content.readme: Too long"),
	)

	It("refuses requests that no archive could make right", func(ctx SpecContext) {
		w := newWorld(ctx)
		file := upload(ctx, w.admin, tarred("template.yaml", "image: a"))
		for name, c := range map[string]struct {
			status int
			change func(*codersdk.CreateTemplateVersionRequest)
			fields []string
		}{
			"neither file nor example": {400, func(in *codersdk.CreateTemplateVersionRequest) { in.FileID = uuid.Nil }, []string{"file_id", "example_id"}},
			"both":                     {400, func(in *codersdk.CreateTemplateVersionRequest) { in.ExampleID = "linux" }, []string{"file_id", "example_id"}},
			"an example of nobody's":   {404, func(in *codersdk.CreateTemplateVersionRequest) { in.FileID, in.ExampleID = uuid.Nil, "none" }, []string{"example_id"}},
			"a file of nobody's":       {404, func(in *codersdk.CreateTemplateVersionRequest) { in.FileID = uuid.New() }, []string{"file_id"}},
			"another storage":          {400, func(in *codersdk.CreateTemplateVersionRequest) { in.StorageMethod = "s3" }, []string{"storage_method"}},
			"no provisioner":           {400, func(in *codersdk.CreateTemplateVersionRequest) { in.Provisioner = "" }, []string{"provisioner"}},
			"a name that climbs":       {400, func(in *codersdk.CreateTemplateVersionRequest) { in.Name = "../x" }, []string{"name"}},
			"a name of 65 characters":  {400, func(in *codersdk.CreateTemplateVersionRequest) { in.Name = strings.Repeat("x", 65) }, []string{"name"}},
			"a long message":           {400, func(in *codersdk.CreateTemplateVersionRequest) { in.Message = strings.Repeat("x", 2000) }, []string{"message"}},
			"a template of nobody's":   {404, func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID = uuid.New() }, []string{"template_id"}},
		} {
			By(name)
			refused(ctx, c.status, w.admin, "POST", w.versions(), pushed(file, c.change), c.fields...)
		}
		Expect(ask(ctx, w.ada, "POST", w.versions(), pushed(file)).status).To(Equal(403))
		Expect(ask(ctx, w.eve, "POST", w.versions(), pushed(file)).status).To(Equal(404))
	})

	It("takes a file of another's for none", func(ctx SpecContext) {
		w := newWorld(ctx)
		file := upload(ctx, w.owner, tarred("template.yaml", "image: private"))
		refused(ctx, 404, w.admin, "POST", w.versions(), pushed(file), "file_id")
	})

	It("gives a name once a template, whatever its capitals and however many ask at once", func(ctx SpecContext) {
		w := newWorld(ctx)
		file := upload(ctx, w.admin, tarred("template.yaml", "image: a"))
		named := func(name string) codersdk.CreateTemplateVersionRequest {
			return pushed(file, func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID, in.Name = ids.Of(w.goDev), name })
		}
		as[codersdk.TemplateVersion](ctx, 201, w.admin, "POST", w.versions(), named("v1.0"))
		refused(ctx, 409, w.admin, "POST", w.versions(), named("V1.0"), "name")
		refused(ctx, 409, w.admin, "POST", w.versions(), named(w.version.Name), "name")
		statuses := make(chan int)
		for range 6 {
			go func() {
				defer GinkgoRecover()
				statuses <- ask(ctx, w.admin, "POST", w.versions(), named("race")).status
			}()
		}
		count := map[int]int{}
		for range 6 {
			count[<-statuses]++
		}
		Expect(count).To(Equal(map[int]int{201: 1, 409: 5}))
	})

	It("lets who administers one template push to that one", func(ctx SpecContext) {
		w := newWorld(ctx)
		mine, _ := w.template(ctx, "mine", func(t *v1alpha1.Template) {
			t.Spec.Access = []v1alpha1.AccessEntry{{Kind: v1alpha1.AccessKindUser, Name: v1alpha1.ObjectName(w.ada), Role: v1alpha1.AccessRoleAdmin}}
		}, func(*v1alpha1.TemplateContent) {})
		file := upload(ctx, w.ada, tarred("template.yaml", "image: a"))
		to := func(id uuid.UUID) codersdk.CreateTemplateVersionRequest {
			return pushed(file, func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID = id })
		}
		as[codersdk.TemplateVersion](ctx, 201, w.ada, "POST", w.versions(), to(ids.Of(mine)))
		refused(ctx, 403, w.ada, "POST", w.versions(), to(ids.Of(w.goDev)))
		refused(ctx, 404, w.ada, "POST", w.versions(), pushed(file))
	})

	It("H16: pulls a version that came from a manifest, and pushes it again", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := as[codersdk.TemplateVersion](ctx, 200, w.admin, "GET", "templateversions/"+ids.Of(w.version).String(), nil)
		path := "files/" + v.Job.FileID.String()
		tar := ask(ctx, w.admin, "GET", path, nil)
		Expect(tar.status).To(Equal(200))
		Expect(ask(ctx, w.admin, "GET", path, nil).body).To(Equal(tar.body))
		Expect(ask(ctx, w.ada, "GET", path, nil).status).To(Equal(404))
		again := as[codersdk.TemplateVersion](ctx, 201, w.admin, "POST", w.versions(), pushed(v.Job.FileID))
		Expect(w.stored(ctx, again.ID).Spec.Content).To(Equal(w.version.Spec.Content))
	})

	It("makes a version of each example as of a file, which the cluster would take where Pod Security is strictest", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(cluster.Relabel(ctx, env.Client, w.organization, "pod-security.kubernetes.io/enforce", "restricted")).To(Succeed())
		offered := as[[]codersdk.TemplateExample](ctx, 200, w.admin, "GET", "organizations/"+w.organization+"/templates/examples", nil)
		Expect(offered).To(HaveLen(5))
		for _, e := range offered {
			v := as[codersdk.TemplateVersion](ctx, 201, w.admin, "POST", w.versions(), pushed(uuid.Nil, func(in *codersdk.CreateTemplateVersionRequest) { in.ExampleID = e.ID }))
			Expect(v.Readme).To(Equal(e.Markdown), e.ID)
			Expect(w.check(ctx, v.ID).Job).To(And(HaveField("Status", codersdk.ProvisionerJobSucceeded), HaveField("Error", "")), e.ID)
			Expect(ask(ctx, w.admin, "GET", "files/"+v.Job.FileID.String(), nil).status).To(Equal(200), e.ID)
		}
	})

	It("cancels a check that has not begun", func(ctx SpecContext) {
		w := newWorld(ctx)
		v := w.push(ctx, w.admin, tarred("template.yaml", "image: a"))
		path := "templateversions/" + v.ID.String()
		Expect(as[codersdk.Response](ctx, 200, w.admin, "PATCH", path+"/cancel", nil).Message).To(Equal("Job has been marked as canceled."))
		Expect(as[codersdk.TemplateVersion](ctx, 200, w.admin, "GET", path, nil).Job.Status).To(Equal(codersdk.ProvisionerJobCanceling))
		refused(ctx, 400, w.admin, "PATCH", path+"/cancel", nil)
		Expect(w.check(ctx, v.ID).Job.Status).To(Equal(codersdk.ProvisionerJobCanceled))
	})
})

// zipped is a zip of one template.yaml.
func zipped(text []byte) []byte {
	GinkgoHelper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	f, err := z.Create("template.yaml")
	Expect(err).NotTo(HaveOccurred())
	_, err = f.Write(text)
	Expect(err).NotTo(HaveOccurred())
	Expect(z.Close()).To(Succeed())
	return out.Bytes()
}
