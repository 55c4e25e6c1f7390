// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/internal/script"
)

// DefaultGrace leaves ten seconds of Kubernetes' own default grace period of 30.
const DefaultGrace = 20 * time.Second

// killed bounds the wait for processes that got SIGKILL. What the kernel has not ended by then hangs in it.
const killed = 2 * time.Second

// realtimeStop is SIGRTMIN+3, which images whose first process is systemd name as their stop signal.
const realtimeStop = syscall.Signal(37)

// Options are what Run needs to know of its container.
type Options struct {
	// State is the path of the state file that Ready reads.
	State string
	// Home becomes HOME in the environment when that is unset, or "/" as a container runtime sets it for a user that
	// the image doesn't know. Empty: HOME stays as it is.
	Home string
	// Directory is the working directory; a relative path, or one that begins with ~/, is taken from the home
	// directory. It is made if it is absent; when that can't be done it is the home directory, and Stderr says why.
	// Empty: the home directory.
	Directory string
	// Grace bounds the time between SIGTERM and SIGKILL.
	Grace time.Duration
	// Hold has the agent wait until the pod is somebody's before it starts the command; it is ready while it waits. Nil for a
	// pod that is somebody's from the beginning.
	Hold *Hold
	// Scripts are the template's for this agent, and ScriptsFrom is the directory that holds them.
	Scripts     []script.Script
	ScriptsFrom string
	// Command is a program, looked up in PATH, and its arguments. Empty: Run holds the container open.
	Command []string
	// Stderr gets what a person reading the container's log should know.
	Stderr io.Writer
}

// Run is the first process of a container. It starts the command in a process group of its own, reaps every orphan,
// and passes signals on to the command. Beside the command it runs the scripts: those of the start as soon as the command
// runs, and the agent is ready when those of them that block have ended; those of the clock from then on; those of the stop
// when a signal asks to stop, before anything is ended. It returns the container's exit code:
//
// the command's own, or 128 and the number of the signal that ended it, when the command ends by itself; 127 or 126
// when it is not found or cannot be run; 0 after SIGTERM, or, without a command, after another signal that asks to
// stop. In each case whatever else runs in the container has been ended: the command's group first, with SIGTERM, then
// the rest, and with SIGKILL what is left when Grace is over.
//
// An error means that the agent could not do its work. Run must be called once a process.
func Run(o Options) (code int, err error) {
	// First of all, since the first process of a PID namespace doesn't even hear of a signal that it doesn't handle.
	r := runner{Options: o, crowd: newCrowd(), children: make(chan os.Signal, 1), signals: make(chan os.Signal, 16)}
	signal.Notify(r.children, syscall.SIGCHLD)
	signal.Notify(r.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGALRM, realtimeStop)
	defer signal.Stop(r.children)
	defer signal.Stop(r.signals)

	if r.reaper, err = newReaper(); err != nil {
		return 1, err
	}
	r.scripts = r.newScripts()
	state, err := beginLifecycle(o.State)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, state.end()) }()

	if o.Hold != nil {
		// What it says to the server after the claim, it says beside the command.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if err := state.enter(ready); err != nil {
			return 1, err
		}
		if stopped, err := r.hold(ctx); err != nil {
			return 1, err
		} else if stopped {
			return 0, errors.Join(state.enter(stopping), r.endEverything(r.end()))
		}
	}
	if err := r.settle(); err != nil {
		return 1, err
	}
	if code, err := r.startCommand(); err != nil {
		return code, err
	}
	code, stopped, err := r.serve(state)
	end := r.end()
	err = errors.Join(err, state.enter(stopping))
	if stopped {
		err = errors.Join(err, r.scripts.stop(r.saveBy(end)))
	}
	return code, errors.Join(err, r.endEverything(end))
}

// end is when everything in the container has to have ended that is asked to end now.
func (r *runner) end() time.Time { return time.Now().Add(r.Grace) }

// saveBy is when the stop scripts have to have ended, so that time is left for what is ended after them.
func (r *runner) saveBy(end time.Time) time.Time { return end.Add(-min(reserved, r.Grace/2)) }

// runner is one call of Run.
type runner struct {
	Options
	crowd    crowd
	reaper   *reaper
	children chan os.Signal // one SIGCHLD is enough, however many children it stands for
	signals  chan os.Signal
	scripts  *scripts
	command  int                       // the command's pid and process group; 0 without a command
	ended    <-chan syscall.WaitStatus // never written to without a command
}

// startCommand starts the command, if there is one. With an error comes the exit code that a shell would give.
func (r *runner) startCommand() (int, error) {
	if len(r.Command) == 0 {
		return 0, nil
	}
	program, err := exec.LookPath(r.Command[0])
	if errors.Is(err, exec.ErrDot) {
		err = nil // a PATH with the current directory in it is the image's own wish
	}
	if err == nil {
		attributes := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: processGroup()}
		r.command, r.ended, err = r.reaper.start(program, r.Command, attributes)
	}
	switch {
	case err == nil:
		return 0, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return 127, fmt.Errorf("the container's command was not found: %w", err)
	}
	return 126, fmt.Errorf("the container's command cannot be run: %w", err)
}

// processGroup puts the command into a process group of its own. Where the container has a terminal, that group
// becomes the one that may read from it.
func processGroup() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil && group == syscall.Getpgrp() {
		attributes.Foreground = true
	}
	return attributes
}

// serve runs the scripts, and waits for the end of the command or for a signal to stop. It returns the exit code for it, and
// whether it was a signal.
func (r *runner) serve(state *lifecycle) (code int, stopped bool, err error) {
	clock, stopClock := context.WithCancel(context.Background())
	defer stopClock()
	if names := r.scripts.blocking(); len(names) > 0 {
		if err := state.enterFor(starting, "it waits for the start scripts "+strings.Join(names, ", ")); err != nil {
			return 1, false, err
		}
	}
	free := r.scripts.start()
	for {
		select {
		case <-free:
			free = nil
			if err := state.enter(ready); err != nil {
				return 1, false, err
			}
			r.scripts.keepTime(clock)
		case <-r.children:
			r.reaper.reap()
		case status := <-r.ended:
			return exitCode(status), false, nil
		case s := <-r.signals:
			if r.stops(s) {
				return 0, true, nil
			}
			if asksToStop(s) { // as an image may have it that its own command is asked
				if err := r.scripts.stop(r.saveBy(r.end())); err != nil {
					return 1, false, err
				}
			}
			r.pass(s)
		}
	}
}

// asksToStop tells whether a signal is one by which people and images ask a program to end.
func asksToStop(s os.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGQUIT || s == realtimeStop
}

// stops reports whether a signal ends the container: SIGTERM always, and where no command can decide for itself the
// others by which people and images ask a program to end.
func (r *runner) stops(s os.Signal) bool {
	return s == syscall.SIGTERM || asksToStop(s) && r.command == 0
}

// pass hands a signal on to the command, and to nobody else: that is who would have got it without an agent.
func (r *runner) pass(s os.Signal) {
	if r.command == 0 {
		return
	}
	if err := passOver(syscall.Kill(r.command, s.(syscall.Signal))); err != nil {
		fmt.Fprintf(r.Stderr, "berth-agent: signal %v was not passed on: %v\n", s, err)
	}
}

// endEverything ends all processes that this one answers for, until the deadline: the command's group has the first half
// of the time for itself, so that a command that supervises others can end them in its own order. What fails on the way is
// returned at the end, so that the rest is still tried.
func (r *runner) endEverything(deadline time.Time) error {
	var failures []error
	try := func(err error) { failures = append(failures, passOver(err)) }

	if r.command != 0 {
		try(syscall.Kill(-r.command, syscall.SIGTERM))
		// A stopped process gets to SIGTERM only once it goes on.
		try(syscall.Kill(-r.command, syscall.SIGCONT))
		_, err := r.await(time.Now().Add(time.Until(deadline)/2), r.groupGone)
		try(err)
	}
	try(r.crowd.signal(syscall.SIGTERM))
	try(r.crowd.signal(syscall.SIGCONT))
	try(r.crowd.hangUp())
	gone, err := r.await(deadline, r.crowd.gone)
	try(err)
	if !gone {
		fmt.Fprintf(r.Stderr, "berth-agent: what did not end within %v is killed\n", r.Grace)
		_, err := r.await(time.Now().Add(killed), func() (bool, error) {
			// Each time anew, for what was forked meanwhile.
			if err := r.crowd.signal(syscall.SIGKILL); err != nil {
				return false, err
			}
			return r.crowd.gone()
		})
		try(err)
	}
	return errors.Join(failures...)
}

func (r *runner) groupGone() (bool, error) {
	return errors.Is(syscall.Kill(-r.command, 0), syscall.ESRCH), nil
}

// await reaps until done or the deadline, and reports which of the two it was.
func (r *runner) await(deadline time.Time, done func() (bool, error)) (bool, error) {
	over := time.NewTimer(time.Until(deadline))
	defer over.Stop()
	// Nothing tells of the end of a process that is nobody's child here, as those of kubectl exec are.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		r.reaper.reap()
		if is, err := done(); is || err != nil {
			return is, err
		}
		select {
		case <-r.children:
		case <-again.C:
		case <-over.C:
			return false, nil
		}
	}
}
