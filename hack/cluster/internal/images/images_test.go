// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestArchive(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!"), 0o700); err != nil {
		t.Fatal(err)
	}
	image := Image{
		Ref: "example.test/dir/thing:v1", Files: map[string]string{"/opt/bin/a": program, "/b": program},
		Entrypoint: []string{"/opt/bin/a"}, User: "7:7",
	}
	var contents [2][]byte
	for i := range contents {
		path, err := image.Archive(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if contents[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		img, err := tarball.ImageFromPath(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Error(err)
		}
		refs, err := Refs(path)
		if diff := cmp.Diff([]string{image.Ref}, refs); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	}
	if !bytes.Equal(contents[0], contents[1]) {
		t.Error("two builds of the same differ")
	}
}

func TestRefs(t *testing.T) {
	cases := map[string]struct {
		files   map[string]string
		want    []string
		wantErr string
	}{
		"docker":         {files: map[string]string{"manifest.json": `[{"RepoTags":["b:1","a:1"]}]`}, want: []string{"a:1", "b:1"}},
		"oci":            {files: map[string]string{"index.json": `{"manifests":[{"annotations":{"io.containerd.image.name":"x/y:1"}}]}`}, want: []string{"x/y:1"}},
		"oci, full name": {files: map[string]string{"./index.json": `{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"x/y:1"}}]}`}, want: []string{"x/y:1"}},
		"both":           {files: map[string]string{"manifest.json": `[{"RepoTags":["a:1"]}]`, "index.json": `{"manifests":[{"annotations":{"io.containerd.image.name":"a:1"}}]}`}, want: []string{"a:1"}},
		"a bare tag":     {files: map[string]string{"index.json": `{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`}, wantErr: "names no image"},
		"something else": {files: map[string]string{"README": "hello"}, wantErr: "names no image"},
		"broken":         {files: map[string]string{"index.json": "{"}, wantErr: "no archive of images"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var archive bytes.Buffer
			out := tar.NewWriter(&archive)
			for file, content := range c.files {
				if err := out.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content))}); err != nil {
					t.Fatal(err)
				}
				if _, err := out.Write([]byte(content)); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "archive.tar")
			if err := os.WriteFile(path, archive.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Refs(path)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("error %v, want one with %q", err, c.wantErr)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}
