// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// crowd is all processes for whose end this one answers: everything in its PID namespace when it is the first there,
// else its descendants.
type crowd struct {
	first bool
	self  int
}

func newCrowd() crowd {
	return crowd{first: os.Getpid() == 1, self: os.Getpid()}
}

// gone reports whether nobody is left. A process that has ended but whose parent has not asked for its status yet
// counts as left only to the first process, which can't tell.
func (c crowd) gone() (bool, error) {
	if c.first {
		return errors.Is(syscall.Kill(-1, 0), syscall.ESRCH), nil
	}
	members, err := c.members()
	return len(members) == 0, err
}

// signal sends s to everybody. Those who have gone meanwhile or belong to another user are passed over.
func (c crowd) signal(s syscall.Signal) error {
	if c.first {
		return passOver(syscall.Kill(-1, s))
	}
	members, err := c.members()
	for _, member := range members {
		err = errors.Join(err, passOver(syscall.Kill(member.pid, s)))
	}
	return err
}

// hangUp tells the leader of each terminal session that its terminal is gone: an interactive shell, such as one that
// somebody opened with kubectl exec, takes no notice of SIGTERM.
func (c crowd) hangUp() error {
	members, err := c.members()
	for _, member := range members {
		if member.terminal && member.session == member.pid {
			err = errors.Join(err, passOver(syscall.Kill(member.pid, syscall.SIGHUP)))
		}
	}
	return err
}

func passOver(err error) error {
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) {
		return nil
	}
	return err
}

// members lists the crowd without its dead, but for those whose status this process has yet to take.
func (c crowd) members() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	ours := map[int]bool{c.self: true}
	// Pids wrap around, so a child may stand before its parent: look until a pass finds nobody new.
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !ours[p.pid] && (c.first || ours[p.parent]) {
				ours[p.pid], grown = true, true
			}
		}
	}
	var members []process
	for _, p := range all {
		if ours[p.pid] && p.pid != c.self && (!p.dead || p.parent == c.self) {
			members = append(members, p)
		}
	}
	return members, nil
}

// process is one line of the process table.
type process struct {
	pid, parent, session int
	terminal             bool // has a controlling terminal
	dead                 bool // ended, and its status not taken yet
}

// processes reads the process table of this process's PID namespace.
func processes() ([]process, error) {
	// The numbers in another namespace's /proc are those of other processes.
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return nil, err
	}
	if self != strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("/proc belongs to another PID namespace: this process is %d here and %s there", os.Getpid(), self)
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := proc.Readdirnames(-1)
	if err := errors.Join(err, proc.Close()); err != nil {
		return nil, err
	}
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it ended since the directory was read
		}
		p, err := parseStat(string(line))
		if err != nil {
			return nil, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// parseStat reads the first fields of a line of /proc/PID/stat: pid (name) state parent group session terminal. The
// name is the program's own choice and may hold blanks and parentheses.
func parseStat(line string) (process, error) {
	head, tail := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if head < 1 || tail < head {
		return process{}, errors.New("no program name in parentheses")
	}
	fields := strings.Fields(line[tail+1:])
	if len(fields) < 5 {
		return process{}, fmt.Errorf("%d fields after the program name, want at least 5", len(fields))
	}
	var numbers [4]int
	for i, text := range []string{strings.TrimSpace(line[:head]), fields[1], fields[3], fields[4]} {
		number, err := strconv.Atoi(text)
		if err != nil {
			return process{}, err
		}
		numbers[i] = number
	}
	return process{
		pid: numbers[0], parent: numbers[1], session: numbers[2], terminal: numbers[3] != 0,
		dead: fields[0] == "Z" || fields[0] == "X",
	}, nil
}
