// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
)

// tarOf writes entries just as they are given.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len("text"))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, "text"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600} }
func folder(name string) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o700}
}

// zipOf writes files of a zip.
func zipOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if _, err := io.WriteString(f, "text"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		kind archive.Kind
		data []byte
		want []string
	}{
		"a tar as tar writes it": {archive.Tar, tarOf(t, folder("./"), file("./template.yaml"), folder("./lib/"), file("./lib/x.sh")), []string{"template.yaml", "lib/x.sh"}},
		"a tar as git writes it": {archive.Tar, tarOf(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "abc"}}, file("README.md")), []string{"README.md"}},
		"a folder twice":         {archive.Tar, tarOf(t, folder("a/"), folder("a/"), file("a/b")), []string{"a/b"}},
		"a zip":                  {archive.Zip, zipOf(t, "template.yaml", "lib/", "lib/x.sh"), []string{"template.yaml", "lib/x.sh"}},
		"a tar of nothing":       {archive.Tar, make([]byte, 1024), nil},
		"no bytes":               {archive.Tar, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			contents, err := archive.Read(c.kind, c.data, func(name string) bool { return strings.HasSuffix(name, ".yaml") })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, contents.Names); diff != "" {
				t.Error(diff)
			}
			for name, text := range contents.Files {
				if name != "template.yaml" || string(text) != "text" {
					t.Errorf("kept %s: %q", name, text)
				}
			}
			written(t, contents.Names)
			packed, err := archive.ToTar(c.kind, c.data)
			if err != nil {
				t.Fatal(err)
			}
			if c.kind == archive.Tar && !bytes.Equal(packed, c.data) {
				t.Error("a tar is another one afterwards")
			}
			again, err := archive.Read(archive.Tar, packed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, again.Names); diff != "" {
				t.Errorf("as a tar: %s", diff)
			}
		})
	}
}

// What leads out of a folder, or is neither file nor folder, refuses the archive as a whole. What is accepted can be
// written below an os.Root, and nothing of it stands anywhere else.
func TestAdvisory_V19_NoEntryLeadsOut(t *testing.T) {
	link := func(flag byte, name, to string) tar.Header {
		return tar.Header{Typeflag: flag, Name: name, Linkname: to}
	}
	for name, c := range map[string]struct {
		kind archive.Kind
		data []byte
		want string
	}{
		"a climb":                    {archive.Tar, tarOf(t, file("../x")), "climbs out"},
		"a climb in the middle":      {archive.Tar, tarOf(t, file("a/../../x")), "climbs out"},
		"an absolute name":           {archive.Tar, tarOf(t, file("/etc/passwd")), "absolute"},
		"a symbolic link":            {archive.Tar, tarOf(t, link(tar.TypeSymlink, "a", "/etc"), file("a/passwd")), "symbolic link"},
		"a hard link":                {archive.Tar, tarOf(t, link(tar.TypeLink, "a", "../../x")), "hard link"},
		"a device":                   {archive.Tar, tarOf(t, tar.Header{Typeflag: tar.TypeChar, Name: "null"}), "device"},
		"a pipe":                     {archive.Tar, tarOf(t, tar.Header{Typeflag: tar.TypeFifo, Name: "p"}), "pipe"},
		"a backslash":                {archive.Tar, tarOf(t, file(`..\x`)), "backslash"},
		"a drive":                    {archive.Tar, tarOf(t, file("C:x")), "colon"},
		"a file twice":               {archive.Tar, tarOf(t, file("a"), file("./a")), "twice"},
		"a file that becomes one":    {archive.Tar, tarOf(t, file("a"), file("a/b")), "which is a file"},
		"a folder that becomes one":  {archive.Tar, tarOf(t, file("a/b"), file("a")), "twice"},
		"an empty part":              {archive.Tar, tarOf(t, file("a//b")), "empty part"},
		"a line break":               {archive.Tar, tarOf(t, file("a\nb")), "control character"},
		"a name that is none":        {archive.Tar, tarOf(t, file("\xff\xfe")), "UTF-8"},
		"a long name":                {archive.Tar, tarOf(t, file(strings.Repeat("a/", 300)+"b")), "more than 512 bytes"},
		"a deep name":                {archive.Tar, tarOf(t, file(strings.Repeat("a/", 40)+"b")), "32 folders deep"},
		"a climb in a zip":           {archive.Zip, zipOf(t, "../x"), "climbs out"},
		"an absolute name in a zip":  {archive.Zip, zipOf(t, "/x"), "absolute"},
		"a NUL in a zip":             {archive.Zip, zipOf(t, "a\x00b"), "control character"},
		"a backslash in a zip":       {archive.Zip, zipOf(t, `a\b`), "backslash"},
		"a file twice in a zip":      {archive.Zip, zipOf(t, "a", "a"), "twice"},
		"a symbolic link in a zip":   {archive.Zip, linked(t), "is a link"},
		"text":                       {archive.Tar, []byte("this is no tar, whatever its type says"), "can't be read"},
		"a tar that is called a zip": {archive.Zip, tarOf(t, file("a")), "can't be read"},
		"a tar that ends in a file":  {archive.Tar, tarOf(t, file("a"))[:514], "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := archive.Read(c.kind, c.data, nil)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || !strings.Contains(f.Message, c.want) {
				t.Errorf("%v, want a refusal with %q", err, c.want)
			}
			if packed, err := archive.ToTar(c.kind, c.data); err == nil {
				t.Errorf("it is a tar of %d bytes all the same", len(packed))
			}
		})
	}
}

// linked is a zip with a symbolic link.
func linked(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "a"}
	h.SetMode(fs.ModeSymlink | 0o777)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "/etc"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackIsTheSameEachTime(t *testing.T) {
	files := []archive.File{{Name: "template.yaml", Data: []byte("image: a\n")}, {Name: "README.md", Data: []byte("# A\n")}}
	one, err := archive.Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	two, err := archive.Pack(files)
	if err != nil || !bytes.Equal(one, two) {
		t.Fatalf("another tar: %v", err)
	}
	contents, err := archive.Read(archive.Tar, one, func(string) bool { return true })
	if err != nil || string(contents.Files["README.md"]) != "# A\n" || string(contents.Files["template.yaml"]) != "image: a\n" {
		t.Errorf("%v: %v", contents, err)
	}
}

// written writes what was accepted below an os.Root and tells what stands there.
func written(t testing.TB, names []string) {
	t.Helper()
	outside := t.TempDir()
	inside := filepath.Join(outside, "root")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			t.Fatalf("the folder of %q: %v", name, err)
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := root.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Fatalf("something stands outside: %v, %v", left, err)
	}
}
