// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// SeedMarker is the file in a home claim that says that the claim has been seeded. Whoever removes it asks for the
// image's files once more, beside those that are there.
const SeedMarker = ".berth-seeded"

// seedUnfinished is the one file of a claim that may be half-written. It is never a name of the image's.
const seedUnfinished = ".berth-seeding"

// Seeded says what Seed did.
type Seeded struct {
	// Already is true when the claim had been seeded before, and nothing was done.
	Already bool
	// Copied counts the files and symbolic links that Seed made.
	Copied int
	// Kept counts the entries of the image whose place in the claim was taken.
	Kept int
	// Skipped names what the image's home holds and a claim doesn't get, each with the reason, as "path: reason":
	// devices, sockets, what this user may not read, what is mounted there.
	Skipped []string
}

// Seed copies the home directory that an image brings, from, into the claim mounted at to, unless that claim has been
// seeded before. An image without that directory gives an empty home.
//
// Nothing that the claim holds is ever overwritten, and nothing is written outside it, whatever symbolic links stand
// in it. Files keep their permission bits and times, directories and symbolic links their kind and target; setuid,
// setgid, owners and extended attributes are not copied. The marker is written last, so a run that was interrupted is
// continued by the next one. An error means that the claim could not be read or written.
func Seed(to, from string) (Seeded, error) {
	if filepath.Clean(from) == "/" {
		return Seeded{}, fmt.Errorf("--from %s: must be a home directory, not the whole image", from)
	}
	claim, err := os.OpenRoot(to)
	if err != nil {
		return Seeded{}, fmt.Errorf("--to %s: %w", to, err)
	}
	defer claim.Close()

	if _, err := claim.Lstat(SeedMarker); err == nil {
		return Seeded{Already: true}, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Seeded{}, fmt.Errorf("--to %s: %w", to, err)
	}
	if err := claim.RemoveAll(seedUnfinished); err != nil {
		return Seeded{}, fmt.Errorf("--to %s: remove what an interrupted run left: %w", to, err)
	}

	s := seeding{claim: claim}
	if err := s.openImage(from); err != nil {
		return s.result, err
	}
	if s.image != nil {
		defer s.image.Close()
		if err := s.entries("."); err != nil {
			return s.result, err
		}
	}
	return s.result, s.finish(from)
}

// seeding is one run of Seed.
type seeding struct {
	claim  *os.Root
	image  *os.Root // nil when the image has no such home
	device uint64   // the file system that the image's home is on
	self   fs.FileInfo
	result Seeded
}

// openImage opens the image's home. One that isn't there, is no directory or is closed to this user is no error: the
// person gets an empty home, and in the last two cases a line that says why.
func (s *seeding) openImage(from string) error {
	self, err := s.claim.Stat(".")
	if err != nil {
		return err
	}
	s.self = self
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		s.device = deviceOf(info)
		s.image, err = os.OpenRoot(from)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		s.skip(from, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("--from %s: %w", from, err)
	}
	return nil
}

// entries copies what the image has in the directory, which exists in the claim.
func (s *seeding) entries(directory string) error {
	names, err := s.list(directory)
	if err != nil {
		s.skip(directory, err)
		return nil
	}
	for _, name := range names {
		if name == SeedMarker || name == seedUnfinished {
			continue
		}
		if err := s.entry(path.Join(directory, name)); err != nil {
			return err
		}
	}
	return nil
}

// list returns the names in the image's directory in order, so that a full claim fails at the same file each time.
func (s *seeding) list(directory string) ([]string, error) {
	dir, err := s.image.Open(directory)
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, dir.Close())
}

// entry copies one entry of the image's home and what is below it. What cannot be had from the image, or stands in a
// directory of the claim that this user may not write, is skipped; any other error is the claim's.
func (s *seeding) entry(name string) error {
	err := s.copy(name)
	if errors.Is(err, fs.ErrPermission) {
		s.skip(name, err)
		return nil
	}
	return err
}

func (s *seeding) copy(name string) error {
	info, err := s.image.Lstat(name)
	if err != nil {
		s.skip(name, err)
		return nil
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		return s.directory(name, info)
	case fs.ModeSymlink:
		return s.symlink(name)
	case 0:
		return s.file(name, info)
	}
	s.skip(name, errors.New("neither a file nor a directory nor a symbolic link"))
	return nil
}

func (s *seeding) directory(name string, info fs.FileInfo) error {
	if deviceOf(info) != s.device || os.SameFile(info, s.self) {
		s.skip(name, errors.New("mounted there, not part of the image"))
		return nil
	}
	there, err := s.claim.Lstat(name)
	if err == nil {
		if !there.IsDir() {
			s.result.Kept++
			return nil
		}
		return s.entries(name)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Writable for us until its content is there.
	if err := s.claim.Mkdir(name, 0o700); err != nil {
		return err
	}
	if err := s.claim.Chmod(name, info.Mode().Perm()|0o700); err != nil {
		return err
	}
	if err := s.entries(name); err != nil {
		return err
	}
	if err := s.claim.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return s.claim.Chmod(name, info.Mode().Perm()|info.Mode()&fs.ModeSticky)
}

func (s *seeding) symlink(name string) error {
	target, err := s.image.Readlink(name)
	if err != nil {
		s.skip(name, err)
		return nil
	}
	switch err := s.claim.Symlink(target, name); {
	case errors.Is(err, fs.ErrExist):
		s.result.Kept++
	case err != nil:
		return err
	default:
		s.result.Copied++
	}
	return nil
}

func (s *seeding) file(name string, info fs.FileInfo) error {
	switch _, err := s.claim.Lstat(name); {
	case err == nil:
		s.result.Kept++
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	content, err := s.image.Open(name)
	if err != nil {
		s.skip(name, err)
		return nil
	}
	defer content.Close()

	if err := s.place(name, content, info); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", name, err), s.claim.RemoveAll(seedUnfinished))
	}
	s.result.Copied++
	return nil
}

// place makes a file whole or not at all.
func (s *seeding) place(name string, content io.Reader, info fs.FileInfo) error {
	if err := writeFile(s.claim, seedUnfinished, content, info.Mode().Perm()); err != nil {
		return err
	}
	if err := s.claim.Chtimes(seedUnfinished, info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	// A rename would replace what came to stand there since it was looked up, but nothing else writes yet: the claim
	// is mounted in this init container alone, before any of the pod's own containers runs. (A hard link would refuse,
	// and is refused itself by some network file systems.)
	return s.claim.Rename(seedUnfinished, name)
}

// finish writes the marker, after everything before it has reached the disk.
func (s *seeding) finish(from string) error {
	dir, err := s.claim.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("flush the claim: %w", err)
	}
	marker, err := s.claim.OpenFile(SeedMarker, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("--to %s: user %d may not write to the claim; does the pod have an fsGroup? %w", s.claim.Name(), os.Getuid(), err)
	}
	if err != nil {
		return fmt.Errorf("mark the claim as seeded: %w", err)
	}
	_, err = io.WriteString(marker, "This home was seeded from "+from+" of its workspace's image. Remove this file to have it done once more at the next start.\n")
	return errors.Join(err, marker.Sync(), marker.Close())
}

func (s *seeding) skip(name string, reason error) {
	// The path once, and of the error only what the system said.
	var failed *fs.PathError
	var unmoved *os.LinkError
	switch {
	case errors.As(reason, &failed):
		reason = failed.Err
	case errors.As(reason, &unmoved):
		reason = unmoved.Err
	}
	s.result.Skipped = append(s.result.Skipped, fmt.Sprintf("%s: %v", name, reason))
}

func deviceOf(info fs.FileInfo) uint64 {
	return info.Sys().(*syscall.Stat_t).Dev
}
