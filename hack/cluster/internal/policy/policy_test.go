// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// objects of a small cluster: two namespaces, a web server with a named port and
// its clients.
const cluster = `{
  "Namespaces": [
    {"metadata": {"name": "shop", "labels": {"team": "red"}}},
    {"metadata": {"name": "other", "labels": {"team": "blue"}}}
  ],
  "Pods": [
    {"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}}, "status": {"phase": "Running", "podIP": "10.88.0.2"},
     "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8000}]}]}},
    {"metadata": {"name": "client", "namespace": "shop", "labels": {"app": "client"}}, "status": {"phase": "Running", "podIP": "10.88.0.3"}},
    {"metadata": {"name": "far", "namespace": "other", "labels": {"app": "client"}}, "status": {"phase": "Running", "podIP": "10.88.0.4"}},
    {"metadata": {"name": "done", "namespace": "shop", "labels": {"app": "client"}}, "status": {"phase": "Succeeded", "podIP": "10.88.0.9"}},
    {"metadata": {"name": "node", "namespace": "shop", "labels": {"app": "client"}}, "spec": {"hostNetwork": true}, "status": {"phase": "Running", "podIP": "10.99.0.1"}}
  ],
  "Policies": [{"metadata": {"name": "p", "namespace": "shop"}, "spec": %s}]
}`

func TestAllowed(t *testing.T) {
	cases := map[string]struct {
		spec, pod, direction string
		want                 []string
		wantOpen             bool
	}{
		"closed":                {spec: `{"podSelector":{}}`, pod: "web", direction: ingress},
		"egress is not touched": {spec: `{"podSelector":{}}`, pod: "web", direction: egress, wantOpen: true},
		"egress by its rules":   {spec: `{"podSelector":{},"egress":[{}]}`, pod: "web", direction: egress, want: []string{""}},
		"egress by its type":    {spec: `{"podSelector":{},"policyTypes":["Egress"]}`, pod: "web", direction: egress},
		"ingress by its type":   {spec: `{"podSelector":{},"policyTypes":["Egress"]}`, pod: "web", direction: ingress, wantOpen: true},
		"not selected":          {spec: `{"podSelector":{"matchLabels":{"app":"web"}}}`, pod: "client", direction: ingress, wantOpen: true},
		"another namespace":     {spec: `{"podSelector":{}}`, pod: "far", direction: ingress, wantOpen: true},
		"own namespace": {spec: `{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"client"}}}]}]}`, pod: "web", direction: ingress,
			want: []string{"ip saddr { 10.88.0.3 }"}},
		"another namespace's": {spec: `{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"blue"}}}]}]}`, pod: "web", direction: ingress,
			want: []string{"ip saddr { 10.88.0.4 }"}},
		"all namespaces": {spec: `{"podSelector":{},"ingress":[{"from":[{"namespaceSelector":{},"podSelector":{"matchLabels":{"app":"client"}}}]}]}`, pod: "web", direction: ingress,
			want: []string{"ip saddr { 10.88.0.3, 10.88.0.4 }"}},
		"nobody matches": {spec: `{"podSelector":{},"ingress":[{"from":[{"podSelector":{"matchLabels":{"app":"none"}}}]}]}`, pod: "web", direction: ingress},
		"ports": {spec: `{"podSelector":{},"ingress":[{"ports":[{"port":80},{"port":53,"protocol":"UDP"},{"port":1000,"endPort":2000},{"protocol":"SCTP"}]}]}`, pod: "web", direction: ingress,
			want: []string{"meta l4proto sctp", "tcp dport 1000-2000", "tcp dport 80", "udp dport 53"}},
		"a named port": {spec: `{"podSelector":{},"ingress":[{"ports":[{"port":"http"}]}]}`, pod: "web", direction: ingress,
			want: []string{"tcp dport 8000"}},
		"a name that is not there": {spec: `{"podSelector":{},"ingress":[{"ports":[{"port":"http"}]}]}`, pod: "client", direction: ingress},
		"a named port of a peer": {spec: `{"podSelector":{},"egress":[{"to":[{"podSelector":{}}],"ports":[{"port":"http"}]}]}`, pod: "client", direction: egress,
			want: []string{"ip daddr 10.88.0.2 tcp dport 8000"}},
		"a range with a hole": {spec: `{"podSelector":{},"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.1/8","except":["10.1.0.0/16"]}}],"ports":[{"port":443}]}]}`, pod: "web", direction: egress,
			want: []string{"ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 tcp dport 443"}},
		"IPv6 reaches nothing here": {spec: `{"podSelector":{},"egress":[{"to":[{"ipBlock":{"cidr":"::/0"}}]}]}`, pod: "web", direction: egress},
		"expressions": {spec: `{"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]},{"key":"old","operator":"DoesNotExist"}]},"ingress":[{"from":[{"podSelector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]}}]}]}`, pod: "web", direction: ingress,
			want: []string{"ip saddr { 10.88.0.3 }"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var s State
			if err := json.Unmarshal(fmt.Appendf(nil, cluster, c.spec), &s); err != nil {
				t.Fatal(err)
			}
			for _, pod := range s.Pods {
				if pod.Name != c.pod {
					continue
				}
				got, isolated := s.allowed(pod, c.direction)
				if isolated == c.wantOpen {
					t.Errorf("isolated: %v", isolated)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestRules(t *testing.T) {
	var s State
	if err := json.Unmarshal(fmt.Appendf(nil, cluster, `{"podSelector":{"matchLabels":{"app":"web"}},"policyTypes":["Ingress","Egress"],"ingress":[{"ports":[{"port":80}]}]}`), &s); err != nil {
		t.Fatal(err)
	}
	// An old pod that still names the new one's address.
	old := s.Pods[0]
	old.Name, old.DeletionTimestamp = "a-web", "2026-01-01T00:00:00Z"
	s.Pods = append(s.Pods, old)
	const want = `table ip network-policy
delete table ip network-policy
table ip network-policy {
	chain egress-10-88-0-2 { # shop/web
		reject
	}
	chain ingress-10-88-0-2 { # shop/web
		tcp dport 80 return
		reject
	}
	chain forward {
		type filter hook forward priority -5; policy accept;
		ct state established,related accept
		ip saddr vmap { 10.88.0.2 : jump egress-10-88-0-2 }
		ip daddr vmap { 10.88.0.2 : jump ingress-10-88-0-2 }
	}
}
`
	if diff := cmp.Diff(want, s.Rules()); diff != "" {
		t.Error(diff)
	}
}

// A mirror follows additions and deletions, and tells that something changed.
func TestMirror(t *testing.T) {
	answers := map[string]string{
		"/api/v1/pods": `{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"uid":"a","name":"a"}},{"metadata":{"uid":"b","name":"b"}}]}`,
		"/api/v1/pods?watch=1&resourceVersion=7": `{"type":"ADDED","object":{"metadata":{"uid":"c","name":"c"}}}
{"type":"DELETED","object":{"metadata":{"uid":"a"}}}
{"type":"MODIFIED","object":{"metadata":{"uid":"b","name":"b"},"status":{"podIP":"10.88.0.7"}}}
{"type":"ERROR","object":{"code":410}}`,
	}
	changed := make(chan struct{}, 1)
	m := &mirror[Pod]{path: "/api/v1/pods", changed: changed, log: slog.New(slog.DiscardHandler), from: func(_ context.Context, path string) (io.ReadCloser, error) {
		text, ok := answers[path]
		if !ok {
			return nil, errors.New("404")
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}}
	if _, complete := m.objects(); complete {
		t.Error("complete before the first list")
	}
	version, err := m.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.watch(t.Context(), version); err == nil || !strings.Contains(err.Error(), "410") {
		t.Errorf("an expired watch gives %v", err)
	}
	pods, complete := m.objects()
	addresses := map[string]string{}
	for _, p := range pods {
		addresses[p.Name] = p.Status.PodIP
	}
	if diff := cmp.Diff(map[string]string{"b": "10.88.0.7", "c": ""}, addresses); diff != "" || !complete {
		t.Errorf("complete %v %s", complete, diff)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
}
