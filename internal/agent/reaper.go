// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper is the parent of last resort: it waits for every process that ends as a child of this one, for those that it
// started itself and for orphans. Since waiting for any child takes the status from whoever waits for one, nothing
// else in the agent may start a process: os/exec would never hear of its end.
type reaper struct {
	mu      sync.Mutex
	started map[int]chan<- syscall.WaitStatus
}

// newReaper makes this process adopt orphans, which only the first process of a PID namespace does unasked. It isn't
// that one where a pod's containers share their process namespace.
func newReaper() (*reaper, error) {
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("become the parent of orphans: %w", err)
		}
	}
	return &reaper{started: map[int]chan<- syscall.WaitStatus{}}, nil
}

// start runs a program as a child. Its status arrives on the returned channel, once, after a call of reap.
func (r *reaper) start(program string, arguments []string, attributes *syscall.ProcAttr) (pid int, ended <-chan syscall.WaitStatus, err error) {
	// Held across the fork, so that reap cannot meet a child that is not registered yet.
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err = syscall.ForkExec(program, arguments, attributes)
	if err != nil {
		return 0, nil, err
	}
	status := make(chan syscall.WaitStatus, 1)
	r.started[pid] = status
	return pid, status, nil
}

// reap takes the status of every child that has ended. It does not wait; call it at each SIGCHLD, of which one may
// stand for several ends.
func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if ended, ok := r.started[pid]; ok {
			delete(r.started, pid)
			ended <- status
		}
	}
}

// exitCode is the code with which a shell would report the status: the program's own, or 128 and the signal's number.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
