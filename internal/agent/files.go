// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
)

// FileToWrite is one file of the template that WriteFiles writes.
type FileToWrite struct {
	// From is its name in the directory that holds the files.
	From string `json:"from"`
	// To is the volume that it goes to, and Path its path there.
	To   string `json:"to"`
	Path string `json:"path"`
	// Mode is what chmod takes, in octal digits.
	Mode string `json:"mode"`
}

// ParseFiles reads a list of files as the pod's command line holds it.
func ParseFiles(text string) ([]FileToWrite, error) {
	var files []FileToWrite
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		return nil, fmt.Errorf("--files: %w", err)
	}
	for _, f := range files {
		if _, err := mode(f); err != nil || f.From == "" || f.To == "" || f.Path == "" {
			return nil, fmt.Errorf("--files: each file needs from, to, path and a mode in octal digits, not %+v", f)
		}
	}
	return files, nil
}

func mode(f FileToWrite) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(f.Mode, 8, 9)
	return fs.FileMode(bits), err
}

// WriteFiles writes files from the directory into their volumes, each whole or not at all, over what stands there, and
// makes the directories above them. It never leaves a volume, whatever symbolic links stand in it. A file that the
// volume's owner left no place for is skipped and named in the result as "path: reason": nobody is to be kept out of a
// workspace by a directory of his own. An error means that the files or a volume could not be read.
func WriteFiles(from string, files []FileToWrite) (skipped []string, _ error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", from, err)
	}
	defer source.Close()
	for _, f := range files {
		volume, err := os.OpenRoot(f.To)
		if err != nil {
			return skipped, fmt.Errorf("--files: %w", err)
		}
		content, err := source.Open(f.From)
		if err != nil {
			_ = volume.Close() // nothing was written to it
			return skipped, fmt.Errorf("--from %s: %w", from, err)
		}
		if err := write(volume, f, content); err != nil {
			skipped = append(skipped, fmt.Sprintf("%s: %v", path.Join(f.To, f.Path), err))
		}
		_ = content.Close() // it was only read
		_ = volume.Close()
	}
	return skipped, nil
}

func write(volume *os.Root, f FileToWrite, content fs.File) error {
	bits, err := mode(f)
	if err != nil {
		return err
	}
	above := path.Dir(path.Clean(f.Path))
	if err := volume.MkdirAll(above, 0o755); err != nil {
		return err
	}
	directory, err := volume.OpenRoot(above)
	if err != nil {
		return err
	}
	defer directory.Close()
	name := path.Base(f.Path)
	if err := publish(directory, name, content, bits); err != nil {
		_ = directory.Remove("." + name + ".new") // what could not take its place
		return err
	}
	return nil
}
