// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary play another process than the tests: roles has what it can be.
const roleVariable = "BERTH_TEST_ROLE"

func roles() map[string]func(arguments []string) int {
	return map[string]func([]string) int{
		"agent":    playAgent,
		"first":    playFirst,
		"terminal": playTerminal,
		"seed":     playSeed,
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(roleVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	// The agent's own children are not to play it too; a command asks for a role by env(1).
	if err := os.Unsetenv(roleVariable); err != nil {
		panic(err)
	}
	os.Exit(roles()[name](os.Args[1:]))
}

// playAgent is berth-agent run with the options in its argument.
func playAgent(arguments []string) int {
	var o Options
	if err := json.Unmarshal([]byte(arguments[0]), &o); err != nil {
		panic(err)
	}
	o.Stderr = os.Stderr
	code, err := Run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// playFirst is the same as the first process of a PID namespace.
func playFirst(arguments []string) int {
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", "/proc", "proc", 0, "")); err != nil {
		fmt.Fprintln(os.Stderr, "mount /proc:", err)
		return noNamespace
	}
	return playAgent(arguments)
}

// noNamespace is playFirst's exit code where the machine does not let it have a /proc of its own.
const noNamespace = 99

// playTerminal is somebody with a terminal in the container: a shell that leads a session and takes no notice of
// SIGTERM.
func playTerminal([]string) int {
	signal.Ignore(syscall.SIGTERM)
	_, terminal, err := openTerminal()
	if err != nil {
		panic(err)
	}
	shell := exec.Command("sh", "-c", `trap '' TERM; echo shell $$ >&3; read forever`)
	shell.Stdin, shell.ExtraFiles = terminal, []*os.File{os.Stdout}
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	_ = shell.Run() // it is ended by a signal
	return 0
}

// openTerminal makes a pseudo-terminal: what is typed and seen, and what the program has.
func openTerminal() (person, program *os.File, err error) {
	person, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	return person, program, err
}

// running is an agent under test.
type running struct {
	*WithT
	state  string
	pid    int
	stdout *output
	stderr *output
	ended  <-chan int // its exit code
}

// play starts the test binary as an agent, and kills it and what it left when the test is over. The adjustments
// change how it is started.
func play(t *testing.T, o Options, adjustments ...func(*exec.Cmd)) *running {
	t.Helper()
	if o.State == "" {
		o.State = t.TempDir() + "/run/main"
	}
	if o.Grace == 0 {
		o.Grace = 30 * time.Second // longer than any test may take, so that one that relies on it fails
	}
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], string(options))
	// The race detector's runtime would wait for a second before each exit.
	command.Env = append(os.Environ(), roleVariable+"=agent", "GORACE=atexit_sleep_ms=0")
	r := &running{WithT: NewWithT(t), state: o.State, stdout: &output{}, stderr: &output{}}
	command.Stdout, command.Stderr = r.stdout, r.stderr
	command.WaitDelay = 10 * time.Second // a process that outlived the agent would hold its output open
	for _, adjust := range adjustments {
		adjust(command)
	}
	if err := command.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("this machine does not give a user a PID namespace: %v", err)
		}
		t.Fatal(err)
	}
	r.pid = command.Process.Pid
	ended := make(chan int, 1)
	r.ended = ended
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := command.Wait(); errors.Is(err, exec.ErrWaitDelay) {
			t.Error("a process outlived the agent")
		}
		ended <- command.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		left, err := crowd{self: r.pid}.members()
		if err != nil {
			t.Error(err)
		}
		_ = command.Process.Kill() // it has ended in most tests
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		<-done
		if t.Failed() {
			t.Logf("stdout:\n%sstderr:\n%s", r.stdout, r.stderr)
		}
	})
	return r
}

func (r *running) untilReady() {
	r.Eventually(func() error { return Ready(r.state) }).WithTimeout(10 * time.Second).Should(Succeed())
}

func (r *running) untilSaid(text string) {
	r.Eventually(r.stdout.String).WithTimeout(10 * time.Second).Should(ContainSubstring(text))
}

func (r *running) send(s syscall.Signal) {
	r.Expect(syscall.Kill(r.pid, s)).To(Succeed())
}

func (r *running) exits(code int) {
	r.Eventually(r.ended).WithTimeout(15 * time.Second).Should(Receive(Equal(code)))
}

// number is the pid that a process announced in a line "what PID".
func (r *running) number(what string) int {
	pid := 0
	r.Eventually(func() error {
		for line := range strings.Lines(r.stdout.String()) {
			if _, err := fmt.Sscanf(line, what+" %d\n", &pid); err == nil {
				return nil
			}
		}
		return fmt.Errorf("no line %q yet", what)
	}).WithTimeout(10 * time.Second).Should(Succeed())
	return pid
}

// output collects what a process writes while a test reads it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
