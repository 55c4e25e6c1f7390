// SPDX-License-Identifier: Apache-2.0

package workspaces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/builds"
	"github.com/berth-dev/berth/apiserver/files"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/quotas"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/templates"
	"github.com/berth-dev/berth/apiserver/versions"
	"github.com/berth-dev/berth/apiserver/workspaces"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/examples"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/contract"
)

var (
	env      *cluster.Cluster
	objects  *store.Store
	server   *httptest.Server
	recorder *contract.Recorder
	observed http.RoundTripper
)

// TestWorkspaces proves the packages that stand on one store together: templates, versions, files, workspaces, builds.
func TestWorkspaces(t *testing.T) {
	RegisterFailHandler(Fail)
	recorder = contract.NewRecorder(t)
	observed = recorder.Transport(t, http.DefaultTransport)
	RunSpecs(t, "Workspaces")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)

	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "berth-system"}})).To(Succeed())
	objects, err = store.New(ctx, store.Options{Config: env.Config, Namespace: "berth-system"})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(objects.Start(ctx)).To(Succeed())
	}()
	Expect(objects.Synced(ctx)).To(BeTrue())

	server = httptest.NewServer(serve(objects))
	DeferCleanup(server.Close)
})

// serve is the packages' handlers over a store.
func serve(s *store.Store) http.Handler {
	GinkgoHelper()
	front, _, err := httpapi.New(httpapi.Config{
		Routes: slices.Concat(
			(&quotas.Handlers{Store: s}).Routes(),
			(&templates.Handlers{Store: s, Now: time.Now}).Routes(),
			(&versions.Handlers{Store: s, Files: s.Files(time.Now), Example: examples.Archive, AccessURL: "http://berth.test", Now: time.Now}).Routes(),
			(&files.Handlers{Store: s, Files: s.Files(time.Now)}).Routes(),
			(&workspaces.Handlers{Store: s, Now: time.Now}).Routes(),
			(&builds.Handlers{Store: s, Now: time.Now}).Routes(),
		),
		Version: "v0.0.0", Log: slog.New(slog.NewTextHandler(GinkgoWriter, nil)), Metrics: prometheus.NewRegistry(),
		Session: named{}, Aggregated: named{},
	})
	Expect(err).NotTo(HaveOccurred())
	return front
}

// named lets in whoever a test says it is; how people are really known is package authn's, and proven there.
type named struct{}

func (named) Authenticate(r *http.Request, _ bool) (*authz.Caller, error) {
	user, err := objects.User(r.Context(), r.Header.Get("Test-User"))
	if err != nil {
		return nil, fault.New(fault.Unauthenticated, "Nobody is called so.")
	}
	return identity.Caller(r.Context(), objects, user, nil)
}

// answer is what the server said.
type answer struct {
	status int
	body   []byte
}

// ask sends a request as a User, and has the answer compared with the contract.
func ask(ctx context.Context, user, method, path string, body any) answer {
	GinkgoHelper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = bytes.NewBufferString(b)
	default:
		data, err := json.Marshal(b)
		Expect(err).NotTo(HaveOccurred())
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, server.URL+"/api/v2/"+path, reader)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Test-User", user)
	if method == "POST" && path == "files" {
		request.Header.Set("Content-Type", "application/x-tar")
	}
	response, err := (&http.Client{Transport: observed}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer{status: response.StatusCode, body: data}
}

// as asks, wants the status, and reads the answer.
func as[T any](ctx context.Context, status int, user, method, path string, body any) T {
	GinkgoHelper()
	a := ask(ctx, user, method, path, body)
	Expect(a.status).To(Equal(status), "%s %s: %s", method, path, a.body)
	var out T
	if status != http.StatusNoContent {
		Expect(json.Unmarshal(a.body, &out)).To(Succeed(), string(a.body))
	}
	return out
}

// refused asks, and wants the status and a complaint about each of the fields.
func refused(ctx context.Context, status int, user, method, path string, body any, fields ...string) codersdk.Response {
	GinkgoHelper()
	r := as[codersdk.Response](ctx, status, user, method, path, body)
	var named []string
	for _, v := range r.Validations {
		named = append(named, v.Field)
	}
	if len(fields) > 0 {
		Expect(named).To(ConsistOf(fields), r.Message)
	}
	return r
}

// absent is an id that nothing has.
func absent() string { return uuid.NewString() }
