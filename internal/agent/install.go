// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Binary is the name under which Install leaves the agent in the volume that a pod's containers share.
const Binary = "berth-agent"

// stateDirectory is where each container's agent keeps its state file, below the shared volume.
const stateDirectory = "run"

// Install copies the running binary to directory/berth-agent (mode 0755), making the directory if it is absent, and
// makes directory/run, in which each container's agent keeps its state whatever its user is, and directory/log, which
// gets what scripts write. The copy appears whole or not at all, and replaces one that is there already.
func Install(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("--to %s: %w", directory, err)
	}
	root, err := os.OpenRoot(directory)
	if err != nil {
		return fmt.Errorf("--to %s: %w", directory, err)
	}
	defer root.Close()

	// The link, not the path behind it: it opens the binary that runs even when its file was replaced meanwhile.
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("open the running binary: %w", err)
	}
	defer self.Close()

	if err := publish(root, Binary, self, 0o755); err != nil {
		return fmt.Errorf("install %s in %s: %w", Binary, directory, err)
	}
	// Writable for all, as containers of one pod may run as different users, and sticky, so that none of them can
	// take another's file away.
	for _, shared := range []string{stateDirectory, logDirectory} {
		if err := root.Mkdir(shared, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make %s in %s: %w", shared, directory, err)
		}
		if err := root.Chmod(shared, 0o777|fs.ModeSticky); err != nil {
			return fmt.Errorf("open %s in %s to every user: %w", shared, directory, err)
		}
	}
	return nil
}

// publish writes content to a hidden file beside name and renames it when it is complete. A hidden file that an
// interrupted run left is written anew.
func publish(root *os.Root, name string, content io.Reader, mode fs.FileMode) error {
	unfinished := "." + name + ".new"
	if err := root.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFile(root, unfinished, content, mode); err != nil {
		return errors.Join(err, root.Remove(unfinished))
	}
	return root.Rename(unfinished, name)
}

// writeFile makes the file name, which must not exist, with content and exactly mode, whatever the umask is.
func writeFile(root *os.Root, name string, content io.Reader, mode fs.FileMode) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Chmod(mode); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}
