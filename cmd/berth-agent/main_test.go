// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	t.Chdir(".") // run goes elsewhere
	home, claim, shared := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".profile"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	// In order: later rows meet what earlier ones did.
	tests := []struct {
		name      string
		arguments string
		want      int
		out, err  string
	}{
		{name: "nothing", want: 2, err: "berth-agent run [flags]"},
		{name: "unknown command", arguments: "start", want: 2, err: "berth-agent run [flags]"},
		{name: "unknown flag", arguments: "seed --form x", want: 2, err: "not defined: -form"},
		{name: "help", arguments: "run -h", want: 0, err: "-grace"},
		{name: "install needs a place", arguments: "install", want: 2, err: "needs --to"},
		{name: "install takes no more", arguments: "install --to x y", want: 2, err: `no argument "y"`},
		{name: "install", arguments: "install --to " + shared, want: 0},
		{name: "seed needs a source", arguments: "seed --to " + claim, want: 2, err: "needs --from"},
		{name: "seed", arguments: "seed --to " + claim + " --from " + home, want: 0, out: "1 files copied"},
		{name: "seed again", arguments: "seed --to " + claim + " --from " + home, want: 0, out: "seeded before"},
		{name: "seed without a claim", arguments: "seed --to /no/claim --from " + home, want: 1, err: "--to /no/claim"},
		{name: "files need a list", arguments: "files --from " + home, want: 2, err: "needs --files"},
		{name: "files, badly listed", arguments: "files --from " + home + " --files {}", want: 2, err: "--files: "},
		{name: "files", arguments: "files --from " + home + ` --files [{"from":".profile","to":"` + claim + `","path":"b/.profile","mode":"0600"}]`, want: 0, out: "1 files written, 0 skipped"},
		{name: "run with a bad name", arguments: "run --name ../x", want: 2, err: "--name"},
		{name: "run with a bad grace", arguments: "run --grace -1s", want: 2, err: "--grace"},
		{name: "run", arguments: "run --state " + shared + "/run/main -- sh -c :", want: 0},
		{name: "not ready", arguments: "ready --state " + shared + "/run/main", want: 1, err: "not ready"},
		{name: "ready takes no more", arguments: "ready now", want: 2, err: `no argument "now"`},
		{name: "version", arguments: "version", want: 0, out: "v0.0.0-dev\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out, err bytes.Buffer
			got := dispatch(strings.Fields(test.arguments), &out, &err)
			if got != test.want || !strings.Contains(out.String(), test.out) || !strings.Contains(err.String(), test.err) {
				t.Errorf("exit code %d, want %d; stdout %q, want %q in it; stderr %q, want %q in it",
					got, test.want, out.String(), test.out, err.String(), test.err)
			}
			if count := strings.Count(err.String(), "not defined"); count > 1 {
				t.Errorf("one mistake is told %d times: %s", count, err.String())
			}
		})
	}
	if _, err := os.Stat(filepath.Join(shared, "berth-agent")); err != nil {
		t.Error(err)
	}
}

// The binary runs in images of which nothing is known, so it must not need anything of theirs, and it is copied at
// each start of a workspace. Half of it is TLS and HTTP, by which it reaches the API server.
func TestBinaryIsSmallAndStatic(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "berth-agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs %v, %v", libraries, err)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(8 << 20); info.Size() > limit {
		t.Errorf("%d bytes, want at most %d", info.Size(), limit)
	}
	packages, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(packages)) {
		if strings.HasPrefix(name, "k8s.io/") || strings.HasPrefix(name, "sigs.k8s.io/") {
			t.Errorf("imports %s", name)
		}
	}
}
