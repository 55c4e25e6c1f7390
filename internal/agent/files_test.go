// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteFiles(t *testing.T) {
	from := tree(t, map[string]string{"0": "new", "1": "#!/bin/sh\n", "2": "x"})
	outside := tree(t, map[string]string{"secret": "theirs"})
	home := tree(t, map[string]string{
		"config": "old", "link": "-> " + filepath.Join(outside, "secret"), "away": "-> " + outside, "taken/": "", "near": "-> real", "real/": "",
	})
	skipped, err := WriteFiles(from, []FileToWrite{
		{From: "0", To: home, Path: "config", Mode: "0640"},
		{From: "1", To: home, Path: ".local/bin/tool", Mode: "0755"},
		{From: "0", To: home, Path: "link", Mode: "0644"},
		{From: "2", To: home, Path: "away/x", Mode: "0644"},
		{From: "2", To: home, Path: "taken", Mode: "0644"},
		{From: "2", To: home, Path: "../x", Mode: "0644"},
		{From: "2", To: home, Path: "near/x", Mode: "0644"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(skipped) != 3 || !strings.HasPrefix(skipped[0], filepath.Join(home, "away/x")+": ") ||
		!strings.HasPrefix(skipped[1], filepath.Join(home, "taken")+": ") || !strings.HasPrefix(skipped[2], filepath.Join(home, "../x")+": ") {
		t.Errorf("skipped %q, want what has no place and what leaves the volume", skipped)
	}
	want := map[string]string{
		"config": "new", ".local/": "", ".local/bin/": "", ".local/bin/tool": "#!/bin/sh\n", "link": "new", "away": "-> " + outside, "taken/": "",
		"near": "-> real", "real/": "", "real/x": "x",
	}
	if diff := cmp.Diff(want, look(t, home)); diff != "" {
		t.Errorf("the home (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"secret": "theirs"}, look(t, outside)); diff != "" {
		t.Errorf("outside of the volume (-want +got):\n%s", diff)
	}
	for name, want := range map[string]os.FileMode{"config": 0o640, ".local/bin/tool": 0o755} {
		info, err := os.Stat(filepath.Join(home, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, want %v: %v", name, info.Mode(), want, err)
		}
	}
}

func TestWriteFilesNeedsItsVolumes(t *testing.T) {
	from := tree(t, map[string]string{"0": "x"})
	for name, f := range map[string]FileToWrite{
		"no volume": {From: "0", To: "/no/volume", Path: "x", Mode: "0644"},
		"no file":   {From: "1", To: t.TempDir(), Path: "x", Mode: "0644"},
	} {
		if _, err := WriteFiles(from, []FileToWrite{f}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, text := range []string{"", "{}", `[{"from":"0"}]`, `[{"from":"0","to":"/a","path":"b","mode":"999"}]`, `[{"from":"0","to":"/a","path":"b","mode":"7777"}]`} {
		if _, err := ParseFiles(text); err == nil || !strings.HasPrefix(err.Error(), "--files: ") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}
