// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func inMemory(place, content string) File {
	return File{Path: place, Mode: 0o644, Open: func() (io.ReadCloser, int64, error) {
		return io.NopCloser(strings.NewReader(content)), int64(len(content)), nil
	}}
}

func TestFilesDependOnContentOnly(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := OnDisk("/usr/bin/program", 0o755, source)
	first, err := Cache{Dir: t.TempDir()}.Files([]File{program, inMemory("/etc/passwd", "x"), inMemory("/a", "")})
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(source, later, later); err != nil {
		t.Fatal(err)
	}
	second, err := Cache{Dir: filepath.Join(t.TempDir(), "made")}.Files([]File{inMemory("/a", ""), inMemory("/etc/passwd", "x"), program})
	if err != nil {
		t.Fatal(err)
	}
	if one, two := digestOf(t, first), digestOf(t, second); one != two {
		t.Errorf("made twice it is %s and %s", one, two)
	}
	if err := validate.Layer(first); err != nil {
		t.Error(err)
	}
	content, err := first.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var got []string
	for entries := tar.NewReader(content); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || !header.ModTime.Equal(Epoch()) {
			t.Errorf("%s tells of the machine: %+v", header.Name, header)
		}
		got = append(got, header.FileInfo().Mode().String()+" "+header.Name)
	}
	want := []string{"-rw-r--r-- a", "drwxr-xr-x etc/", "-rw-r--r-- etc/passwd", "drwxr-xr-x usr/", "drwxr-xr-x usr/bin/", "-rwxr-xr-x usr/bin/program"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFilesDifferByWhatShows(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	executable := inMemory("/a", "x")
	executable.Mode = 0o755
	seen := map[v1.Hash]string{}
	for name, files := range map[string][]File{
		"plain": {inMemory("/a", "x")}, "mode": {executable}, "path": {inMemory("/b", "x")}, "content": {inMemory("/a", "y")},
		"boundary": {inMemory("/a", "x"), inMemory("/b", "")}, "more": {inMemory("/a", ""), inMemory("/b", "x")},
	} {
		layer, err := cache.Files(files)
		if err != nil {
			t.Fatal(err)
		}
		digest := digestOf(t, layer)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s are one layer", name, other)
		}
		seen[digest] = name
	}
}

func TestCacheMakesALayerOnce(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	made := 0
	write := func(w *tar.Writer) error {
		made++
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o755, ModTime: Epoch()})
	}
	for range 3 {
		if _, err := cache.Layer("key", write); err != nil {
			t.Fatal(err)
		}
	}
	if made != 1 || !cache.Has("key") || cache.Has("other") {
		t.Errorf("made %d times; has key %v, other %v", made, cache.Has("key"), cache.Has("other"))
	}
	if err := cache.Forget("key"); err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Layer("key", write); err != nil || made != 2 {
		t.Errorf("forgotten, it was made %d times, %v", made, err)
	}
}

func TestCacheKeepsNothingOfAFailure(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	broken := errors.New("broken")
	if _, err := cache.Layer("key", func(*tar.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	short := func(w *tar.Writer) error { return w.WriteHeader(&tar.Header{Name: "a", Size: 3}) }
	if _, err := cache.Layer("key", short); err == nil {
		t.Error("a file without its content makes a layer")
	}
	if left, err := os.ReadDir(cache.Dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestCacheServesSeveralBuilds(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	big := string(bytes.Repeat([]byte("content "), 1<<16))
	var builds sync.WaitGroup
	for range 8 {
		builds.Go(func() {
			layer, err := cache.Files([]File{inMemory("/a", big)})
			if err == nil {
				err = validate.Layer(layer)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	builds.Wait()
	if folders, err := os.ReadDir(cache.Dir); err != nil || len(folders) != 1 {
		t.Errorf("%v, %v; want one layer and nothing unfinished", folders, err)
	}
}

func TestCacheSaysWhatIsDamaged(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	write := func(w *tar.Writer) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "a/", Mode: 0o755})
	}
	for _, damage := range []func(string) error{
		func(content string) error { return os.Truncate(content, 3) },
		os.Remove,
	} {
		if _, err := cache.Layer("key", write); err != nil {
			t.Fatal(err)
		}
		if err := damage(filepath.Join(cache.Dir, "key", contentName)); err != nil {
			t.Fatal(err)
		}
		if _, err := cache.Layer("key", write); err == nil || !strings.Contains(err.Error(), "remove "+filepath.Join(cache.Dir, "key")) {
			t.Errorf("%v, want advice", err)
		}
		if err := cache.Forget("key"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrune(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	for _, key := range []string{"old", "new"} {
		if _, err := cache.Layer(key, func(*tar.Writer) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(cache.Dir, "old"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := cache.Prune(time.Hour); err != nil {
		t.Fatal(err)
	}
	if cache.Has("old") || !cache.Has("new") {
		t.Errorf("old %v, new %v", cache.Has("old"), cache.Has("new"))
	}
}

func digestOf(t *testing.T, layer v1.Layer) v1.Hash {
	t.Helper()
	digest, err := layer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}
