// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/serving"
	"github.com/berth-dev/berth/internal/testing/cluster"
	"github.com/berth-dev/berth/internal/testing/contract"
)

func TestAPIServer(t *testing.T) {
	RegisterFailHandler(Fail)
	env.observed = observer{contract.NewRecorder(t).Transport(t, http.DefaultTransport)}
	RunSpecs(t, "The API server")
	if t.Failed() && env.log != nil {
		t.Logf("the servers' log:\n%s", env.log)
	}
}

const (
	// providerKey is what the identity provider of the tests sends.
	providerKey = "a-key-of-the-identity-provider"
	namespace   = "berth-system"
	service     = "berth-apiserver"
	group       = "/apis/codersdk.berth.dev/v2"
)

// env is the control plane and the one server that all specs share.
var env struct {
	*cluster.Cluster
	proxy  frontProxy
	server *running
	log    *logbook
	// stream is what all servers wrote of their audit logs.
	stream *logbook
	// observed compares every answer of the session door with the contract.
	observed http.RoundTripper
}

var _ = BeforeSuite(func(ctx SpecContext) {
	env.log, env.stream = &logbook{}, &logbook{}
	handler := slog.NewJSONHandler(env.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	klog.SetSlogLogger(slog.New(handler))
	ctrl.SetLogger(logr.FromSlogHandler(handler))
	proxy, err := newFrontProxy(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	env.proxy = proxy
	env.Cluster, err = cluster.Start(func(e *envtest.Environment) {
		e.ControlPlane.GetAPIServer().Configure().
			Append("requestheader-client-ca-file", proxy.caFile).
			Append("requestheader-allowed-names", proxy.name).
			Append("requestheader-username-headers", "X-Remote-User").
			Append("requestheader-uid-headers", "X-Remote-Uid").
			Append("requestheader-group-headers", "X-Remote-Group").
			Append("requestheader-extra-headers-prefix", "X-Remote-Extra-").
			Append("proxy-client-cert-file", proxy.certFile).
			Append("proxy-client-key-file", proxy.keyFile)
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(env.Stop()).To(Succeed()) })
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	Expect(grant(ctx)).To(Succeed())
	env.server = start()
	Expect(aggregate(ctx, env.server)).To(Succeed())
}, NodeTimeout(2*time.Minute))

// observer has answers compared with the contract, but for those of routes that it does not have.
type observer struct{ http.RoundTripper }

// RoundTrip asks.
func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	for route := range besideContract {
		method, pattern, _ := strings.Cut(route, " ")
		if ok, err := path.Match(hole.ReplaceAllString(pattern, "*"), r.URL.Path); ok && err == nil && method == r.Method {
			return http.DefaultTransport.RoundTrip(r)
		}
	}
	return o.RoundTripper.RoundTrip(r)
}

var hole = regexp.MustCompile(`\{[^/]*\}`)

// running is a server of this process.
type running struct {
	*apiserver.Server
	stop  context.CancelFunc
	ended chan error
}

// start runs a replica with the rights that the chart gives it, and no more.
func start(change ...func(*apiserver.Options)) *running {
	GinkgoHelper()
	config, err := env.AddUser("system:serviceaccount:"+namespace+":"+service, "system:serviceaccounts", "system:authenticated")
	Expect(err).NotTo(HaveOccurred())
	config.QPS, config.Burst = -1, -1
	ctx, stop := context.WithCancel(context.Background())
	loopback := "127.0.0.1:0"
	keyFile := filepath.Join(GinkgoT().TempDir(), "scim-key")
	Expect(os.WriteFile(keyFile, []byte(providerKey+"\n"), 0o600)).To(Succeed())
	options := apiserver.Options{
		Config: config, Namespace: namespace, Service: service, AccessURL: "http://berth.test",
		HTTPS: loopback, HTTP: loopback, Probes: loopback, SCIMKeyFile: keyFile, Log: slog.New(slog.NewJSONHandler(env.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		// Specs come from addresses of their own, so that one does not use up another's attempts to sign in.
		Proxies:     []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		AuditStream: env.stream, RequesterStamps: true,
		Limits: httpapi.Limits{Off: true}, // specs ask more often than people do; those about limits have a server with them
	}
	for _, f := range change {
		f(&options)
	}
	server, err := apiserver.New(ctx, options)
	Expect(err).NotTo(HaveOccurred())
	r := &running{Server: server, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- server.Run(ctx) }()
	DeferCleanup(func() {
		stop()
		Eventually(r.ended).WithTimeout(30 * time.Second).Should(Receive(BeNil()))
	})
	_, _, probes := server.Addresses()
	Eventually(func(g Gomega) {
		response, err := http.Get("http://" + probes.String() + "/readyz")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(response.Body.Close()).To(Succeed())
		g.Expect(response).To(HaveHTTPStatus(http.StatusOK))
	}).WithTimeout(2 * time.Minute).Should(Succeed()) // its caches hold what all specs have left
	return r
}

// me is the status of asking for the own account by a door.
func me(ctx context.Context, d door) int { return ask(ctx, d, "GET", "/api/v2/users/me", nil).Status }

// grant gives the server's account what config/rbac says, and everybody the right to ask the aggregated API.
func grant(ctx context.Context) error {
	for _, file := range []string{"apiserver.yaml", "aggregated-api.yaml"} {
		data, err := os.ReadFile(filepath.Join(cluster.Root(), "config", "rbac", file))
		if err != nil {
			return err
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
		for {
			o := &unstructured.Unstructured{}
			if err := decoder.Decode(o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			if err := env.Client.Create(ctx, o); err != nil {
				return err
			}
		}
	}
	account := rbacv1.Subject{Kind: rbacv1.UserKind, Name: "system:serviceaccount:" + namespace + ":" + service}
	everybody := rbacv1.Subject{Kind: rbacv1.GroupKind, Name: "system:authenticated"}
	role := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	for _, o := range []client.Object{
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: service}, RoleRef: role("ClusterRole", service), Subjects: []rbacv1.Subject{account}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "ask"}, RoleRef: role("ClusterRole", "berth-aggregated-api"), Subjects: []rbacv1.Subject{everybody}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: service, Namespace: namespace}, RoleRef: role("Role", service), Subjects: []rbacv1.Subject{account}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: service, Namespace: "kube-system"},
			RoleRef: role("Role", "extension-apiserver-authentication-reader"), Subjects: []rbacv1.Subject{account}},
	} {
		if err := env.Client.Create(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// aggregate writes the Service and the APIService, as the chart and the manager do, with the CA that the server published,
// and waits until the kube-apiserver passes requests on.
func aggregate(ctx context.Context, r *running) error {
	https, _, _ := r.Addresses()
	_, text, _ := strings.Cut(https.String(), ":")
	port, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return err
	}
	err = env.Client.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: service, Namespace: namespace}, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeExternalName, ExternalName: "localhost", Ports: []corev1.ServicePort{{Port: int32(port)}},
	}})
	if err != nil {
		return err
	}
	published := &corev1.ConfigMap{}
	if err := env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: serving.ConfigMapName}, published); err != nil {
		return err
	}
	api := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": "v2.codersdk.berth.dev"},
		"spec": map[string]any{
			"group": "codersdk.berth.dev", "version": "v2", "groupPriorityMinimum": int64(1000), "versionPriority": int64(10),
			"caBundle": base64.StdEncoding.EncodeToString([]byte(published.Data[serving.BundleKey])),
			"service":  map[string]any{"name": service, "namespace": namespace, "port": port},
		},
	}}
	if err := env.Client.Create(ctx, api); err != nil {
		return err
	}
	Eventually(func(g Gomega) {
		a := ask(ctx, aggregated(env.Config), "GET", "/api/v2/buildinfo", nil)
		g.Expect(a.Status).To(Equal(http.StatusOK), string(a.Body))
	}).WithContext(ctx).WithTimeout(30 * time.Second).Should(Succeed())
	return nil
}

// A door is one way to ask: a client, where it asks, and what goes with every request. Paths are those of the session
// door; through the kube-apiserver they are the aggregated door's.
type door struct {
	client     *http.Client
	base       string
	header     http.Header
	aggregated bool
}

func (d door) url(path string) string {
	if d.aggregated {
		path = strings.Replace(path, "/api/v2/", group+"/", 1)
	}
	return d.base + path
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON reads the body.
func (a answer) JSON(into any) {
	GinkgoHelper()
	Expect(json.Unmarshal(a.Body, into)).To(Succeed(), string(a.Body))
}

// Message is what the answer says to a person.
func (a answer) Message() string {
	GinkgoHelper()
	var body struct{ Message string }
	a.JSON(&body)
	return body.Message
}

// session is the session door, with a token unless it is empty.
func session(token string) door { return sessionAt(env.server, token) }

func sessionAt(r *running, token string) door {
	_, plain, _ := r.Addresses()
	d := door{client: &http.Client{CheckRedirect: noRedirect, Transport: env.observed}, base: "http://" + plain.String(), header: http.Header{}}
	if token != "" {
		d.header.Set("Coder-Session-Token", token)
	}
	return d
}

// aggregated is the aggregated door through the kube-apiserver, with a Kubernetes identity.
func aggregated(config *rest.Config) door {
	GinkgoHelper()
	client, err := rest.HTTPClientFor(config)
	Expect(err).NotTo(HaveOccurred())
	client.CheckRedirect = noRedirect
	base, _, err := rest.DefaultServerUrlFor(config)
	Expect(err).NotTo(HaveOccurred())
	return door{client: client, base: base.Scheme + "://" + base.Host, aggregated: true}
}

// direct is the server's own TLS port, past the kube-apiserver, with a client certificate unless it is nil.
func direct(certificate *tls.Certificate) door {
	GinkgoHelper()
	https, _, _ := env.server.Addresses()
	published := &corev1.ConfigMap{}
	Expect(env.Client.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: serving.ConfigMapName}, published)).To(Succeed())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM([]byte(published.Data[serving.BundleKey]))).To(BeTrue())
	config := &tls.Config{RootCAs: roots, ServerName: service + "." + namespace + ".svc", MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	DeferCleanup(transport.CloseIdleConnections)
	return door{client: &http.Client{Transport: transport, CheckRedirect: noRedirect}, base: "https://" + https.String(), header: http.Header{}, aggregated: true}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// with is the door with one more header.
func (d door) with(name string, values ...string) door {
	d.header = d.header.Clone()
	if d.header == nil {
		d.header = http.Header{}
	}
	d.header[http.CanonicalHeaderKey(name)] = values
	return d
}

// ask sends a request; a body that is not text or nil goes as JSON. The path is sent as it stands.
func ask(ctx context.Context, d door, method, path string, body any) answer {
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
	request, err := http.NewRequestWithContext(ctx, method, d.url(path), bytes.NewReader(data))
	Expect(err).NotTo(HaveOccurred(), fmt.Sprintf("%s %s", method, path))
	for name, values := range d.header {
		request.Header[name] = values
	}
	request.Host = d.header.Get("Host") // empty: that of the URL
	response, err := d.client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(response.Body.Close()).To(Succeed()) }()
	end := int64(math.MaxInt64)
	if response.Header.Get("Content-Type") == "text/event-stream" {
		end = int64(len("event: ping\n\n")) // a stream has no end of its own
	}
	read, err := io.ReadAll(io.LimitReader(response.Body, end))
	Expect(err).NotTo(HaveOccurred())
	return answer{Status: response.StatusCode, Header: response.Header, Body: read}
}

// logbook keeps all that the server logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes a line.
func (l *logbook) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

// String is everything so far.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
