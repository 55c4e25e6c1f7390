// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/berth-dev/berth/hack/images/internal/berth"
	"github.com/berth-dev/berth/hack/images/internal/layer"
)

// settings are a command line's flags and what follows from them and the environment.
type settings struct {
	out     string // absolute once complete
	version string
	partial bool
	refresh bool
	verify  bool
	root    string // the repository
	list    string
	layers  layer.Cache
}

var versionPattern = regexp.MustCompile(`^[0-9A-Za-z][-+.0-9A-Za-z]*$`)

// complete checks the flags and finds the repository and the cache.
func (s *settings) complete() error {
	if s.version != "" && !versionPattern.MatchString(s.version) {
		return fmt.Errorf("--version %q: must be letters, digits, dots, hyphens and plus signs, such as v0.1.0", s.version)
	}
	var err error
	if s.root, err = repository(); err != nil {
		return err
	}
	s.list = filepath.Join(s.root, berth.List)
	if !filepath.IsAbs(s.out) {
		s.out = filepath.Join(s.root, s.out)
	}
	cache, err := cacheDirectory()
	if err != nil {
		return err
	}
	s.layers = layer.Cache{Dir: filepath.Join(cache, "images", "layers")}
	return errors.Join(os.MkdirAll(s.out, 0o755), os.MkdirAll(s.layers.Dir, 0o755))
}

// repository is the nearest directory above this one that has the list of files.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		_, err := os.Stat(filepath.Join(directory, berth.List))
		if err == nil {
			return directory, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if directory == filepath.Dir(directory) {
			return "", fmt.Errorf("no directory above %s has %s; run this inside a clone of Berth", start, berth.List)
		}
	}
}

// cacheDirectory is where Berth's tools keep what they can make again: $BERTH_CACHE, else berth in the user's cache.
func cacheDirectory() (string, error) {
	if own := os.Getenv("BERTH_CACHE"); own != "" {
		return filepath.Abs(own)
	}
	user, err := os.UserCacheDir()
	return filepath.Join(user, "berth"), err
}
