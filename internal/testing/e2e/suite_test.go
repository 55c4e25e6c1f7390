// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

func TestE2E(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(90 * time.Second)
	SetDefaultEventuallyPollingInterval(250 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Berth on a real node")
}

const (
	system   = "berth-system"
	platform = "platform"
)

var (
	url   = strings.TrimSuffix(os.Getenv("BERTH_E2E_URL"), "/")
	owner string // the first owner's session token
)

var _ = BeforeSuite(func(ctx SpecContext) {
	Expect(url).NotTo(BeEmpty(), "BERTH_E2E_URL says where the API answers; run the tests by `make e2e`")
	owner = login(ctx)
})

// One ordered container: the specs share the sample workspace, and the last ones take Berth away.
var _ = Describe("Berth", Ordered, ContinueOnFailure, func() {
	Context("a workspace from a manifest", workspaceSpecs)
	Context("a workspace whose template, image or node changes", lifecycleSpecs)
	Context("a workspace of a template with a pool", warmSpecs)
	Context("deleting a workspace", deletionSpecs)
	Context("installing and removing", installSpecs)
})

// run starts a program and gives back what it printed. It fails the spec when the program does.
func run(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	out, err := try(ctx, name, args...)
	Expect(err).NotTo(HaveOccurred(), "%s %s\n%s", name, strings.Join(args, " "), out)
	return out
}

// try starts a program and gives back what it printed on both outputs.
func try(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = cluster.Root()
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return run(ctx, "kubectl", args...)
}

// apply sends a manifest.
func apply(ctx context.Context, manifest string) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "kubectl", "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s\n%s", manifest, out)
}

// field reads one field of an object by JSONPath; it is empty when the object or the field is not there.
func field(ctx context.Context, namespace, object, path string) string {
	out, err := try(ctx, "kubectl", "get", "--ignore-not-found", "-n", namespace, object, "-o", "jsonpath={"+path+"}")
	if err != nil {
		return "error: " + out
	}
	return out
}

// ready waits for a workspace to be Ready in a phase.
func ready(ctx context.Context, namespace, name, phase string) {
	GinkgoHelper()
	Eventually(func() string {
		return field(ctx, namespace, "workspaces.berth.dev/"+name, `.status.phase} {.status.conditions[?(@.type=="Ready")].status`)
	}).Should(Equal(phase+" True"), func() string {
		out, _ := try(ctx, "kubectl", "get", "-n", namespace, "pods,pvc,berth", "-o", "wide")
		return out
	})
}

// remove deletes a workspace and then its template of the same name, which is held while the workspace is there.
func remove(ctx SpecContext, name string) {
	kubectl(ctx, "delete", "workspaces.berth.dev", name, "-n", platform, "--ignore-not-found", "--timeout=60s")
	Eventually(func() error {
		_, err := try(ctx, "kubectl", "delete", "templates.berth.dev", name, "-n", platform, "--ignore-not-found", "--timeout=30s")
		return err
	}).Should(Succeed())
}

// request asks one transition of a workspace by its manifest.
func request(ctx context.Context, namespace, name, transition string) {
	GinkgoHelper()
	patch := fmt.Sprintf(`{"spec":{"request":{"transition":%q,"at":%q}}}`, transition, time.Now().UTC().Format(time.RFC3339Nano))
	kubectl(ctx, "patch", "workspaces.berth.dev", name, "-n", namespace, "--type", "merge", "-p", patch)
}

// login signs the first owner in; `make up` made the account and kept its password beside the cluster.
func login(ctx context.Context) string {
	GinkgoHelper()
	text, err := os.ReadFile(os.Getenv("BERTH_E2E_OWNER"))
	Expect(err).NotTo(HaveOccurred())
	lines := strings.Fields(string(text))
	Expect(lines).To(HaveLen(2))
	var answer codersdk.LoginWithPasswordResponse
	Expect(call(ctx, "", http.MethodPost, "/api/v2/users/login", codersdk.LoginWithPasswordRequest{Email: lines[0], Password: lines[1]}, &answer)).
		To(Equal(http.StatusCreated))
	return answer.SessionToken
}

// call makes one API call and gives back its status; the body goes into out where that is not nil.
func call(ctx context.Context, token, method, path string, in, out any) int {
	GinkgoHelper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		Expect(err).NotTo(HaveOccurred())
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url+path, body)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		r.Header.Set(codersdk.SessionTokenHeader, token)
	}
	answer, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close() //nolint:errcheck // it was read whole
	text, err := io.ReadAll(answer.Body)
	Expect(err).NotTo(HaveOccurred())
	if out != nil {
		Expect(json.Unmarshal(text, out)).To(Succeed(), "%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	return answer.StatusCode
}
