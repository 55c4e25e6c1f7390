// SPDX-License-Identifier: Apache-2.0

package space

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Space is one node's namespaces.
type Space struct {
	// Name is that of the network namespace.
	Name string
	mnt  *os.File
}

// Open finds the network namespace, or makes it when create is set. The error is
// fs.ErrNotExist if there is none.
func Open(ctx context.Context, name string, create bool) (*Space, error) {
	s := &Space{Name: name}
	_, err := os.Stat(s.netPath())
	if errors.Is(err, fs.ErrNotExist) && create {
		out, err := exec.CommandContext(ctx, "ip", "netns", "add", name).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("making the network namespace %s: %w: %s", name, err, strings.TrimSpace(string(out)))
		}
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Space) netPath() string { return filepath.Join("/run/netns", s.Name) }

// Delete removes the network namespace. Processes inside keep it alive, so they
// are ended before.
func (s *Space) Delete(ctx context.Context) error {
	if s.mnt != nil {
		if err := s.mnt.Close(); err != nil {
			return err
		}
		s.mnt = nil
	}
	out, err := exec.CommandContext(ctx, "ip", "netns", "delete", s.Name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("removing the network namespace %s: %w: %s", s.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Inside lists the processes in the network namespace.
func (s *Space) Inside() ([]int, error) {
	want, err := inode(s.netPath())
	if err != nil {
		return nil, err
	}
	var pids []int
	err = eachProcess(func(pid int) {
		if id, err := inode(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && id == want {
			pids = append(pids, pid)
		}
	})
	return pids, err
}

// OpenMounts enters the mount namespace known by the id that an earlier call
// returned, if a process still lives in it and in the network namespace, and
// otherwise makes a new one with these mounts. It returns the id.
func (s *Space) OpenMounts(mounts []Mount, known uint64) (uint64, error) {
	pids, err := s.Inside()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
		if err != nil {
			continue // it ended meanwhile
		}
		if id, err := inode(f.Name()); err == nil && id == known {
			s.mnt = f
			return id, nil
		}
		f.Close() //nolint:errcheck // opened for reading only
	}
	if err := s.newMounts(mounts); err != nil {
		return 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(s.mnt.Fd()), &st); err != nil {
		return 0, fmt.Errorf("mount namespace of %s: %w", s.Name, err)
	}
	return st.Ino, nil
}

// newMounts makes the mount namespace on a thread of its own and keeps a handle.
func (s *Space) newMounts(mounts []Mount) error {
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("making a mount namespace: %w", err)
		}
		// Mounts of the host come in, ours stay inside; within, they propagate
		// between the node and its pods.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			return fmt.Errorf("detaching the mounts from the host: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
			return fmt.Errorf("sharing the mounts among pods: %w", err)
		}
		for _, m := range mounts {
			if err := unix.Mount(m.From, m.At, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("mounting %s at %s: %w", m.From, m.At, err)
			}
			// Otherwise what is mounted below the one place appears below the other too.
			for _, flag := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
				if err := unix.Mount("", m.At, "", flag, ""); err != nil {
					return fmt.Errorf("detaching %s from %s: %w", m.At, m.From, err)
				}
			}
		}
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/mnt", unix.Gettid()))
		s.mnt = f
		return err
	})
}

// Enter runs fn on a thread inside the network namespace and, if OpenMounts was
// called, the mount namespace. A process that fn starts begins there.
func (s *Space) Enter(fn func() error) error {
	return onThread(func() error {
		if err := setns(s.netPath(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the network namespace %s: %w", s.Name, err)
		}
		if s.mnt != nil {
			if err := unix.Setns(int(s.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("entering the mount namespace of %s: %w", s.Name, err)
			}
		}
		return fn()
	})
}

// Run runs a command inside and fails with what it printed.
func (s *Space) Run(ctx context.Context, name string, args ...string) error {
	_, err := s.Output(ctx, name, args...)
	return err
}

// Output runs a command inside and returns what it printed.
func (s *Space) Output(ctx context.Context, name string, args ...string) (string, error) {
	var out []byte
	err := s.Enter(func() error {
		var err error
		out, err = exec.CommandContext(ctx, name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Dial opens a TCP connection from inside; the socket stays inside when the
// thread is gone.
func (s *Space) Dial(ctx context.Context, target netip.AddrPort) (conn net.Conn, err error) {
	err = s.Enter(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "tcp", target.String())
		return err
	})
	return conn, err
}

// onThread runs fn on a system thread that shares no namespace or working
// folder with the others, and that ends with fn.
func onThread(fn func() error) error {
	failed := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends a thread that nobody may use again.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			failed <- fmt.Errorf("preparing a thread: %w", err)
			return
		}
		failed <- fn()
	}()
	return <-failed
}

func setns(path string, kind int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	return unix.Setns(int(f.Fd()), kind)
}

// inode tells namespaces apart.
func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Ino, nil
}

func eachProcess(fn func(pid int)) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			fn(pid)
		}
	}
	return nil
}
