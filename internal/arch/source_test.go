// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

const root = "../.."

// longest is how many lines a file may have that people read.
const longest = 400

func TestFilesAreShortAndLicensed(t *testing.T) {
	eachGoFile(t, func(path string, text []byte) {
		if bytes.Contains(text, []byte("\n// Code generated ")) || bytes.HasPrefix(text, []byte("// Code generated ")) {
			return
		}
		if lines := bytes.Count(text, []byte("\n")); lines > longest {
			t.Errorf("%s has %d lines; split what is about something else into a file of its own", path, lines)
		}
		if !bytes.HasPrefix(text, []byte("// SPDX-License-Identifier: Apache-2.0\n")) {
			t.Errorf("%s does not begin with hack/boilerplate.go.txt", path)
		}
	})
}

// Nothing that ships turns the verification of certificates off, in none of the modules.
func TestAdvisory_V24_CertificatesAreVerified(t *testing.T) {
	off := regexp.MustCompile(`InsecureSkip(TLS)?Verify\s*(:|=[^=])|insecure-skip-tls-verify|\bInsecure:\s*true`)
	seen := 0
	eachGoFile(t, func(path string, text []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		seen++
		if found := off.Find(text); found != nil {
			t.Errorf("%s: %s", path, found)
		}
	})
	if seen < 100 {
		t.Fatalf("only %d files were read", seen)
	}
}

// Versions below which a library has an advisory, in every module that has the library; "go" is the language itself.
func TestAdvisory_V44_V54_V55_VersionFloors(t *testing.T) {
	floors := map[string]string{
		"go":                         "v1.26.6",
		"github.com/google/cel-go":   "v0.30.0",
		"golang.org/x/crypto":        "v0.52.0",
		"github.com/go-jose/go-jose": "v4.1.4",
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	module, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]string{"go": "v" + module.Go.Version}
	for _, r := range module.Require {
		has[strings.TrimSuffix(r.Mod.Path, "/v4")] = r.Mod.Version
	}
	for path, floor := range floors {
		if version := has[path]; version != "" && semver.Compare(version, floor) < 0 {
			t.Errorf("%s %s, want at least %s", path, version, floor)
		}
	}
	for _, path := range []string{"go", "github.com/google/cel-go", "golang.org/x/crypto"} {
		if has[path] == "" {
			t.Errorf("go.mod has no %s: does this test still read it?", path)
		}
	}
}

// eachGoFile reads every Go file of the repository.
func eachGoFile(t *testing.T, read func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || name == ".run" || name == "bin"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err == nil {
			read(strings.TrimPrefix(path, root+"/"), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
