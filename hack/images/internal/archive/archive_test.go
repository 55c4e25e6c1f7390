// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestArchiveReadsBack(t *testing.T) {
	image := someImage(t)
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := Write(archive, image, tags(t, "berth.local/one:1", "registry.example/two:2.0")); err != nil {
		t.Fatal(err)
	}
	unpacked := unpack(t, archive)
	index, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, entry := range manifest.Manifests {
		if entry.Digest != want {
			t.Errorf("%v has digest %s, want %s", entry.Annotations, entry.Digest, want)
		}
		got[entry.Annotations[nameAnnotation]] = entry.Annotations[tagAnnotation]
	}
	if diff := cmp.Diff(map[string]string{"berth.local/one:1": "1", "registry.example/two:2.0": "2.0"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	read, err := index.Image(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(read); err != nil {
		t.Error(err)
	}
}

func TestArchiveIsReproducible(t *testing.T) {
	image := someImage(t)
	var written [2][]byte
	for i := range written {
		archive := filepath.Join(t.TempDir(), "image.tar")
		if err := Write(archive, image, tags(t, "berth.local/one:1")); err != nil {
			t.Fatal(err)
		}
		var err error
		if written[i], err = os.ReadFile(archive); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(written[0], written[1]) {
		t.Error("written twice, the archives differ")
	}
}

func TestArchiveIsWholeOrNotThere(t *testing.T) {
	folder := t.TempDir()
	archive := filepath.Join(folder, "image.tar")
	if err := Write(archive, broken{someImage(t)}, tags(t, "berth.local/one:1")); err == nil {
		t.Error("a layer that can't be read makes an archive")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// broken is an image whose layers can't be had.
type broken struct{ v1.Image }

func (broken) LayerByDigest(v1.Hash) (v1.Layer, error) { return nil, errors.New("gone") }

// someImage has two layers, one of them twice.
func someImage(t *testing.T) v1.Image {
	t.Helper()
	one, err := random.Layer(1000, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	two, err := random.Layer(2000, types.OCILayer)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), one, two, one)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func tags(t *testing.T, names ...string) []name.Tag {
	t.Helper()
	var all []name.Tag
	for _, one := range names {
		tag, err := name.NewTag(one)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tag)
	}
	return all
}

func unpack(t *testing.T, archive string) string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	folder, seen := t.TempDir(), map[string]bool{}
	for entries := tar.NewReader(file); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen[header.Name] {
			t.Errorf("%s is there twice", header.Name)
		}
		seen[header.Name] = true
		content, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		place := filepath.Join(folder, header.Name)
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
