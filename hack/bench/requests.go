// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// requests counts what a process asks the kube-apiserver for.
type requests struct {
	mu sync.Mutex
	of map[string]int
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// count has all that goes by a transport counted.
func (q *requests) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		what := asked(r)
		q.mu.Lock()
		q.of[what]++
		q.mu.Unlock()
		return next.RoundTrip(r)
	})
}

func (q *requests) read() map[string]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.of)
}

// asked is what a request asks for: "GET pods", "LIST pods", "PATCH pods/status".
func asked(r *http.Request) string {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] == "api" && len(parts) > 2 {
		parts = parts[2:]
	} else if parts[0] == "apis" && len(parts) > 3 {
		parts = parts[3:]
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	method, what := r.Method, parts[0]
	if len(parts) > 2 {
		what += "/" + parts[2]
	}
	if method == http.MethodGet && len(parts) == 1 {
		method = "LIST"
		if r.URL.Query().Get("watch") != "" {
			method = "WATCH"
		}
	}
	return method + " " + what
}

// requestsSince says what was asked for each of n things after an earlier reading.
func requestsSince(before, after map[string]int, n int) string {
	var kinds []string
	for _, what := range slices.Sorted(maps.Keys(after)) {
		if of := float64(after[what]-before[what]) / float64(n); of >= 0.05 {
			kinds = append(kinds, fmt.Sprintf("%s %.2f", what, of))
		}
	}
	return strings.Join(kinds, ", ")
}
