// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/berth-dev/berth/internal/script"
)

const (
	// DefaultScripts is the directory that holds a pod's scripts.
	DefaultScripts = "/.berth-scripts"
	// reserved is what stop scripts leave of Grace to the processes that are ended after them, or half of it when that is less.
	reserved = 10 * time.Second
	// killScript bounds the wait for a script that was asked to end.
	killScript = 5 * time.Second
)

// scripts runs the template's scripts, each in a process group of its own. Their output goes to Stderr, each line behind the
// name of its script, and to a file each.
type scripts struct {
	*runner
	all   []script.Script
	logs  string // the directory of the files that nobody chose
	words sync.Mutex
	saved bool // the stop scripts have run
}

// newScripts are the runner's. Of a pod that was prepared, none blocks: it is ready already, and whose it has become is at work
// in it from the claim on.
func (r *runner) newScripts() *scripts {
	all := slices.Clone(r.Scripts)
	for i := range all {
		all[i].Blocks = all[i].Blocks && r.Hold == nil
	}
	return &scripts{runner: r, all: all, logs: filepath.Join(filepath.Dir(filepath.Dir(r.State)), logDirectory)}
}

// start runs the scripts of the start, all at once. The channel is closed when those that block have ended.
func (s *scripts) start() <-chan struct{} {
	free := make(chan struct{})
	var blocking sync.WaitGroup
	for _, x := range s.all {
		switch run := func() { s.run("start", x, true) }; {
		case x.At != script.AtStart:
		case x.Blocks:
			blocking.Go(run)
		default:
			go run()
		}
	}
	go func() {
		blocking.Wait()
		close(free)
	}()
	return free
}

// blocking names the scripts that keep the agent from being ready.
func (s *scripts) blocking() []string {
	var names []string
	for _, x := range s.all {
		if x.At == script.AtStart && x.Blocks {
			names = append(names, x.Name)
		}
	}
	return names
}

// keepTime runs the scripts of the clock until the context ends. One that still runs when its time comes again is not run
// twice: it next runs at the time after its end.
func (s *scripts) keepTime(ctx context.Context) {
	for _, x := range s.all {
		if x.At != script.AtSchedule {
			continue
		}
		line, err := script.ParseSchedule(x.Schedule)
		if err != nil {
			s.say("script %s: %v", x.Name, err)
			continue
		}
		go func() {
			for {
				now := time.Now()
				next := line.Next(now)
				if next.IsZero() {
					s.say("script %s never runs: its schedule %q names a date that does not come", x.Name, x.Schedule)
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(next.Sub(now)):
				}
				s.run("scheduled", x, false)
			}
		}()
	}
}

// saves tells whether there are scripts of the stop that have not run.
func (s *scripts) saves() bool {
	return !s.saved && slices.ContainsFunc(s.all, func(x script.Script) bool { return x.At == script.AtStop })
}

// stop runs the scripts of the stop, once and all at once, and returns when they have ended or the deadline is over.
func (s *scripts) stop(deadline time.Time) error {
	if !s.saves() {
		return nil
	}
	s.saved = true
	var left []<-chan struct{}
	for _, x := range s.all {
		if x.At != script.AtStop {
			continue
		}
		ended := make(chan struct{})
		left = append(left, ended)
		go func() {
			defer close(ended)
			s.run("stop", x, true)
		}()
	}
	done, err := s.await(deadline, func() (bool, error) {
		for _, ended := range left {
			select {
			case <-ended:
			default:
				return false, nil
			}
		}
		return true, nil
	})
	if !done && err == nil {
		s.say("the stop scripts did not end in time, and are not waited for any longer")
	}
	return err
}

// run runs a script to its end, and says what became of it: of a success only where told to.
func (s *scripts) run(kind string, x script.Script, tell bool) {
	began := time.Now()
	switch code, err := s.execute(x); {
	case err != nil:
		s.say("%s script %s cannot be run: %v", kind, x.Name, err)
	case code != 0:
		s.say("%s script %s ended with exit code %d after %v", kind, x.Name, code, time.Since(began).Round(time.Millisecond))
	case tell:
		s.say("%s script %s is done after %v", kind, x.Name, time.Since(began).Round(time.Millisecond))
	}
}

// execute runs a script and returns its exit code, as a shell gives it. What it leaves running stays, and goes on to write.
func (s *scripts) execute(x script.Script) (code int, err error) {
	argv, err := interpreter(filepath.Join(s.ScriptsFrom, x.From))
	if err != nil {
		return 0, err
	}
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer nothing.Close()
	from, to, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	attributes := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{nothing.Fd(), to.Fd(), to.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true}}
	pid, ended, err := s.reaper.start(argv[0], argv, attributes)
	if err := errors.Join(err, to.Close()); err != nil {
		return 0, errors.Join(err, from.Close())
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.copies(x, from)
	}()
	status := s.until(x, pid, ended)
	select { // the last words come before the agent's own; but a process that stays keeps the output open
	case <-written:
	case <-time.After(100 * time.Millisecond):
	}
	return exitCode(status), nil
}

// until waits for a script's end, and ends it when its time is over.
func (s *scripts) until(x script.Script, pid int, ended <-chan syscall.WaitStatus) syscall.WaitStatus {
	var over <-chan time.Time
	if x.Timeout > 0 {
		over = time.After(x.Timeout)
	}
	select {
	case status := <-ended:
		return status
	case <-over:
		s.say("script %s takes longer than %v and is ended", x.Name, x.Timeout)
		return endGroup(pid, ended)
	}
}

// endGroup ends a process group, also where its leader ends sooner than the others, and returns the leader's status.
func endGroup(leader int, ended <-chan syscall.WaitStatus) syscall.WaitStatus {
	_ = syscall.Kill(-leader, syscall.SIGTERM) // it may have ended this moment
	patience := time.After(killScript)
	again := time.NewTicker(50 * time.Millisecond) // nothing tells of the end of those that are not the agent's children
	defer again.Stop()
	var status *syscall.WaitStatus
	for {
		select {
		case s := <-ended:
			status = &s
		case <-again.C:
			if status != nil && errors.Is(syscall.Kill(-leader, 0), syscall.ESRCH) {
				return *status
			}
		case <-patience:
			_ = syscall.Kill(-leader, syscall.SIGKILL)
			if status == nil {
				s := <-ended
				status = &s
			}
			return *status
		}
	}
}

// interpreter is how a script is run: as its first line says, or else by the shell.
func interpreter(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var head [2]byte
	if n, _ := file.Read(head[:]); n == 2 && head == [2]byte{'#', '!'} {
		return []string{path}, nil
	}
	if _, err := os.Stat("/bin/sh"); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the image has no /bin/sh; begin the script with #! and an interpreter that it has")
	}
	return []string{"/bin/sh", path}, nil
}

// say tells whoever reads the container's log.
func (s *scripts) say(format string, args ...any) {
	s.words.Lock()
	defer s.words.Unlock()
	fmt.Fprintf(s.Stderr, "berth-agent: %s\n", plain(fmt.Sprintf(format, args...)))
}

// plain is a text without what would end its line or move a terminal's cursor.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
