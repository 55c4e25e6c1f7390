// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestReadyFollowsTheAgent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	state := filepath.Join(t.TempDir(), "run", "main")
	g.Expect(Ready(state)).To(MatchError(ErrNotReady), "before there is an agent")

	o := Options{State: state, Command: shell(`trap 'echo asked; read line <` + gate(t) + `; exit' TERM; echo up $$; while :; do sleep 0.05; done`)}
	first := play(t, o)
	first.untilReady()
	command := first.number("up")

	second := play(t, o)
	second.exits(1)
	g.Expect(second.stderr.String()).To(ContainSubstring("another agent runs with it"))
	g.Expect(Ready(state)).To(Succeed(), "the refused one leaves the first one's word alone")

	first.send(syscall.SIGTERM)
	first.untilSaid("asked")
	g.Expect(Ready(state)).To(MatchError(ErrNotReady), "while it ends its processes")

	first.send(syscall.SIGKILL)
	g.Expect(syscall.Kill(command, syscall.SIGKILL)).To(Succeed())
	first.Eventually(first.ended).WithTimeout(20 * time.Second).Should(Receive())
	g.Expect(os.WriteFile(state, []byte(ready+"\n"), 0o644)).To(Succeed())
	g.Expect(Ready(state)).To(MatchError(ErrNotReady), "a killed agent's last word does not count")

	again := play(t, Options{State: state})
	again.untilReady()
}

// gate is a pipe that nobody opens, so that who reads from it waits.
func gate(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadyWaitsForTheCommand(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: []string{"/no/such/program"}})
	r.exits(127)
	r.Expect(Ready(r.state)).To(MatchError(ErrNotReady))
}

func TestRunNeedsItsStateFile(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	link := filepath.Join(t.TempDir(), "main")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	r := play(t, Options{State: link})
	r.exits(1)
	r.Expect(r.stderr.String()).To(ContainSubstring("--state " + link))
	r.Expect(outside).NotTo(BeAnExistingFile())
}

// An agent's name is chosen by a template, and becomes part of a path.
func TestAdvisory_V19_NamesDoNotBecomePaths(t *testing.T) {
	for name, want := range map[string]string{"main": "/.berth/run/main", "web-2": "/.berth/run/web-2", "a": "/.berth/run/a"} {
		if got, err := StateFile(name); err != nil || got != want {
			t.Errorf("StateFile(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", "a\x00b", "a\n", "-a", "a-", "Main", "ä", strings.Repeat("a", 64)} {
		if got, err := StateFile(name); err == nil {
			t.Errorf("StateFile(%q) = %q, want it refused", name, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	tests := map[string]struct {
		line string
		want process
		bad  bool
	}{
		"plain":                {line: "12 (sh) S 1 12 11 34816 12 4194560", want: process{pid: 12, parent: 1, session: 11, terminal: true}},
		"dead":                 {line: "12 (sh) Z 1 12 11 0 -1 4194560", want: process{pid: 12, parent: 1, session: 11, dead: true}},
		"a name to mislead":    {line: "12 (a) Z 7 (b c)) S 1 12 11 0 -1", want: process{pid: 12, parent: 1, session: 11}},
		"no name":              {line: "12 S 1 12 11 0", bad: true},
		"cut off":              {line: "12 (sh) S 1", bad: true},
		"nothing":              {line: "", bad: true},
		"no number":            {line: "x (sh) S 1 12 11 0", bad: true},
		"parentheses reversed": {line: ")12(", bad: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat(test.line)
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("parseStat = %+v, %v; want %+v, error %v", got, err, test.want, test.bad)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 (sh) S 1 12 11 34816 12 4194560")
	f.Add("12 (a) Z 7 (b c)) S 1 12 11 0 -1")
	f.Fuzz(func(t *testing.T, line string) {
		if p, err := parseStat(line); err != nil && p != (process{}) {
			t.Errorf("parseStat(%q) = %+v beside %v", line, p, errors.Unwrap(err))
		}
	})
}
