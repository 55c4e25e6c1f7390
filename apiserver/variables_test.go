// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/internal/archive"
)

var _ = Describe("V 51: the value of a sensitive variable", func() {
	It("is stored with a right that reads none, and only in organizations' namespaces", func(ctx SpecContext) {
		w := newWorld(ctx)
		tar, err := archive.Pack([]archive.File{{Name: "template.yaml", Data: []byte("image: a\nvariables: [{name: token, type: string, sensitive: true}]\n")}})
		Expect(err).NotTo(HaveOccurred())
		a := ask(ctx, w.owner.session.with("Content-Type", "application/x-tar"), "POST", "/api/v2/files", string(tar))
		var file codersdk.UploadResponse
		a.JSON(&file)
		request := codersdk.CreateTemplateVersionRequest{StorageMethod: "file", Provisioner: "terraform", FileID: file.ID,
			UserVariableValues: []codersdk.VariableValue{{Name: "token", Value: "canary-19c3"}}}
		path := "/api/v2/organizations/" + w.organization.Name + "/templateversions"
		Expect(ask(ctx, w.owner.session, "POST", path, request).Status).To(Equal(http.StatusInternalServerError), "nobody has bound it here yet")

		Expect(client.IgnoreAlreadyExists(env.Client.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "berth-variables"},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}}}}))).To(Succeed())
		Expect(env.Client.Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.organization.Name, Name: "berth-apiserver-variables"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "berth-variables"},
			Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "system:serviceaccount:" + namespace + ":" + service}},
		})).To(Succeed())
		Eventually(func() int { a = ask(ctx, w.owner.session, "POST", path, request); return a.Status }).WithContext(ctx).Should(Equal(http.StatusCreated))
		var made codersdk.TemplateVersion
		a.JSON(&made)

		var secrets corev1.SecretList
		Expect(env.Client.List(ctx, &secrets, client.InNamespace(w.organization.Name))).To(Succeed())
		Expect(secrets.Items).To(HaveLen(1))
		config, err := env.AddUser("system:serviceaccount:" + namespace + ":" + service)
		Expect(err).NotTo(HaveOccurred())
		server, err := client.New(config, client.Options{Scheme: env.Scheme})
		Expect(err).NotTo(HaveOccurred())
		err = server.Get(ctx, client.ObjectKeyFromObject(&secrets.Items[0]), &corev1.Secret{})
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)

		By("whoever asks for whatever of the version, or of the log of what was done")
		version := made.ID.String()
		w.appoint(ctx)
		people := []*person{w.owner, w.member, w.auditor, w.stranger, w.templates, w.people, w.admin}
		asked := map[int]int{}
		for _, r := range apiserver.Routes(apiserver.Deps{}) {
			if r.Method != http.MethodGet || !strings.Contains(r.Path, "/templateversions/{templateversion}") && r.Path != "/api/v2/audit" {
				continue
			}
			asks := strings.NewReplacer("{templateversion}", version).Replace(r.Path)
			if strings.Contains(asks, "{") {
				continue // of a dry run that there is none of
			}
			for _, p := range people {
				for _, d := range []door{p.session, p.aggregated} {
					if d.aggregated && !r.Door.Aggregated() {
						continue
					}
					a := ask(ctx, d, http.MethodGet, asks, nil)
					asked[a.Status]++
					Expect(string(a.Body)).NotTo(ContainSubstring("canary-19c3"), "%s: %s", p.Name, r)
				}
			}
		}
		Expect(asked).To(And(HaveKeyWithValue(http.StatusOK, BeNumerically(">", 20)), HaveKey(http.StatusNotFound)))
		Expect(env.log.String()).NotTo(ContainSubstring("canary-19c3"))
	})
})
