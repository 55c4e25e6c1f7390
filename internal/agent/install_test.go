// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestInstall(t *testing.T) {
	g := NewWithT(t)
	self, err := os.ReadFile("/proc/self/exe")
	g.Expect(err).NotTo(HaveOccurred())
	shared := filepath.Join(t.TempDir(), "shared")
	installed := filepath.Join(shared, Binary)

	g.Expect(Install(shared)).To(Succeed())
	g.Expect(os.ReadFile(installed)).To(Satisfy(func(b []byte) bool { return bytes.Equal(b, self) }))
	info, err := os.Stat(installed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode()).To(Equal(fs.FileMode(0o755)))
	info, err = os.Stat(filepath.Join(shared, "run"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode()).To(Equal(0o777|fs.ModeSticky|fs.ModeDir), "containers of other users keep their state there too")

	// Once more, over a copy that runs and one that an interrupted run left half-written: a binary that runs can't be
	// written to.
	program := exec.Command(installed, `{"State": "`+shared+`/run/main"}`)
	program.Env = append(os.Environ(), roleVariable+"=agent")
	g.Expect(program.Start()).To(Succeed())
	defer func() {
		g.Expect(program.Process.Kill()).To(Succeed())
		g.Expect(program.Wait()).To(HaveOccurred())
	}()
	g.Eventually(func() error { return Ready(filepath.Join(shared, "run", "main")) }).WithTimeout(10 * time.Second).Should(Succeed())
	g.Expect(os.WriteFile(filepath.Join(shared, "."+Binary+".new"), []byte("half"), 0o600)).To(Succeed())
	g.Expect(Install(shared)).To(Succeed())
	g.Expect(entries(t, shared)).To(ConsistOf(Binary, "run", "log"), "nothing half-written stays")
}

func TestInstallIsNeverSeenHalfDone(t *testing.T) {
	g := NewWithT(t)
	self, err := os.Stat("/proc/self/exe")
	g.Expect(err).NotTo(HaveOccurred())
	shared := t.TempDir()
	g.Expect(Install(shared)).To(Succeed())

	done := make(chan error)
	go func() {
		defer close(done)
		for range 10 {
			if err := Install(shared); err != nil {
				done <- err
			}
		}
	}()
	for {
		select {
		case err, failed := <-done:
			if !failed {
				return
			}
			t.Fatal(err)
		default:
		}
		info, err := os.Stat(filepath.Join(shared, Binary))
		if err != nil || info.Size() != self.Size() || info.Mode() != 0o755 {
			t.Fatalf("seen: %v, %v", info, err)
		}
	}
}

func TestInstallSaysWhereItCannot(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "file")
	g.Expect(os.WriteFile(file, nil, 0o644)).To(Succeed())
	g.Expect(Install(file)).To(MatchError(ContainSubstring("--to " + file)))
}

func entries(t *testing.T, directory string) []string {
	t.Helper()
	list, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return names
}
