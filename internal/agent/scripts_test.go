// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/internal/script"
)

// scripted are an agent's options with scripts, whose texts go by their names, in a home of its own.
func scripted(t *testing.T, texts map[string]string, all ...script.Script) Options {
	t.Helper()
	from, home := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	for i := range all {
		all[i].From = strconv.Itoa(i)
		if err := os.WriteFile(filepath.Join(from, all[i].From), []byte(texts[all[i].Name]), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Options{State: filepath.Join(t.TempDir(), "run", "main"), Scripts: all, ScriptsFrom: from}
}

// barrier is a fifo; what reads a line of it goes on once open was called.
func barrier(t *testing.T) (path string, open func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "gate")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// untilTold waits for a text in the container's log of what the agent and the scripts say.
func (r *running) untilTold(text string) {
	r.Eventually(r.stderr.String).WithTimeout(10 * time.Second).Should(ContainSubstring(text))
}

func logOf(o Options, name string) string {
	return filepath.Join(filepath.Dir(filepath.Dir(o.State)), logDirectory, name+".log")
}

func TestStartScriptsRunBesideTheCommand(t *testing.T) {
	t.Setenv("BERTH_PARAM_REPO", "a $(b) `c`")
	o := scripted(t, map[string]string{
		"shell":   `printf '%s\n' "$BERTH_PARAM_REPO ${HOME##*/}"; pwd >&2`,
		"program": "#!/bin/cat\nis its own text\n",
		"fails":   "exit 7",
		"absent":  "#!/no/such/program\n",
	}, script.Script{Name: "shell", At: script.AtStart}, script.Script{Name: "program", At: script.AtStart},
		script.Script{Name: "fails", At: script.AtStart, Blocks: true}, script.Script{Name: "absent", At: script.AtStart, Blocks: true})
	o.Command = shell("echo up; exec sleep 600")
	home := os.Getenv("HOME")
	r := play(t, o)
	r.untilReady() // what fails keeps nobody out
	r.untilSaid("up")
	r.untilTold("[shell] a $(b) `c` " + filepath.Base(home) + "\n")
	r.untilTold("[shell] " + home + "\n")
	r.untilTold("[program] is its own text\n")
	r.untilTold("start script fails ended with exit code 7 after ")
	r.untilTold("start script absent cannot be run: ")
	r.untilTold("start script shell is done after ")
	text, err := os.ReadFile(logOf(o, "shell"))
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(string(text)).To(Equal("a $(b) `c` " + filepath.Base(home) + "\n" + home + "\n"))
	r.send(syscall.SIGTERM)
	r.exits(0)
}

func TestAScriptThatBlocksKeepsTheAgentFromBeingReady(t *testing.T) {
	slow, openSlow := barrier(t)
	beside, openBeside := barrier(t)
	o := scripted(t, map[string]string{"clone": "echo begins; cat " + slow, "beside": "cat " + beside},
		script.Script{Name: "clone", At: script.AtStart, Blocks: true}, script.Script{Name: "beside", At: script.AtStart})
	r := play(t, o)
	r.untilTold("[clone] begins\n")
	r.Expect(Ready(o.State)).To(And(MatchError(ErrNotReady), MatchError(ContainSubstring("it waits for the start scripts clone"))))
	openSlow()
	r.untilReady()
	r.Expect(r.stderr.String()).NotTo(ContainSubstring("script beside"), "nobody waits for it")
	openBeside()
	r.untilTold("start script beside is done")
}

func TestAScriptThatTakesTooLongIsEnded(t *testing.T) {
	o := scripted(t, map[string]string{"slow": "sleep 600 & echo child $!; wait"},
		script.Script{Name: "slow", At: script.AtStart, Blocks: true, Timeout: 300 * time.Millisecond})
	r := play(t, o)
	r.untilReady()
	r.Expect(r.stderr.String()).To(And(ContainSubstring("script slow takes longer than 300ms and is ended"),
		ContainSubstring("start script slow ended with exit code 143")))
	_, child, _ := strings.Cut(r.stderr.String(), "[slow] child ")
	pid, err := strconv.Atoi(strings.Fields(child)[0])
	r.Expect(err).NotTo(HaveOccurred())
	r.Eventually(func() process { return find(t, pid) }).Should(BeZero(), "its children end with it")
}

func TestNothingOfAScriptThatTakesTooLongStays(t *testing.T) {
	o := scripted(t, map[string]string{"slow": `sh -c 'trap "" TERM; echo child $$; while :; do sleep 0.1; done' & wait`},
		script.Script{Name: "slow", At: script.AtStart, Blocks: true, Timeout: time.Second})
	r := play(t, o)
	r.untilReady()
	_, child, _ := strings.Cut(r.stderr.String(), "[slow] child ")
	pid, err := strconv.Atoi(strings.Fields(child)[0])
	r.Expect(err).NotTo(HaveOccurred())
	r.Eventually(func() process { return find(t, pid) }).Should(BeZero(), "what takes no notice of SIGTERM is killed")
}

// An image may have it that its command is asked to stop by another signal than SIGTERM, which the agent passes on.
func TestStopScriptsRunBeforeTheCommandIsAskedByAnotherSignal(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGQUIT": syscall.SIGQUIT, "SIGINT": syscall.SIGINT, "SIGRTMIN+3": realtimeStop} {
		t.Run(name, func(t *testing.T) {
			o := scripted(t, map[string]string{"save": `kill -0 $(cat pid) && echo the command lives`}, script.Script{Name: "save", At: script.AtStop})
			o.Command = shell("echo $$ >pid; trap 'exit 3' QUIT INT RTMIN+3; echo up; while :; do sleep 0.05; done")
			if signal == realtimeStop {
				o.Command = []string{"bash", "-c", o.Command[2]}
			}
			r := play(t, o)
			r.untilSaid("up")
			r.untilReady()
			r.send(signal)
			r.exits(3)
			r.Expect(r.stderr.String()).To(ContainSubstring("[save] the command lives\n"))
			r.Expect(strings.Count(r.stderr.String(), "stop script save")).To(Equal(1), "once")
		})
	}
}

func TestAScriptsNameForgesNoLine(t *testing.T) {
	o := scripted(t, map[string]string{"a\nberth-agent: b\x1b[2J": "echo c; exit 1", "a b": "echo one", "a/b": "echo two"},
		script.Script{Name: "a\nberth-agent: b\x1b[2J", At: script.AtStart, Blocks: true},
		script.Script{Name: "a b", At: script.AtStart, Blocks: true}, script.Script{Name: "a/b", At: script.AtStart, Blocks: true})
	r := play(t, o)
	r.untilReady()
	r.untilTold("[a berth-agent: b [2J] c\n")
	r.untilTold("start script a berth-agent: b [2J ended with exit code 1")
	r.Expect(r.stderr.String()).NotTo(ContainSubstring("\x1b"))
	r.Expect(os.ReadFile(logOf(o, "a_b-1"))).To(BeEquivalentTo("one\n"))
	r.Expect(os.ReadFile(logOf(o, "a_b-2"))).To(BeEquivalentTo("two\n"))
}

func TestWhatAScriptLeavesRunningStaysAndIsHeard(t *testing.T) {
	after, open := barrier(t)
	o := scripted(t, map[string]string{"daemon": "(cat " + after + "; echo still here; exec sleep 600) &"},
		script.Script{Name: "daemon", At: script.AtStart, Blocks: true})
	r := play(t, o)
	r.untilReady()
	open()
	r.untilTold("[daemon] still here\n")
	r.send(syscall.SIGTERM)
	r.exits(0) // and it ends with the container
}

func TestStopScriptsRunBeforeAnythingIsEnded(t *testing.T) {
	o := scripted(t, map[string]string{"save": `kill -0 $(cat pid) && echo the command lives; sleep 0.2; echo saved`},
		script.Script{Name: "save", At: script.AtStop})
	o.Command = shell("echo $$ >pid; trap 'echo ends; exit 0' TERM; echo up; while :; do sleep 0.05; done")
	r := play(t, o)
	r.untilSaid("up")
	r.untilReady()
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(r.stderr.String()).To(ContainSubstring("[save] the command lives\n[save] saved\nberth-agent: stop script save is done"))
	r.Expect(r.stdout.String()).To(ContainSubstring("ends"))
}

func TestStopScriptsDoNotOutliveTheGrace(t *testing.T) {
	o := scripted(t, map[string]string{"save": "trap '' TERM; echo begins; while :; do sleep 0.1; done"}, script.Script{Name: "save", At: script.AtStop})
	o.Grace = time.Second
	o.Command = shell("trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done")
	r := play(t, o)
	r.untilSaid("up")
	r.untilReady()
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(r.stderr.String()).To(ContainSubstring("the stop scripts did not end in time"))
	r.Expect(r.stdout.String()).To(ContainSubstring("asked"), "the command has time for itself after them")
}

func TestStopScriptsAreForAStopAlone(t *testing.T) {
	o := scripted(t, map[string]string{"save": "echo saved"}, script.Script{Name: "save", At: script.AtStop})
	o.Command = shell("exit 4")
	r := play(t, o)
	r.exits(4)
	r.Expect(r.stderr.String()).NotTo(ContainSubstring("save"))
}

func TestScriptsOfTheClockRunAgainAndAgain(t *testing.T) {
	o := scripted(t, map[string]string{"tick": "echo $$; exit 3"}, script.Script{Name: "tick", At: script.AtSchedule, Schedule: "* * * * * *"},
		script.Script{Name: "never", At: script.AtSchedule, Schedule: "0 0 0 31 2 *"})
	r := play(t, o)
	r.untilReady()
	r.Eventually(func() int { return strings.Count(r.stderr.String(), "scheduled script tick ended with exit code 3") }).
		WithTimeout(10 * time.Second).Should(BeNumerically(">=", 2))
	r.untilTold("script never never runs")
	text, err := os.ReadFile(logOf(o, "tick"))
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(strings.Count(string(text), "\n")).To(BeNumerically("<=", 1), "each run begins the file anew")
}

func TestTheLogOfAScript(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := scripted(t, map[string]string{
		"much":       "yes 0123456789abcdef | head -c 400000",
		"chosen":     "yes 0123456789abcdef | head -c 400000",
		"../../link": "echo astray",
	}, script.Script{Name: "much", At: script.AtStart, Blocks: true}, script.Script{Name: "chosen", At: script.AtStart, Blocks: true, Log: "~/logs/a.log"},
		script.Script{Name: "../../link", At: script.AtStart, Blocks: true})
	NewWithT(t).Expect(os.MkdirAll(filepath.Dir(logOf(o, "x")), 0o755)).To(Succeed())
	NewWithT(t).Expect(os.Symlink(elsewhere, logOf(o, ".._.._link-2"))).To(Succeed())
	r := play(t, o)
	r.untilReady()
	r.untilTold("script ../../link has no log file: ")
	r.untilTold("[../../link] astray")
	r.Expect(os.ReadFile(elsewhere)).To(BeEquivalentTo("whole"))

	r.Eventually(func() (string, error) { text, err := os.ReadFile(logOf(o, "much")); return string(text), err }).Should(HaveSuffix(fullLog))
	info, err := os.Stat(logOf(o, "much"))
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(info.Size()).To(BeNumerically("<=", longestLog+len(fullLog)))
	r.Eventually(func() (int64, error) {
		info, err := os.Stat(filepath.Join(os.Getenv("HOME"), "logs", "a.log"))
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}).Should(BeEquivalentTo(400000))
}
