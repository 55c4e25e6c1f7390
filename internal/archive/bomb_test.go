// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
)

// zeros gives as many zero bytes as are asked for.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// largeZip has one file of so many zero bytes; claimed is what its index says of their number, unless it is 0.
func largeZip(t testing.TB, size int64, claimed uint64) []byte {
	t.Helper()
	var body bytes.Buffer
	deflated, err := flate.NewWriter(&body, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(deflated, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := deflated.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateRaw(&zip.FileHeader{Name: "template.yaml", Method: zip.Deflate, UncompressedSize64: max(claimed, 1), CompressedSize64: uint64(body.Len())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(body.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// manyZipped is a zip of so many empty files.
func manyZipped(t testing.TB, entries int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for i := range entries {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%x", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A small archive that would unpack to a large one, or to very many entries, is refused, and costs next to nothing.
func TestAdvisory_V18_ABombIsRefusedCheaply(t *testing.T) {
	sparse := func() []byte {
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		// the size of the header alone: what follows is not there
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "template.yaml", Size: 10 << 30}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	manyTarred := tarOf(t, repeated(archiveEntries+1)...)
	nested := func() []byte {
		inner := largeZip(t, 64<<20, 0)
		packed, err := archive.Pack([]archive.File{{Name: "a.zip", Data: inner}, {Name: "template.yaml", Data: inner}})
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}()
	for name, c := range map[string]struct {
		kind archive.Kind
		data []byte
		want fault.Kind
	}{
		"a zip that says it is large":        {archive.Zip, largeZip(t, 48<<20, 48<<20), fault.TooLarge},
		"a zip that hides how large it is":   {archive.Zip, largeZip(t, 48<<20, 0), fault.Invalid},
		"a zip that is a little too large":   {archive.Zip, largeZip(t, archive.MaxSize+1, archive.MaxSize+1), fault.TooLarge},
		"a zip of very many files":           {archive.Zip, manyZipped(t, 30_000), fault.TooLarge},
		"a zip of a few too many files":      {archive.Zip, manyZipped(t, archiveEntries+1), fault.TooLarge},
		"a tar whose header says 10 GB":      {archive.Tar, sparse(), fault.TooLarge},
		"a tar of too many files":            {archive.Tar, manyTarred, fault.TooLarge},
		"an archive that is too large":       {archive.Tar, make([]byte, archive.MaxSize+1), fault.TooLarge},
		"an archive in an archive, unopened": {archive.Tar, nested, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			_, err := archive.Read(c.kind, c.data, nil)
			if grown := allocated() - before; grown > 32<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
			if f, _ := fault.As(err); c.want == 0 && err != nil || c.want != 0 && (f == nil || f.Kind != c.want) {
				t.Errorf("%v, want a fault %v", err, c.want)
			}
			if _, err := archive.ToTar(c.kind, c.data); c.want != 0 && err == nil {
				t.Error("it is a tar all the same")
			}
		})
	}
}

// archiveEntries is how many entries an archive may have.
const archiveEntries = 4096

func repeated(n int) []tar.Header {
	all := make([]tar.Header, 0, n)
	for i := range n {
		all = append(all, folder(fmt.Sprintf("%x/", i)))
	}
	return all
}

// allocated is how many bytes were ever allocated: more than what is held at once.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func FuzzRead(f *testing.F) {
	f.Add(false, tarOf(f, file("template.yaml"), folder("a"), file("a/b")))
	f.Add(false, tarOf(f, file("../x")))
	f.Add(true, zipOf(f, "template.yaml", "a/", "a/b"))
	f.Add(true, zipOf(f, "..", strings.Repeat("x", 300)))
	f.Add(false, []byte("text"))
	f.Fuzz(func(t *testing.T, zipped bool, data []byte) {
		kind := archive.Tar
		if zipped {
			kind = archive.Zip
		}
		contents, err := archive.Read(kind, data, func(string) bool { return true })
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Fatalf("%v is no fault", err)
			}
			return
		}
		size := 0
		for _, name := range contents.Names {
			size += len(contents.Files[name])
		}
		if size > archive.MaxSize || len(contents.Names) > archiveEntries {
			t.Fatalf("%d bytes in %d files", size, len(contents.Names))
		}
		for _, name := range contents.Names {
			if !filepath.IsLocal(name) || !fs.ValidPath(name) {
				t.Fatalf("%q leads out", name)
			}
		}
		packed, err := archive.ToTar(kind, data)
		if err != nil {
			if !fault.Is(err, fault.TooLarge) {
				t.Fatalf("no tar: %v", err)
			}
			return
		}
		again, err := archive.Read(archive.Tar, packed, nil)
		if err != nil || len(again.Names) != len(contents.Names) {
			t.Fatalf("the tar has %v for %v: %v", again, contents.Names, err)
		}
	})
}
