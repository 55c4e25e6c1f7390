// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// A run that ended anywhere on the way is continued: every state that it can leave is a part of the tree, a half
// file, and no marker.
func TestSeedContinues(t *testing.T) {
	var names []string
	for name := range copied() {
		names = append(names, name)
	}
	home := tree(t, image())
	for done := range len(names) {
		part := map[string]string{seedUnfinished: "half a fi"}
		for _, name := range names[:done] {
			part[name] = copied()[name]
		}
		claim := tree(t, part)
		if got, err := Seed(claim, home); err != nil || got.Already {
			t.Fatalf("%+v, %v", got, err)
		}
		same(t, look(t, claim), copied())
	}
}

func TestSeedContinuesAfterAFullClaim(t *testing.T) {
	g := NewWithT(t)
	files := map[string]string{"a": "small", "b": strings.Repeat("large", 2000), "c": "small"}
	home, claim := tree(t, files), t.TempDir()
	said, err := playSeeding(claim, home, 4096).CombinedOutput()
	g.Expect(err).To(HaveOccurred())
	g.Expect(string(said)).To(ContainSubstring("copy b: "))
	g.Expect(filepath.Join(claim, SeedMarker)).NotTo(BeAnExistingFile())
	g.Expect(filepath.Join(claim, "b")).NotTo(BeAnExistingFile())

	g.Expect(Seed(claim, home)).To(Equal(Seeded{Copied: 2, Kept: 1}))
	same(t, look(t, claim), files)
}

func TestSeedContinuesAfterAKill(t *testing.T) {
	g := NewWithT(t)
	files := map[string]string{}
	for i := range 600 {
		files[fmt.Sprintf("d%02d/", i%50)] = ""
		files[fmt.Sprintf("d%02d/f%d", i%50, i)] = strings.Repeat("x", i)
	}
	home, claim := tree(t, files), t.TempDir()
	command := playSeeding(claim, home, 0)
	g.Expect(command.Start()).To(Succeed())
	g.Eventually(func() []string { return entries(t, claim) }).WithPolling(time.Millisecond).Should(ContainElement("d05"))
	g.Expect(command.Process.Kill()).To(Succeed())
	g.Expect(command.Wait()).To(HaveOccurred())
	g.Expect(filepath.Join(claim, SeedMarker)).NotTo(BeAnExistingFile())

	got, err := Seed(claim, home)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Copied).To(BeNumerically(">", 0))
	g.Expect(got.Kept).To(BeNumerically(">", 0))
	same(t, look(t, claim), files)
}

// playSeeding is berth-agent seed in a process of its own, in which no file can get larger than limit bytes; 0 is no
// limit.
func playSeeding(claim, home string, limit uint64) *exec.Cmd {
	command := exec.Command(os.Args[0], claim, home, fmt.Sprint(limit))
	command.Env = append(os.Environ(), roleVariable+"=seed")
	return command
}

func playSeed(arguments []string) int {
	var limit uint64
	if _, err := fmt.Sscan(arguments[2], &limit); err != nil {
		panic(err)
	}
	if limit > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			panic(err)
		}
	}
	if _, err := Seed(arguments[0], arguments[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
