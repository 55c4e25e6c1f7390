// SPDX-License-Identifier: Apache-2.0

package contract_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/testing/contract"
)

// logFile makes recorders of this test write to a file of its own.
func logFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	t.Setenv(contract.LogEnv, path)
	return path
}

func TestRecorderCountsOnlyRightSuccesses(t *testing.T) {
	log := logFile(t)
	r := contract.NewRecorder(t)
	organizations := []byte(`[]`)
	for name, test := range map[string]struct {
		path       string
		status     int
		body       []byte
		wantErrors bool
	}{
		"success":       {"/api/v2/users/me/organizations", 200, organizations, false},
		"refusal":       {"/api/v2/templates/x", 404, []byte(`{"message":"not found"}`), false},
		"wrong success": {"/api/v2/organizations/x", 200, []byte(`{}`), true},
		"named refusal": {"/api/v2/users/first", 404, []byte(`{"message":"none yet"}`), false},
		"unknown path":  {"/api/v2/nothing", 200, []byte(`{}`), true},
	} {
		if errs := r.Observe("GET", test.path, test.status, jsonHeader, test.body); len(errs) > 0 != test.wantErrors {
			t.Errorf("%s: errors %v, want some: %t", name, errs, test.wantErrors)
		}
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"method":"GET","path":"/api/v2/users/{user}/organizations","tag":"Users"}` + "\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("log differs (-want +got):\n%s", diff)
	}
}

func TestRecordersShareALog(t *testing.T) {
	log := logFile(t)
	recorders := []*contract.Recorder{contract.NewRecorder(t), contract.NewRecorder(t)}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			path := []string{"/api/v2/users/me/organizations", "/api/v2/organizations/x/templates"}[i%2]
			for _, err := range recorders[i%len(recorders)].Observe("GET", path, 200, jsonHeader, []byte(`[]`)) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	coverage, err := contract.Seed(t).Coverage(bytes.NewReader(data))
	if err != nil || coverage.Seen != 2 {
		t.Errorf("seen %d, %v, want 2", coverage.Seen, err)
	}
}

func TestTransportPassesAnswersOn(t *testing.T) {
	log := logFile(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, err := io.WriteString(w, `[]`); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: contract.NewRecorder(t).Transport(t, http.DefaultTransport)}
	resp, err := client.Get(server.URL + "/api/v2/users/me/organizations")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != `[]` {
		t.Errorf("body %q, %v, want []", body, err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(log); err != nil || len(data) == 0 {
		t.Errorf("log %q, %v, want a line", data, err)
	}
}
