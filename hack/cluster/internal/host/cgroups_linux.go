// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const cgroupMount = "/sys/fs/cgroup"

// Cgroups is a subtree of one cluster's own in every hierarchy: all its pods run
// below it, and two kubelets never see each other's.
type Cgroups struct {
	// Name is the folder's name below each hierarchy's root.
	Name string
}

// roots lists the subtree's folder in each hierarchy.
func (c Cgroups) roots() ([]string, error) {
	if unified() {
		return []string{filepath.Join(cgroupMount, c.Name)}, nil
	}
	tasks, err := filepath.Glob(filepath.Join(cgroupMount, "*", "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var roots []string
	seen := map[string]bool{}
	for _, path := range tasks {
		// Two controllers may be links to one hierarchy.
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if !seen[dir] {
			seen[dir] = true
			roots = append(roots, filepath.Join(dir, c.Name))
		}
	}
	return roots, nil
}

// Make makes the subtree where it is missing.
func (c Cgroups) Make() error {
	roots, err := c.roots()
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	for _, root := range roots {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		// A new cpuset of the older kind may use nothing until it is told what.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if unified() {
				continue
			}
			content, err := os.ReadFile(filepath.Join(filepath.Dir(root), file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(root, file), content, 0o644)
			}
			if err != nil {
				return fmt.Errorf("cgroups: %w", err)
			}
		}
	}
	return nil
}

// Processes lists what runs in the subtree.
func (c Cgroups) Processes() ([]int, error) {
	var pids []int
	err := c.walk(func(dir string) error {
		content, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return ignoreGone(err)
		}
		for _, field := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// Remove removes the subtree, which must have no processes any more.
func (c Cgroups) Remove() error {
	var dirs []string
	if err := c.walk(func(dir string) error { dirs = append(dirs, dir); return nil }); err != nil {
		return err
	}
	slices.Reverse(dirs) // the deepest first
	for _, dir := range dirs {
		if err := ignoreGone(os.Remove(dir)); err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
	}
	return nil
}

func (c Cgroups) walk(fn func(dir string) error) error {
	roots, err := c.roots()
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return ignoreGone(err)
			}
			if !d.IsDir() {
				return nil
			}
			return fn(path)
		})
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
	}
	return nil
}

func ignoreGone(err error) error {
	// The second is what reading a file of a folder gives that went meanwhile.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}
