// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

var then = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

// tree makes files below a new directory. A name that ends in "/" is a directory, a content "-> x" a symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		place := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(place), 0o755)
		switch target, link := strings.CutPrefix(content, "-> "); {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(place, 0o755)
		case link:
			err = os.Symlink(target, place)
		default:
			err = os.WriteFile(place, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// look is the reverse of tree, without the marker.
func look(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(place string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, place)
		switch {
		case err != nil || name == "." || name == SeedMarker:
			return err
		case entry.IsDir():
			files[name+"/"] = ""
		case entry.Type() == fs.ModeSymlink:
			target, err := os.Readlink(place)
			files[name] = "-> " + target
			return err
		default:
			content, err := os.ReadFile(place)
			files[name] = string(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the claim differs (-want +got):\n%s", diff)
	}
}

func image() map[string]string {
	return map[string]string{
		".bashrc": "alias ll='ls -l'\n", ".config/": "", ".config/git/": "", ".config/git/ignore": "*.o\n", "empty/": "",
		"bin/": "", "bin/tool": "#!/bin/sh\n", "link": "-> bin/tool", "absolute": "-> /etc/passwd", "dangling": "-> nowhere",
		".berth-seeding": "the image's own, never copied",
	}
}

// copied is image as a claim shows it.
func copied() map[string]string {
	files := image()
	delete(files, ".berth-seeding")
	return files
}

func TestSeed(t *testing.T) {
	home, claim := tree(t, image()), t.TempDir()
	got, err := Seed(claim, home)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Seeded{Copied: 6}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	same(t, look(t, claim), copied())

	marker, err := os.ReadFile(filepath.Join(claim, SeedMarker))
	if err != nil || !strings.Contains(string(marker), home) {
		t.Errorf("marker %q, %v", marker, err)
	}
}

func TestSeedKeepsModesAndTimes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // which must not matter
	home, claim := tree(t, map[string]string{"tool": "x", "secret": "x", "all": "x", "setuid": "x", "shared/x": "x", "readonly/x": "x"}), t.TempDir()
	modes := map[string]fs.FileMode{
		"tool": 0o755, "secret": 0o600, "all": 0o666, "setuid": 0o755 | fs.ModeSetuid | fs.ModeSetgid,
		"shared": 0o777 | fs.ModeSticky, "readonly": 0o500,
	}
	for name, mode := range modes {
		place := filepath.Join(home, name)
		restrict(t, place, mode)
		if err := os.Chtimes(place, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Seed(claim, home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reopen(t, filepath.Join(claim, "readonly")) })
	for name, mode := range modes {
		info, err := os.Stat(filepath.Join(claim, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := info.Mode()&^fs.ModeDir, mode&^(fs.ModeSetuid|fs.ModeSetgid); got != want {
			t.Errorf("%s: mode %v, want %v", name, got, want)
		}
		if !info.ModTime().Equal(then) {
			t.Errorf("%s: time %v, want %v", name, info.ModTime(), then)
		}
	}
}

// restrict sets the mode of a file until the test is over, when it has to be removed.
func restrict(t *testing.T, place string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(place, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reopen(t, place) })
}

func reopen(t *testing.T, place string) {
	if err := os.Chmod(place, 0o700); err != nil {
		t.Error(err)
	}
}

func TestSeedNeverOverwrites(t *testing.T) {
	claim := tree(t, map[string]string{
		".bashrc": "mine", "bin": "a file where the image has a directory", "link": "mine too",
		".config/git": "-> ../elsewhere", "elsewhere/": "", "dangling": "-> mine",
	})
	got, err := Seed(claim, tree(t, image()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Seeded{Copied: 1, Kept: 5}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	same(t, look(t, claim), map[string]string{
		".bashrc": "mine", "bin": "a file where the image has a directory", "link": "mine too", "dangling": "-> mine",
		".config/": "", ".config/git": "-> ../elsewhere", "elsewhere/": "", "empty/": "", "absolute": "-> /etc/passwd",
	})
}

func TestSeedOnce(t *testing.T) {
	home, claim := tree(t, image()), t.TempDir()
	if _, err := Seed(claim, home); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(claim, ".bashrc")); err != nil {
		t.Fatal(err)
	}
	got, err := Seed(claim, home)
	if err != nil || !got.Already || got.Copied != 0 {
		t.Fatalf("second run: %+v, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(claim, ".bashrc")); err == nil {
		t.Error("a file that the person removed came back")
	}
}

func TestSeedWithoutAHome(t *testing.T) {
	for name, from := range map[string]string{
		"absent":    filepath.Join(t.TempDir(), "absent"),
		"empty":     t.TempDir(),
		"no folder": filepath.Join(tree(t, map[string]string{"file": ""}), "file"),
	} {
		t.Run(name, func(t *testing.T) {
			claim := t.TempDir()
			if got, err := Seed(claim, from); err != nil || got.Copied != 0 {
				t.Fatalf("%+v, %v", got, err)
			}
			if got, err := Seed(claim, from); err != nil || !got.Already {
				t.Fatalf("second run: %+v, %v", got, err)
			}
		})
	}
}

func TestSeedRefuses(t *testing.T) {
	for name, test := range map[string]struct{ to, from, want string }{
		"the whole image": {to: t.TempDir(), from: "/..//", want: "--from"},
		"no claim":        {to: filepath.Join(t.TempDir(), "absent"), from: t.TempDir(), want: "--to"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Seed(test.to, test.from)).Error().To(MatchError(ContainSubstring(test.want)))
		})
	}
}

// Whatever stands in the claim or the image, nothing is written or read outside the two.
func TestAdvisory_V19_SeedStaysInside(t *testing.T) {
	g := NewWithT(t)
	outside := tree(t, map[string]string{"file": "theirs", "directory/": ""})
	before := look(t, outside)
	up, err := filepath.Rel("/", outside)
	g.Expect(err).NotTo(HaveOccurred())

	claim := tree(t, map[string]string{
		"out": "-> " + outside, "up": "-> ../../../../../../../" + up, "file": "-> " + outside + "/file",
		"new": "-> " + outside + "/new", seedUnfinished: "-> " + outside + "/unfinished", "deep/": "", "deep/out": "-> " + outside,
	})
	kept := look(t, claim)
	delete(kept, seedUnfinished)
	home := tree(t, map[string]string{
		"out/pwned": "x", "out/directory/pwned": "x", "up/pwned": "x", "file": "x", "new": "x", "deep/out/pwned": "x",
		"secret": "-> " + outside + "/file", "folder": "-> " + outside, "parent": "-> ..", SeedMarker: "x", "ok": "x",
	})
	_, err = Seed(claim, home)
	g.Expect(err).NotTo(HaveOccurred())
	same(t, look(t, outside), before)
	kept["ok"], kept["secret"], kept["folder"], kept["parent"] = "x", "-> "+outside+"/file", "-> "+outside, "-> .."
	same(t, look(t, claim), kept)
	g.Expect(os.ReadFile(filepath.Join(claim, SeedMarker))).NotTo(Equal([]byte("x")), "the image does not say when it is done")
}

func TestAdvisory_V19_SeedCopiesNoDevices(t *testing.T) {
	g := NewWithT(t)
	home, claim := tree(t, map[string]string{"file": "x"}), t.TempDir()
	g.Expect(unix.Mkfifo(filepath.Join(home, "pipe"), 0o644)).To(Succeed())
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(home, "socket")})
	g.Expect(err).NotTo(HaveOccurred())
	defer socket.Close()
	want := 2
	if unix.Mknod(filepath.Join(home, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
		want++ // only root can make one
	}
	got, err := Seed(claim, home)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Skipped).To(HaveLen(want))
	same(t, look(t, claim), map[string]string{"file": "x"})
}

func TestSeedPassesOverWhatItsUserMayNot(t *testing.T) {
	g := NewWithT(t)
	home := tree(t, map[string]string{"a": "x", "private": "x", "closed/x": "x", "locked/new": "x", "z": "x"})
	claim := tree(t, map[string]string{"locked/": ""})
	restrict(t, filepath.Join(home, "private"), 0)
	restrict(t, filepath.Join(home, "closed"), 0)
	restrict(t, filepath.Join(claim, "locked"), 0o555)
	restrict(t, claim, 0o777)

	var got Seeded
	var err error
	asNobody(t, func() { got, err = Seed(claim, home) }, home, claim)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Skipped).To(ConsistOf(
		"private: permission denied", "closed: permission denied", "locked/new: permission denied"))
	g.Expect(filepath.Join(claim, "z")).To(BeARegularFile())

	readonly := t.TempDir()
	restrict(t, readonly, 0o555)
	asNobody(t, func() { _, err = Seed(readonly, home) }, home, readonly)
	g.Expect(err).To(MatchError(ContainSubstring("may not write to the claim")))
}

// asNobody does something without root's right to go past permissions, in directories that it may reach.
func asNobody(t *testing.T, do func(), directories ...string) {
	if os.Getuid() != 0 {
		do()
		return
	}
	for _, directory := range directories {
		for ; directory != os.TempDir() && directory != "/"; directory = filepath.Dir(directory) {
			info, err := os.Stat(directory)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(directory, info.Mode()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The thread alone becomes somebody else, and is not used again.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
}
