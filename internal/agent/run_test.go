// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

func shell(script string) []string { return []string{"sh", "-c", script} }

func TestRunExitsAsItsCommand(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		command []string
		want    int
	}{
		"success":             {command: []string{"true"}, want: 0},
		"a code of its own":   {command: shell("exit 7"), want: 7},
		"ended by a signal":   {command: shell("kill -9 $$"), want: 137},
		"not found in PATH":   {command: []string{"berth-no-such-program"}, want: 127},
		"not found at a path": {command: []string{"/no/such/program"}, want: 127},
		"not executable":      {command: []string{text}, want: 126},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, Options{Command: test.command}).exits(test.want)
		})
	}
}

func TestRunReapsOrphans(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	r := play(t, Options{Command: shell(`(sh -c 'echo orphan $$; read line <` + gate + `' &); exec sleep 600`)})
	orphan := r.number("orphan")
	r.Eventually(func() int { return find(t, orphan).parent }).Should(Equal(r.pid), "the agent adopts it")

	open, err := os.OpenFile(gate, os.O_WRONLY, 0)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(open.Close()).To(Succeed())
	// A zombie would still be in the process table.
	r.Eventually(func() process { return find(t, orphan) }).WithTimeout(5 * time.Second).Should(BeZero())

	r.send(syscall.SIGTERM)
	r.exits(0)
}

func find(t *testing.T, pid int) process {
	all, err := processes()
	if err != nil {
		t.Error(err)
	}
	for _, p := range all {
		if p.pid == pid {
			return p
		}
	}
	return process{}
}

func TestRunGivesTheCommandItsOwnGroup(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: shell(`echo command $$; exec sleep 600`)})
	command := r.number("command")
	group, err := syscall.Getpgid(command)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(group).To(Equal(command))
}

func TestRunHoldsWithoutACommand(t *testing.T) {
	tests := map[string]syscall.Signal{
		"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT, "SIGQUIT": syscall.SIGQUIT, "an image's SIGRTMIN+3": realtimeStop,
	}
	for name, stop := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := play(t, Options{})
			r.untilReady()
			r.send(syscall.SIGHUP)
			r.Consistently(r.ended).WithTimeout(200 * time.Millisecond).ShouldNot(Receive())
			r.send(stop)
			r.exits(0)
		})
	}
}

func TestRunEndsTheCommandBeforeTheRest(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: shell(`
		setsid sh -c 'trap "echo rest ended; exit" TERM; echo rest up; while :; do sleep 0.05; done' &
		trap "echo command ended; exit 3" TERM; echo command up; while :; do sleep 0.05; done`)})
	r.untilSaid("rest up")
	r.untilSaid("command up")
	r.send(syscall.SIGTERM)
	r.exits(0)
	said := r.stdout.String()
	r.Expect(said).To(And(ContainSubstring("command ended"), ContainSubstring("rest ended")))
	r.Expect(strings.Index(said, "command ended")).To(BeNumerically("<", strings.Index(said, "rest ended")))
}

func TestRunEndsWhatACommandLeaves(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Directory: t.TempDir(), Command: shell(`mkfifo gate
		setsid sh -c 'trap "echo left ended; exit" TERM; echo up >gate; while :; do sleep 0.05; done' &
		read line <gate; exit 4`)})
	r.exits(4)
	r.Expect(r.stdout.String()).To(ContainSubstring("left ended"))
}

func TestRunKillsWhatOutlivesTheGrace(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Grace: 400 * time.Millisecond, Command: shell(`
		setsid sh -c 'trap "" TERM; echo rest $$; while :; do sleep 600; done' &
		trap "" TERM; echo command $$; while :; do sleep 600; done`)})
	rest, command := r.number("rest"), r.number("command")
	asked := time.Now()
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(time.Since(asked)).To(BeNumerically(">=", 400*time.Millisecond))
	r.Expect(find(t, rest)).To(BeZero())
	r.Expect(find(t, command)).To(BeZero())
	r.Expect(r.stderr.String()).To(ContainSubstring("what did not end within 400ms is killed"))
}

func TestRunWakesWhatIsStopped(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: shell(`trap 'echo woken; exit' TERM; echo command $$; while :; do sleep 0.05; done`)})
	r.Expect(syscall.Kill(r.number("command"), syscall.SIGSTOP)).To(Succeed())
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(r.stdout.String()).To(ContainSubstring("woken"))
}

func TestRunPassesSignalsOn(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: shell(`for s in HUP INT QUIT USR1 USR2; do trap "echo got $s" $s; done
		echo up; while :; do sleep 0.05; done`)})
	r.untilSaid("up")
	for s, name := range map[syscall.Signal]string{syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT",
		syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2"} {
		r.send(s)
		r.untilSaid("got " + name + "\n")
	}
	r.send(syscall.SIGTERM)
	r.exits(0)
}

func TestRunHangsUpOnTerminals(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := play(t, Options{Command: shell(roleVariable + `=terminal setsid ` + self + ` & exec sleep 600`)})
	shell := r.number("shell")
	r.send(syscall.SIGTERM)
	r.exits(0) // well within the grace
	r.Expect(find(t, shell)).To(BeZero())
}

func TestRunGivesTheCommandTheTerminal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	person, terminal, err := openTerminal()
	g.Expect(err).NotTo(HaveOccurred())
	defer person.Close()
	defer terminal.Close()
	r := play(t, Options{Command: shell(`echo asking; read answer; echo got $answer`)}, func(agent *exec.Cmd) {
		agent.Stdin = terminal
		agent.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	r.untilSaid("asking")
	_, err = person.WriteString("hello\n")
	g.Expect(err).NotTo(HaveOccurred())
	r.untilSaid("got hello")
	r.exits(0)
}

func TestRunAsTheFirstProcess(t *testing.T) {
	t.Parallel()
	r := play(t, Options{Command: shell(`
		(setsid sh -c 'trap "echo orphan ended; exit" TERM; until read -r pid name state parent rest </proc/$$/stat && test $parent = 1; do sleep 0.01; done; echo orphan of 1 up; while :; do sleep 0.05; done' &)
		trap "echo command ended; exit" TERM; echo command $$; while :; do sleep 0.05; done`)}, func(first *exec.Cmd) {
		first.Env = append(first.Env, roleVariable+"=first")
		first.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		if os.Getuid() != 0 {
			first.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			first.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		}
	})
	r.Eventually(func() bool { return len(r.ended) > 0 || strings.Contains(r.stdout.String(), "command ") }).WithTimeout(10 * time.Second).Should(BeTrue())
	if len(r.ended) > 0 && <-r.ended == noNamespace {
		t.Skip("this machine gives no namespace a /proc of its own")
	}
	r.untilSaid("orphan of 1 up")
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(r.stdout.String()).To(And(ContainSubstring("command ended"), ContainSubstring("orphan ended")))
}

func TestRunSettles(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		inherited, home, directory    string
		wantHome, wantDirectory, says string
	}{
		"home from the flag":               {home: home, wantHome: home, wantDirectory: home},
		"home that a runtime fell back to": {inherited: "/", home: home, wantHome: home, wantDirectory: home},
		"home that is set stays":           {inherited: home, home: "/elsewhere", wantHome: home, wantDirectory: home},
		"no home at all":                   {wantHome: "/", wantDirectory: "/"},
		"home is made":                     {home: home + "/new", wantHome: home + "/new", wantDirectory: home + "/new"},
		"a directory is made":              {home: home, directory: home + "/a/b", wantHome: home, wantDirectory: home + "/a/b"},
		"relative to home":                 {home: home, directory: "src", wantHome: home, wantDirectory: home + "/src"},
		"below the tilde":                  {home: home, directory: "~/web", wantHome: home, wantDirectory: home + "/web"},
		"the tilde":                        {home: home, directory: "~", wantHome: home, wantDirectory: home},
		"no directory":                     {home: home, directory: file, wantHome: home, wantDirectory: home, says: "cannot work in " + file},
		"neither directory nor home":       {home: file, directory: file + "/x", wantHome: file, wantDirectory: "/", says: "cannot work in " + file + ":"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := play(t, Options{Home: test.home, Directory: test.directory, Command: shell(`echo "$HOME|$(pwd)"`)}, func(agent *exec.Cmd) {
				agent.Env = append(agent.Env, "HOME="+test.inherited)
			})
			r.exits(0)
			r.Expect(r.stdout.String()).To(Equal(test.wantHome + "|" + test.wantDirectory + "\n"))
			r.Expect(r.stderr.String()).To(ContainSubstring(test.says))
		})
	}
}
