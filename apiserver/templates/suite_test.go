// SPDX-License-Identifier: Apache-2.0

package templates_test

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
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/templates"
	"github.com/berth-dev/berth/apiserver/versions"
	"github.com/berth-dev/berth/apiserver/workspaces"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/contract"
)

const berthNamespace = "berth-system"

var (
	env      *cluster.Cluster
	objects  *store.Store
	replicas []*httptest.Server // two servers with a store each, as two replicas have
	observed http.RoundTripper
)

func TestTemplates(t *testing.T) {
	RegisterFailHandler(Fail)
	observed = contract.NewRecorder(t).Transport(t, http.DefaultTransport)
	RunSpecs(t, "Templates")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: berthNamespace}})).To(Succeed())
	for range 2 {
		replica()
	}
})

// replica starts a server. The first one's store is the suite's.
func replica() {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	s, err := store.New(ctx, store.Options{Config: env.Config, Namespace: berthNamespace})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(s.Start(ctx)).To(Succeed())
	}()
	Expect(s.Synced(ctx)).To(BeTrue())
	if objects == nil {
		objects = s
	}
	front, _, err := httpapi.New(httpapi.Config{
		Routes: slices.Concat(
			(&templates.Handlers{Store: s, Now: time.Now}).Routes(),
			(&versions.Handlers{Store: s}).Routes(),
			(&workspaces.Handlers{Store: s, Now: time.Now}).Routes(),
			(&builds.Handlers{Store: s, Now: time.Now}).Routes(),
		),
		Version: "v0.0.0", Log: slog.New(slog.NewTextHandler(GinkgoWriter, nil)), Metrics: prometheus.NewRegistry(),
		Session: named{s}, Aggregated: named{s},
	})
	Expect(err).NotTo(HaveOccurred())
	server := httptest.NewServer(front)
	DeferCleanup(server.Close)
	replicas = append(replicas, server)
}

// named lets in whoever a test says it is; how people are really known is package authn's, and proven there.
type named struct{ store *store.Store }

func (n named) Authenticate(r *http.Request, _ bool) (*authz.Caller, error) {
	user, err := n.store.User(r.Context(), r.Header.Get("Test-User"))
	if err != nil {
		return nil, fault.New(fault.Unauthenticated, "Nobody is called so.")
	}
	return identity.Caller(r.Context(), n.store, user, nil)
}

// answer is what a server said.
type answer struct {
	status int
	body   []byte
}

// ask sends a request as a User to the first replica, and has the answer compared with the contract.
func ask(ctx context.Context, user, method, path string, body any) answer {
	GinkgoHelper()
	return askAt(ctx, replicas[0], user, method, path, body)
}

func askAt(ctx context.Context, server *httptest.Server, user, method, path string, body any) answer {
	GinkgoHelper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		data, err = json.Marshal(b)
		Expect(err).NotTo(HaveOccurred())
	}
	request, err := http.NewRequestWithContext(ctx, method, server.URL+"/api/v2/"+path, bytes.NewReader(data))
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Test-User", user)
	response, err := (&http.Client{Transport: observed}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return answer{status: response.StatusCode, body: read}
}

// as asks, wants the status, and reads the answer.
func as[T any](ctx context.Context, status int, user, method, path string, body any) T {
	GinkgoHelper()
	a := ask(ctx, user, method, path, body)
	Expect(a.status).To(Equal(status), "%s %s: %s", method, path, a.body)
	var out T
	Expect(json.Unmarshal(a.body, &out)).To(Succeed(), string(a.body))
	return out
}

// refused asks, and wants the status and a complaint about each of the fields.
func refused(ctx context.Context, status int, user, method, path string, body any, fields ...string) codersdk.Response {
	GinkgoHelper()
	r := as[codersdk.Response](ctx, status, user, method, path, body)
	named := []string{}
	for _, v := range r.Validations {
		named = append(named, v.Field)
	}
	Expect(named).To(ConsistOf(fields), r.Message)
	return r
}

// absent is an id that nothing has.
func absent() uuid.UUID { return uuid.New() }
