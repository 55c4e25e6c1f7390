// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// LogEnv names the environment variable with the absolute path of the file to which recorders append. Packages whose
// tests run at the same time share the file. Without it a recorder writes to its test's artifacts.
const LogEnv = "BERTH_CONTRACT_LOG"

// Sighting is one line of the log: an endpoint that answered a test from real state, with a success that agreed with the
// contract.
type Sighting struct {
	Method string `json:"method"`
	// Path is in the contract's spelling.
	Path string `json:"path"`
	Tag  string `json:"tag"`
}

// Recorder checks answers and keeps account of the endpoints that were seen to succeed. Only hand it answers of a server
// that read them from a cluster: the number it leads to says how much of the API is real. It may be used by many
// goroutines at once.
type Recorder struct {
	facts *Facts

	mu   sync.Mutex
	log  *os.File
	seen map[Sighting]bool
}

// NewRecorder opens the log and closes it at the end of the test.
func NewRecorder(t testing.TB) *Recorder {
	t.Helper()
	path := os.Getenv(LogEnv)
	if path == "" {
		path = filepath.Join(t.ArtifactDir(), "contract.jsonl")
	}
	if !filepath.IsAbs(path) {
		t.Fatalf("%s=%s: want an absolute path, as tests run in their packages' folders", LogEnv, path)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{facts: Seed(t), log: log, seen: map[Sighting]bool{}}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Observe checks one answer as CheckResponse does and, if it is a right success, records its endpoint.
func (r *Recorder) Observe(method, path string, status int, header http.Header, data []byte) []error {
	errs := r.facts.CheckResponse(method, path, status, header, data)
	e, ok := r.facts.Endpoint(method, path)
	if !ok || len(errs) > 0 || !e.Succeeds(status) {
		return errs
	}
	if err := r.record(Sighting{Method: e.Method, Path: e.Path, Tag: e.Tag}); err != nil {
		return []error{err}
	}
	return nil
}

// record appends a line, the first time.
func (r *Recorder) record(s Sighting) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[s] {
		return nil
	}
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := r.log.Write(append(line, '\n')); err != nil {
		return err
	}
	r.seen[s] = true
	return nil
}

// Transport is base with every answer observed; what is wrong with one is an error of the test. Use it for the client
// with which a test talks to its server. Answers that have no end are passed on unread and not recorded.
func (r *Recorder) Transport(t testing.TB, base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if err != nil || endless(resp) {
			return resp, err
		}
		data, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(data))
		for _, err := range r.Observe(req.Method, req.URL.Path, resp.StatusCode, resp.Header, data) {
			t.Errorf("contract: %v", err)
		}
		return resp, nil
	})
}

func endless(resp *http.Response) bool {
	return resp.StatusCode == http.StatusSwitchingProtocols || resp.Header.Get("Content-Type") == "text/event-stream"
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
