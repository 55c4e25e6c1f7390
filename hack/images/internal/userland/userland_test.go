// SPDX-License-Identifier: Apache-2.0

package userland

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

func TestDebianSources(t *testing.T) {
	signed := "deb [signed-by=" + keyring + "] "
	tests := map[string]struct {
		codename string
		targets  []string
		want     []string
	}{
		"the same release": {
			codename: "bookworm",
			targets:  []string{"http://a/debian/ bookworm main", "http://a/debian/ bookworm-updates main", "http://a/security/ bookworm-security main"},
			want:     []string{signed + "http://a/debian/ bookworm main", signed + "http://a/debian/ bookworm-updates main", signed + "http://a/security/ bookworm-security main"},
		},
		"a newer release": {
			codename: "trixie",
			targets:  []string{"http://a/debian/ trixie main", "http://a/security/ trixie-security main"},
			want:     []string{signed + "http://a/debian/ bookworm main", signed + "http://a/security/ bookworm-security main"},
		},
		"what is not Debian's own": {
			codename: "bookworm",
			targets:  []string{"http://a/debian/ bookworm main", "http://b/engine/ bookworm stable", "http://c/node/ nodistro main", "http://a/debian/ bookworm contrib", "http://a/debian/ bookworm-backports main"},
			want:     []string{signed + "http://a/debian/ bookworm main"},
		},
		"one source twice": {
			codename: "bookworm",
			targets:  []string{"http://a/debian/ bookworm main", "http://a/debian/ bookworm main"},
			want:     []string{signed + "http://a/debian/ bookworm main"},
		},
		"nothing": {codename: "bookworm", targets: []string{""}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, debianSources(test.targets, test.codename)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMirrorVariable(t *testing.T) {
	t.Setenv(MirrorVariable, "http://mirror.example/debian")
	got, err := aptSources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range got {
		if !strings.Contains(line, " http://mirror.example/debian bookworm") {
			t.Errorf("%q", line)
		}
	}
}

// whole is a userland as mmdebstrap leaves it, in small.
func whole() []tar.Header {
	return []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./dev/", Mode: 0o755},
		{Typeflag: tar.TypeChar, Name: "./dev/null", Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeSymlink, Name: "./dev/stdin", Linkname: "/proc/self/fd/0"},
		{Typeflag: tar.TypeDir, Name: "./etc/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./etc/apt/sources.list", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./etc/group", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./etc/hostname", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./etc/passwd", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./etc/passwd-", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./etc/shadow", Mode: 0o640, Gid: 42},
		{Typeflag: tar.TypeDir, Name: "./home/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeReg, Name: "./tmp/left", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/perl", Mode: 0o755},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/perl5", Linkname: "./usr/bin/perl", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/su", Mode: 0o4755},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/ssh-agent", Mode: 0o2755, Gid: 101},
		{Typeflag: tar.TypeDir, Name: "./usr/share/doc/git/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/git/changelog.gz", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/git/copyright", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "./usr/share/locale/de/x.mo", Mode: 0o644},
		{Typeflag: tar.TypeDir, Name: "./var/mail/", Mode: 0o2775, Gid: 8},
	}
}

func TestTrim(t *testing.T) {
	got := trimmed(t, whole())
	want := []string{
		"drwxr-xr-x 0:0 dev/", "drwxr-xr-x 0:0 etc/", "-rw-r--r-- 0:0 etc/group", "-rw-r--r-- 0:0 etc/passwd",
		"-rw-r----- 0:42 etc/shadow", "drwxr-xr-x 0:0 home/", "dtrwxrwxrwx 0:0 tmp/",
		"-rwxr-xr-x 0:0 usr/bin/perl", "-rwxr-xr-x 0:0 usr/bin/perl5 = usr/bin/perl",
		"-rwxr-xr-x 0:0 usr/bin/su", "-rwxr-xr-x 0:101 usr/bin/ssh-agent",
		"drwxr-xr-x 0:0 usr/share/doc/git/", "-rw-r--r-- 0:0 usr/share/doc/git/copyright", "drwxrwxr-x 0:8 var/mail/",
		"drwxr-xr-x 1000:1000 home/dev/", "-rw-r--r-- 1000:1000 home/dev/.bashrc", "-rw-r--r-- 1000:1000 home/dev/.profile",
	}
	if diff := cmp.Diff(want, got.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for file, line := range map[string]string{
		"etc/passwd": "of etc/passwd\ndev:x:1000:1000:Developer:/home/dev:/bin/bash\n",
		"etc/group":  "of etc/group\ndev:x:1000:\n",
		"etc/shadow": "of etc/shadow\ndev:!::::::\n",
	} {
		if got.content[file] != line {
			t.Errorf("%s is %q, want %q", file, got.content[file], line)
		}
	}
	if home := got.content["home/dev/.bashrc"]; !strings.Contains(home, "PS1=") {
		t.Errorf(".bashrc is %q", home)
	}
}

func TestTrimRefusesWhatWouldBreak(t *testing.T) {
	tests := map[string]struct {
		change func([]tar.Header) []tar.Header
		want   string
	}{
		"a link to what does not stay": {
			change: func(all []tar.Header) []tar.Header {
				return append(all, tar.Header{Typeflag: tar.TypeLink, Name: "./usr/bin/x", Linkname: "./tmp/left"})
			},
			want: "usr/bin/x: is a link to tmp/left",
		},
		"no accounts": {change: func(all []tar.Header) []tar.Header { return all[:5] }, want: "no etc/passwd"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := trim(userlandOf(t, test.change(whole()), time.Now()), tar.NewWriter(io.Discard))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q in it", err, test.want)
			}
		})
	}
}

// The recipe decides about the key, and so about what is kept: every file that has a say is in it.
func TestKeyCoversTheRecipe(t *testing.T) {
	key, err := Key()
	if err != nil || !strings.HasPrefix(key, "userland-") {
		t.Errorf("%q, %v", key, err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range append(sources, "home/.bashrc", "home/.profile") {
		if _, err := recipe.ReadFile(source); err != nil {
			t.Errorf("%s is not in the recipe: %v", source, err)
		}
	}
}

type result struct {
	lines   []string
	content map[string]string
}

// trimmed trims twice, from userlands made at different times, and fails when the results differ.
func trimmed(t *testing.T, headers []tar.Header) result {
	t.Helper()
	var made [2]bytes.Buffer
	for i, when := range []time.Time{time.Now(), time.Now().Add(-time.Hour)} {
		w := tar.NewWriter(&made[i])
		if err := errors.Join(trim(userlandOf(t, headers, when), w), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0].Bytes(), made[1].Bytes()) {
		t.Error("trimmed twice, the results differ")
	}
	r := result{content: map[string]string{}}
	for entries := tar.NewReader(&made[0]); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return r
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(layer.Epoch()) || header.Uname != "" || len(header.PAXRecords) > 0 {
			t.Errorf("%s tells of its making: %+v", header.Name, header)
		}
		line := fmt.Sprintf("%v %d:%d %s", header.FileInfo().Mode(), header.Uid, header.Gid, header.Name)
		if header.Typeflag == tar.TypeLink {
			line += " = " + header.Linkname
		}
		r.lines = append(r.lines, line)
		content, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		r.content[header.Name] = string(content)
	}
}

// userlandOf writes a tar in which each regular file says its name.
func userlandOf(t *testing.T, headers []tar.Header, when time.Time) string {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, header := range headers {
		content := ""
		if header.Typeflag == tar.TypeReg {
			content = "of " + strings.TrimPrefix(header.Name, "./") + "\n"
		}
		header.Size, header.ModTime, header.Uname = int64(len(content)), when, "builder"
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "userland.tar")
	if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
