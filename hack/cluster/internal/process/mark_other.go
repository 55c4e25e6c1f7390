// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// startMark identifies the process that has the id now by the time of its start,
// to the second. It is an error if no process has it.
func startMark(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("no process %d: %w", pid, err)
	}
	state, start, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if strings.HasPrefix(state, "Z") {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return strings.TrimSpace(start), nil
}

// ending is not told by this system.
func ending(int) bool { return false }

// Marked finds none: this system does not show another process's environment.
func (t *Table) Marked() ([]int, error) { return nil, nil }
