// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAt(t *testing.T) {
	cases := map[string]struct{ name, state, wantSlug, wantErr string }{
		"usual":          {name: "berth", state: "/s", wantSlug: "berth"},
		"begins so":      {name: "berth-e2e", state: "/s", wantSlug: "berth-e2e"},
		"other":          {name: "docker", state: "/s", wantSlug: "berth-docker"},
		"begins like it": {name: "berthing", state: "/s", wantSlug: "berth-berthing"},
		"empty":          {name: "", state: "/s", wantErr: "letters"},
		"path":           {name: "../x", state: "/s", wantErr: "letters"},
		"upper case":     {name: "Berth", state: "/s", wantErr: "letters"},
		"ends in a dash": {name: "berth-", state: "/s", wantErr: "letters"},
		"long":           {name: strings.Repeat("x", 31), state: "/s", wantErr: "letters"},
		"a long folder":  {name: "berth", state: "/" + strings.Repeat("x", 80), wantErr: "at most 80"},
		"a space":        {name: "berth", state: "/a b", wantErr: "space"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := At(c.name, c.state)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("error %v, want one with %q", err, c.wantErr)
				}
				return
			}
			if err != nil || got.slug() != c.wantSlug {
				t.Errorf("got %+v, %v; want slug %q", got, err, c.wantSlug)
			}
		})
	}
}

// A folder with something else in it is neither used nor removed.
func TestForeignStateFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(precious, []byte("years"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Name: "berth-test", Dir: dir}
	if err := c.save(&Settings{Name: c.Name}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("starting in it gives %v", err)
	}
	var out strings.Builder
	if err := Down(t.Context(), c, false, &out); err == nil || !strings.Contains(err.Error(), "nothing was removed") {
		t.Errorf("taking it down gives %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestSettingsSurvive(t *testing.T) {
	c := &Cluster{Name: "berth-test", Dir: filepath.Join(t.TempDir(), "state")}
	want := &Settings{Name: c.Name, Port: 1, Forwards: []string{"2=3"}, Simulated: true, Audit: true}
	if err := c.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := c.load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Forwards, got.Forwards); diff != "" || got.Port != 1 || !got.Simulated || !got.Audit {
		t.Errorf("got %+v %s", got, diff)
	}
	other := &Cluster{Name: "berth-other", Dir: c.Dir}
	if _, err := other.load(); err == nil || !strings.Contains(err.Error(), "berth-test") {
		t.Errorf("another cluster's folder gives %v", err)
	}
}

func TestOutsideSettings(t *testing.T) {
	got := outsideSettings([]string{
		"HOME=/x", "HTTPS_PROXY=http://proxy.test:3128", "https_proxy=http://127.0.0.1:1", "http_proxy=http://localhost:1", "NO_PROXY=.test", "SSL_CERT_FILE=/ca.pem",
	})
	want := []string{
		"HTTPS_PROXY=http://proxy.test:3128",
		"NO_PROXY=.test,10.96.0.0/16,10.88.0.0/16,10.99.0.1,127.0.0.1,localhost,.svc,.cluster.local",
		"SSL_CERT_FILE=/ca.pem",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
