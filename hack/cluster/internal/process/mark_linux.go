// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// startMark identifies the process that has the id now: the machine's boot and
// the clock tick of the start. It is an error if no process has it, or only one
// that has ended and waits for its parent.
func startMark(pid int) (string, error) {
	fields, err := statFields(pid)
	if err != nil {
		return "", err
	}
	const start = 19
	if len(fields) <= start {
		return "", fmt.Errorf("/proc/%d/stat is too short", pid)
	}
	if dead(fields) && !ending(pid) {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[start], nil
}

// ending says whether the process has ended but for some threads, which still
// hold its files and ports.
func ending(pid int) bool {
	fields, err := statFields(pid)
	if err != nil || !dead(fields) {
		return false
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err == nil && len(threads) > 1
}

func dead(fields []string) bool { return len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X") }

// statFields are those of the process's status line that follow its name; the
// first is its state.
func statFields(pid int) ([]string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	// The name in parentheses may hold anything, parentheses as well.
	end := strings.LastIndexByte(string(stat), ')')
	if end < 0 {
		return nil, fmt.Errorf("/proc/%d/stat has no name", pid)
	}
	return strings.Fields(string(stat[end+1:])), nil
}

// Marked lists the processes that have the Table's mark and that this user may
// look at.
func (t *Table) Marked() ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(content), "\x00"), t.Mark) {
			continue // ended meanwhile, or another user's
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
