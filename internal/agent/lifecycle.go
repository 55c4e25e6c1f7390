// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// phase is how far a running agent is, as its state file says it.
type phase string

const (
	starting phase = "starting" // directories are being made, the command is being started, start scripts that block run
	ready    phase = "ready"    // the container holds, and its command, if it has one, runs
	stopping phase = "stopping" // the container's processes are being ended
)

// DefaultName is the name of the agent of a pod that has one.
const DefaultName = "main"

var agentName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// StateFile returns where the agent of that name keeps its state by default. The name becomes part of a path, so
// anything but a DNS label is refused.
func StateFile(name string) (string, error) {
	if !agentName.MatchString(name) {
		return "", fmt.Errorf("--name %q: must be 1 to 63 lowercase letters, digits or hyphens, with no hyphen at either end", name)
	}
	return filepath.Join("/.berth", stateDirectory, name), nil
}

// ErrNotReady is what Ready's refusals wrap.
var ErrNotReady = errors.New("not ready")

// Ready returns nil while the agent that keeps its state in the file at path is running and says that it is ready.
func Ready(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no agent has written %s yet", ErrNotReady, path)
	}
	if err != nil {
		return fmt.Errorf("--state %s: %w", path, err)
	}
	defer file.Close()

	// The file outlives an agent that was killed; its lock does not. This asks for the lock without taking it, so a
	// probe is never in the way of an agent that starts.
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &lock); err != nil {
		return fmt.Errorf("--state %s: %w", path, err)
	}
	if lock.Type == syscall.F_UNLCK {
		return fmt.Errorf("%w: the agent that wrote %s runs no more", ErrNotReady, path)
	}
	line, err := bufio.NewReader(io.LimitReader(file, longestState)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("--state %s: %w", path, err)
	}
	said, why, _ := strings.Cut(strings.TrimSpace(line), ": ")
	switch {
	case phase(said) == ready:
		return nil
	case why != "":
		return fmt.Errorf("%w: the agent says %q: %s", ErrNotReady, said, why)
	}
	return fmt.Errorf("%w: the agent says %q", ErrNotReady, said)
}

// lifecycle is the running agent's hold on its state file.
type lifecycle struct {
	file *os.File
}

// beginLifecycle opens the state file at path, takes it for this process and says "starting". Its directory is made if
// it is absent. It is an error when another running agent has taken it.
func beginLifecycle(path string) (*lifecycle, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("--state %s: %w", path, err)
	}
	// No symbolic link is followed: other users of the pod may write to the directory too.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--state %s: %w", path, err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	err = syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return nil, errors.Join(fmt.Errorf("--state %s: another agent runs with it; give each agent of a pod its own --name", path), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--state %s: %w", path, err), file.Close())
	}
	l := &lifecycle{file: file}
	if err := l.enter(starting); err != nil {
		return nil, errors.Join(err, l.end())
	}
	return l, nil
}

// longestState bounds the line of a state file, in bytes.
const longestState = 512

// enter writes the phase. It comes down in one write that ends the first line, so a reader never sees half of it.
func (l *lifecycle) enter(p phase) error { return l.enterFor(p, "") }

// enterFor writes the phase and what a person who asks should know of it.
func (l *lifecycle) enterFor(p phase, why string) error {
	line := string(p)
	if why != "" {
		line += ": " + strings.ReplaceAll(why, "\n", " ")
	}
	if len(line) >= longestState {
		line = strings.ToValidUTF8(line[:longestState-1], "")
	}
	line += "\n"
	if _, err := l.file.WriteAt([]byte(line), 0); err != nil {
		return fmt.Errorf("write the agent's state: %w", err)
	}
	if err := l.file.Truncate(int64(len(line))); err != nil {
		return fmt.Errorf("write the agent's state: %w", err)
	}
	return nil
}

// end lets the file go. Whoever asks afterwards is told that the agent runs no more.
func (l *lifecycle) end() error {
	return l.file.Close()
}
