// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// settle sets HOME and goes to the working directory: the one that was asked for, else the home directory, else the
// root, each made if it is absent. What was not to be had is said on Stderr.
func (r *runner) settle() error {
	home := os.Getenv("HOME")
	if home == "" || home == "/" {
		home = cmp.Or(r.Home, "/")
	}
	if err := os.Setenv("HOME", home); err != nil {
		return err
	}
	for _, directory := range slices.Compact([]string{absolute(r.Directory, home), home}) {
		err := enter(directory)
		if err == nil {
			return nil
		}
		fmt.Fprintf(r.Stderr, "berth-agent: cannot work in %s: %v\n", directory, err)
	}
	return os.Chdir("/")
}

// absolute resolves a directory as a person writes it against the home directory.
func absolute(directory, home string) string {
	switch {
	case directory == "", directory == "~":
		return home
	case filepath.IsAbs(directory):
		return filepath.Clean(directory)
	}
	return filepath.Join(home, strings.TrimPrefix(directory, "~/"))
}

func enter(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	return os.Chdir(directory)
}
