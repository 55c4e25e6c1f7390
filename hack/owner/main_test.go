// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
)

func TestWait(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked < 3 || r.URL.Path != "/api/v2/buildinfo" {
			http.Error(w, "caches fill", http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := run(t.Context(), []string{"wait", server.URL}); err != nil {
		t.Error(err)
	}
	if asked != 3 {
		t.Errorf("it asked %d times, want 3", asked)
	}
}

func TestWaitGivesUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "caches fill", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := wait(ctx, server.URL)
	if err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("error %v, want one that names %s", err, server.URL)
	}
}

func TestMake(t *testing.T) {
	for name, test := range map[string]struct {
		there, answer int
		wantMade      bool
		wantError     string
	}{
		"none yet":              {there: 404, answer: 201, wantMade: true},
		"there already":         {there: 200},
		"refused":               {there: 404, answer: 400, wantMade: true, wantError: "no default organization"},
		"a server in trouble":   {there: 500, wantError: "500"},
		"another was faster":    {there: 404, answer: 409, wantMade: true, wantError: "409"},
		"a server of something": {there: 302, wantError: "302"},
	} {
		t.Run(name, func(t *testing.T) {
			var made codersdk.CreateFirstUserRequest
			file := filepath.Join(t.TempDir(), "owner")
			if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.WriteHeader(test.there)
					return
				}
				if err := json.NewDecoder(r.Body).Decode(&made); err != nil {
					t.Error(err)
				}
				http.Error(w, "no default organization", test.answer)
			}))
			defer server.Close()
			err := run(t.Context(), []string{"make", server.URL, file})
			if (err == nil) != (test.wantError == "") || err != nil && !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("error %v, want one with %q", err, test.wantError)
			}
			kept, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !test.wantMade {
				if string(kept) != "old" || made.Email != "" {
					t.Errorf("%+v was asked for, and %q is kept", made, kept)
				}
				return
			}
			if want := made.Email + "\n" + made.Password + "\n"; string(kept) != want || len(made.Password) < 20 {
				t.Errorf("%q is kept, want %q", kept, want)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("others may read the file: %v %v", info.Mode(), err)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{nil, {"wait"}, {"make", "url"}, {"take", "url"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
