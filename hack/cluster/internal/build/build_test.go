// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRequiredVersion(t *testing.T) {
	cases := map[string]struct {
		goMod, module, want string
		wantErr             bool
	}{
		"in a block":              {goMod: "require (\n\ta.b/c v1.2.3 // indirect\n\ta.b/d v2.0.0\n)", module: "a.b/d", want: "v2.0.0"},
		"alone":                   {goMod: "require a.b/c v1.2.3", module: "a.b/c", want: "v1.2.3"},
		"a longer path is not it": {goMod: "require a.b/cd v1.2.3", module: "a.b/c", wantErr: true},
		"a tool is not it":        {goMod: "tool a.b/c\n", module: "a.b/c", wantErr: true},
		"a replace is not it":     {goMod: "replace a.b/c => a.b/c v1.0.0", module: "a.b/c", wantErr: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := requiredVersion(c.goMod, c.module)
			if got != c.want || (err != nil) != c.wantErr {
				t.Errorf("got %q, %v; want %q, error %v", got, err, c.want, c.wantErr)
			}
		})
	}
}

func TestStampKubernetes(t *testing.T) {
	const pkg = "k8s.io/component-base/version."
	want := []string{pkg + "gitVersion=v1.37.2", pkg + "gitMajor=1", pkg + "gitMinor=37"}
	if diff := cmp.Diff(want, stampKubernetes("v1.37.2")); diff != "" {
		t.Error(diff)
	}
}

func TestSetsNameProgramsOfTheCatalogue(t *testing.T) {
	for _, set := range []Set{Assets, Simulated, Node} {
		programs, err := set.Programs()
		if err != nil || len(programs) == 0 {
			t.Errorf("%s: %d programs, %v", set, len(programs), err)
		}
	}
	if _, err := Named("etcd", "emacs"); err == nil || !strings.Contains(err.Error(), `"emacs"`) {
		t.Errorf("a program that does not exist gives %v", err)
	}
}

func TestEveryProgramHasAPinnedVersion(t *testing.T) {
	sources, err := filepath.Abs("../../build")
	if err != nil {
		t.Fatal(err)
	}
	cache := &Cache{Dir: t.TempDir(), Sources: sources, toolchain: "go0"}
	for _, p := range Catalogue() {
		path, err := cache.Path(p)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if rel, err := filepath.Rel(cache.Dir, path); err != nil || !strings.HasPrefix(rel, "bin/"+p.Component.Name+"-") {
			t.Errorf("%s lies in %s", p.Name, rel)
		}
	}
}

func TestKeyFollowsSourcesAndToolchain(t *testing.T) {
	sources := t.TempDir()
	of := Component{Name: "thing"}
	write := func(content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(sources, "thing"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sources, "thing", "go.sum"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	key := func(toolchain string) string {
		t.Helper()
		key, err := (&Cache{Sources: sources, toolchain: toolchain}).key(of)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	write("one")
	first := key("go1")
	if key("go1") != first {
		t.Error("the same sources give two keys")
	}
	if key("go2") == first {
		t.Error("another compiler gives the same key")
	}
	write("two")
	if key("go1") == first {
		t.Error("other sources give the same key")
	}
}

// Two builders at once, from an empty cache: both end with a whole program.
func TestBuildersAtOnce(t *testing.T) {
	sources := t.TempDir()
	module := filepath.Join(sources, "node")
	for path, content := range map[string]string{
		"go.mod":        "module example.test/node\n\ngo 1.26.0\n",
		"pause/main.go": "package main\n\nfunc main() { println(\"ran\") }\n",
	} {
		path = filepath.Join(module, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	programs, err := Named("pause")
	if err != nil {
		t.Fatal(err)
	}
	cacheDir := t.TempDir()
	var dirs [2]string
	var builders sync.WaitGroup
	for i := range dirs {
		builders.Go(func() {
			b := &Builder{
				Cache:    &Cache{Dir: cacheDir, Sources: sources, toolchain: "go1"},
				Progress: &Progress{Out: io.Discard, Interval: time.Hour},
			}
			err := b.Ensure(context.Background(), programs)
			if err == nil {
				dirs[i], err = b.Cache.Link("test", programs)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	builders.Wait()
	if dirs[0] != dirs[1] {
		t.Errorf("the folders differ: %q", dirs)
	}
	info, err := os.Stat(filepath.Join(dirs[0], "pause"))
	if err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the link leads to no program: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(cacheDir, "*", "*", ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestProgressText(t *testing.T) {
	packages := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	cases := map[string]struct {
		compiled []string
		elapsed  time.Duration
		want     string
	}{
		"at first the usual time": {elapsed: 3 * time.Second, want: "[3/9] x 0 %  3s of about 6m0s"},
		"then half of each":       {compiled: packages[:1], elapsed: 60 * time.Second, want: "[3/9] x 9 %  1m0s of about 8m0s"},
		"then what is seen":       {compiled: packages[:5], elapsed: 60 * time.Second, want: "[3/9] x 49 %  1m0s of about 2m0s"},
		"slower than usual":       {compiled: packages[:1], elapsed: 7 * time.Minute, want: "[3/9] x 9 %  7m0s of about 1h10m0s"},
		"never over":              {elapsed: 7 * time.Minute, want: "[3/9] x 0 %  7m0s of about 7m1s"},
		"all compiled":            {compiled: packages, elapsed: 80 * time.Second, want: "[3/9] x 99 %, linking  1m20s"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := &line{label: "[3/9] x", typical: 6 * time.Minute}
			l.expect(packages)
			for _, p := range c.compiled {
				if !l.compiled(p) {
					t.Errorf("%s is not counted", p)
				}
			}
			if l.compiled("./main.go:3: undefined: x") {
				t.Error("an error message counts as a package")
			}
			if got := l.text(c.elapsed); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
