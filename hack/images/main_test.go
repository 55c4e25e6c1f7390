// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/berth-dev/berth/hack/images/internal/layer"
	"github.com/berth-dev/berth/hack/images/internal/userland"
)

// quick are settings under which nothing slow is built: of the programs the agent only, and a userland that the cache
// has already.
func quick(t *testing.T) settings {
	t.Helper()
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("program cmd/berth-agent /usr/bin/berth-agent\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	s := settings{out: t.TempDir(), root: root, list: list, layers: layer.Cache{Dir: t.TempDir()}}
	key, err := userland.Key()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.layers.Layer(key, func(w *tar.Writer) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "home/", Mode: 0o755, ModTime: layer.Epoch()})
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBuild(t *testing.T) {
	s := quick(t)
	if err := build(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	first, err := readReport(s.out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, image := range first.Images {
		tag := strings.TrimPrefix(image.Digest, "sha256:")[:12]
		for _, reference := range image.References {
			names = append(names, strings.Replace(reference, tag, "TAG", 1))
		}
		if info, err := os.Stat(image.Archive); err != nil || info.Size() < image.Size {
			t.Errorf("%s: %v, %v", image.Archive, info, err)
		}
	}
	want := []string{"berth.local/berth:TAG", "berth.local/workspace:TAG",
		"registry.example/base:24.04", "registry.example/go-dev:1.26", "registry.example/python-dev:3.14"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}

	// A second build writes the archives only where something changed.
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, image := range first.Images {
		if err := os.Chtimes(image.Archive, past, past); err != nil {
			t.Fatal(err)
		}
	}
	s.version = "v9.9.9"
	if err := build(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	second, err := readReport(s.out)
	if err != nil {
		t.Fatal(err)
	}
	for i, wantNew := range []bool{true, false} {
		image := second.Images[i]
		info, err := os.Stat(image.Archive)
		if err != nil {
			t.Fatal(err)
		}
		if isNew := !info.ModTime().Equal(past); isNew != wantNew || (image.Digest != first.Images[i].Digest) != wantNew {
			t.Errorf("%s: written anew %v, want %v", image.Name, isNew, wantNew)
		}
	}
	if err := os.Remove(second.Images[1].Archive); err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(second.Images[1].Archive); err != nil {
		t.Error("an archive that was removed stays away")
	}
}

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	s, to := quick(t), strings.TrimPrefix(server.URL, "http://")+"/team"
	if err := push(t.Context(), s, to+"/"); err != nil {
		t.Fatal(err)
	}
	pushed, err := readReport(s.out)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"berth", "workspace"} {
		image := pushed.Images[i]
		if image.Name != want || image.Archive != "" || len(image.References) != 1 || image.References[0] != to+"/"+want+"@"+image.Digest {
			t.Errorf("%+v", image)
		}
		reference, err := name.NewDigest(image.References[0])
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Image(reference)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(pulled); err != nil {
			t.Error(err)
		}
		tag := reference.Context().Tag(strings.TrimPrefix(image.Digest, "sha256:")[:12])
		if found, err := remote.Head(tag); err != nil || found.Digest.String() != image.Digest {
			t.Errorf("%s: %v, %v", tag, found, err)
		}
	}
}

func TestPushFailsWhenTheRegistryDoes(t *testing.T) {
	server := httptest.NewServer(registry.New())
	server.Close()
	s := quick(t)
	if err := push(t.Context(), s, strings.TrimPrefix(server.URL, "http://")+"/team"); err == nil || !strings.Contains(err.Error(), "push berth") {
		t.Errorf("%v", err)
	}
	if _, err := readReport(s.out); err == nil {
		t.Error("a failed push leaves a report")
	}
}

func TestCommandLineRefuses(t *testing.T) {
	tests := map[string]struct {
		arguments string
		want      string
	}{
		"no command":             {want: "help requested"},
		"another command":        {arguments: "pull", want: "help requested"},
		"an argument":            {arguments: "build now", want: `no argument "now"`},
		"a version with a space": {arguments: "build --version=-X", want: "--version"},
		"push to nowhere":        {arguments: "push", want: "push needs --to"},
		"push without a host":    {arguments: "push --to team/berth", want: "must begin with the registry's host"},
		"push to a bad name":     {arguments: "push --to registry.example/TEAM", want: "--to registry.example/TEAM"},
		"to is push's":           {arguments: "build --to registry.example/team", want: "help requested"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("BERTH_CACHE", t.TempDir())
			arguments := strings.Fields(test.arguments)
			if len(arguments) > 1 {
				arguments = append([]string{arguments[0], "--out", t.TempDir()}, arguments[1:]...)
			}
			if err := run(t.Context(), arguments); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
		})
	}
}
