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
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/dryrun"
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

var _ = Describe("Variables", func() {
	const declared = "image: ${variables.image}\nvariables:\n- {name: image, type: string}\n- {name: size, type: integer, default: 3}\n" +
		"- {name: token, type: string, sensitive: true, description: for the registry}\n" +
		"env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: '${variables.token.name}', key: '${variables.token.key}'}}}]\n"
	given := func(pairs ...string) func(*codersdk.CreateTemplateVersionRequest) {
		return func(in *codersdk.CreateTemplateVersionRequest) {
			for i := 0; i < len(pairs); i += 2 {
				in.UserVariableValues = append(in.UserVariableValues, codersdk.VariableValue{Name: pairs[i], Value: pairs[i+1]})
			}
		}
	}

	It("without a value fail the job with a code that clients know", func(ctx SpecContext) {
		w := newWorld(ctx)
		failed := w.check(ctx, w.push(ctx, w.admin, tarred("template.yaml", declared), given("image", "a")).ID)
		Expect(failed.Job.ErrorCode).To(Equal(codersdk.RequiredTemplateVariables))
		Expect(failed.Job.Error).To(ContainSubstring("token"))
		Expect(as[[]codersdk.TemplateVersionVariable](ctx, 200, w.admin, "GET", "templateversions/"+failed.ID.String()+"/variables", nil)).To(Equal([]codersdk.TemplateVersionVariable{
			{Name: "image", Type: "string", Value: "a", Required: true},
			{Name: "size", Type: "number", Value: "3", DefaultValue: "3"},
			{Name: "token", Description: "for the registry", Type: "string", Required: true, Sensitive: true},
		}))
	})

	It("V 51: that are sensitive stand in a Secret, and nowhere else", func(ctx SpecContext) {
		const canary = "canary-e01b"
		w := newWorld(ctx)
		v := w.push(ctx, w.admin, tarred("template.yaml", declared), given("image", "a", "token", canary, "unknown", canary))
		object := w.stored(ctx, v.ID)
		ref := object.Spec.Content.Variables[2].ValueFrom.SecretKeyRef
		secret := &corev1.Secret{}
		Expect(env.Client.Get(ctx, client.ObjectKey{Namespace: w.organization, Name: string(ref.Name)}, secret)).To(Succeed())
		Expect(string(secret.Data[ref.Key])).To(Equal(canary))
		Expect(secret.Labels).To(HaveKeyWithValue(render.LabelMountable, "true"))
		Expect(secret.OwnerReferences).To(ConsistOf(HaveField("UID", object.UID)), "it goes with its version")

		Expect(w.check(ctx, v.ID).Job.Status).To(Equal(codersdk.ProvisionerJobSucceeded))
		text, err := json.Marshal(w.stored(ctx, v.ID))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring(canary))
		path := "templateversions/" + v.ID.String()
		for _, rest := range []string{"", "/variables", "/logs", "/resources", "/rich-parameters", "/external-auth"} {
			for _, user := range []string{w.admin, w.owner} {
				a := ask(ctx, user, "GET", path+rest, nil)
				Expect(a.status).To(Equal(200), rest)
				Expect(string(a.body)).NotTo(ContainSubstring(canary), rest)
			}
		}
		shown := as[[]codersdk.TemplateVersionVariable](ctx, 200, w.admin, "GET", path+"/variables", nil)
		Expect(shown[2].Value).To(Equal("*redacted*"))
		logs := ask(ctx, w.admin, "GET", path+"/logs", nil)
		Expect(string(logs.body)).To(ContainSubstring(`there is no variable`), "a name that is not declared is told")
	})

	It("are refused where they are of another type, without a word of the value", func(ctx SpecContext) {
		w := newWorld(ctx)
		file := upload(ctx, w.admin, tarred("template.yaml", declared))
		r := refused(ctx, 400, w.admin, "POST", w.versions(), pushed(file, given("size", "canary-big")), "user_variable_values")
		text, err := json.Marshal(r)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring("canary"))
		refused(ctx, 400, w.admin, "POST", w.versions(), pushed(file, given("image", "a", "image", "b")), "user_variable_values")
	})
})

var _ = Describe("A dry run", func() {
	// work has the manager's own code work on all dry runs of the organization.
	work := func(ctx context.Context, w *world) {
		GinkgoHelper()
		journal := cluster.NewJournal(env.Client)
		r := &dryrun.Reconciler{
			Client: journal, Live: journal, As: phase.Impersonating(env.Config, env.Scheme, env.Client.RESTMapper()),
			Platform: render.Platform{AgentImage: "registry.example/berth:1"}, Worker: "manager-0", Clock: clock.RealClock{},
		}
		var all v1alpha1.DryRunList
		Expect(env.Client.List(ctx, &all, client.InNamespace(w.organization))).To(Succeed())
		for i := range all.Items {
			Expect(journal.Settle(ctx, r, &all.Items[i])).To(Succeed())
			seen(ctx, &all.Items[i])
		}
	}
	// version is one of goDev that was pushed and checked.
	version := func(ctx context.Context, w *world) string {
		GinkgoHelper()
		v := w.push(ctx, w.admin, tarred("template.yaml", "image: a\nparameters: [{name: cpu, type: integer, default: 2, maximum: 8}]\nresources: {requests: {cpu: '${parameters.cpu}'}}\n"),
			func(in *codersdk.CreateTemplateVersionRequest) { in.TemplateID = ids.Of(w.goDev) })
		Expect(w.check(ctx, v.ID).Job.Status).To(Equal(codersdk.ProvisionerJobSucceeded))
		return "templateversions/" + v.ID.String() + "/dry-run"
	}
	cpu := func(value string) codersdk.CreateTemplateVersionDryRunRequest {
		return codersdk.CreateTemplateVersionDryRunRequest{WorkspaceName: "dev", RichParameterValues: []codersdk.WorkspaceBuildParameter{{Name: "cpu", Value: value}}}
	}

	It("is asked of the cluster, and shows what a workspace would be", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		job := as[codersdk.ProvisionerJob](ctx, 201, w.ada, "POST", path, cpu("4"))
		Expect(job.Status).To(Equal(codersdk.ProvisionerJobPending))
		one := path + "/" + job.ID.String()
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", one+"/logs", nil)).To(BeEmpty())
		work(ctx, w)
		done := as[codersdk.ProvisionerJob](ctx, 200, w.ada, "GET", one, nil)
		Expect(done.Status).To(Equal(codersdk.ProvisionerJobSucceeded), done.Error)
		Expect(done.ID).To(Equal(job.ID))
		Expect(as[[]codersdk.ProvisionerJobLog](ctx, 200, w.ada, "GET", one+"/logs", nil)).NotTo(BeEmpty())
		Expect(as[[]codersdk.WorkspaceResource](ctx, 200, w.ada, "GET", one+"/resources", nil)).To(HaveLen(2))
		refused(ctx, 400, w.ada, "PATCH", one+"/cancel", nil)

		By("others, who do not learn of it, and who administers the template")
		Expect(ask(ctx, w.grace, "GET", one, nil).status).To(Equal(404))
		Expect(ask(ctx, w.grace, "PATCH", one+"/cancel", nil).status).To(Equal(404))
		Expect(ask(ctx, w.admin, "GET", one, nil).status).To(Equal(200))

		By("another version, which it does not belong to")
		Expect(ask(ctx, w.ada, "GET", "templateversions/"+ids.Of(w.version).String()+"/dry-run/"+job.ID.String(), nil).status).To(Equal(404))
		Expect(ask(ctx, w.ada, "GET", path+"/"+absent(), nil).status).To(Equal(404))
		Expect(ask(ctx, w.ada, "GET", path+"/x", nil).status).To(Equal(400))
	})

	It("is canceled before it has begun", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		job := as[codersdk.ProvisionerJob](ctx, 201, w.ada, "POST", path, cpu("4"))
		one := path + "/" + job.ID.String()
		as[codersdk.Response](ctx, 200, w.ada, "PATCH", one+"/cancel", nil)
		refused(ctx, 400, w.ada, "PATCH", one+"/cancel", nil)
		work(ctx, w)
		Expect(as[codersdk.ProvisionerJob](ctx, 200, w.ada, "GET", one, nil).Status).To(Equal(codersdk.ProvisionerJobCanceled))
	})

	It("is refused with the names of what is wrong", func(ctx SpecContext) {
		w := newWorld(ctx)
		path := version(ctx, w)
		refused(ctx, 400, w.ada, "POST", path, cpu("many"), "cpu")
		refused(ctx, 400, w.ada, "POST", path, cpu("9"), "cpu")
		refused(ctx, 400, w.ada, "POST", path, codersdk.CreateTemplateVersionDryRunRequest{WorkspaceName: "a--b"}, "workspace_name")
		refused(ctx, 400, w.ada, "POST", path, codersdk.CreateTemplateVersionDryRunRequest{UserVariableValues: []codersdk.VariableValue{{Name: "a"}}}, "user_variable_values")
		Expect(ask(ctx, w.eve, "POST", path, cpu("1")).status).To(Equal(404))

		unchecked := w.push(ctx, w.admin, tarred("template.yaml", "image: a"))
		Expect(ask(ctx, w.admin, "POST", "templateversions/"+unchecked.ID.String()+"/dry-run", cpu("1")).status).To(Equal(412))
		broken := w.push(ctx, w.admin, tarred("main.tf", ""))
		w.check(ctx, broken.ID)
		Expect(ask(ctx, w.admin, "POST", "templateversions/"+broken.ID.String()+"/dry-run", cpu("1")).status).To(Equal(412))
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
