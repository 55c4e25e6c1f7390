// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Cache is the folder that built programs live in:
//
//	bin/<component>-<version>-<key>/<program>   one file a program
//	sets/<set>-<key>/<program>                  links, all programs of a set in one folder
//	images/                                     image archives made of the programs
//	lock                                        held while a program is compiled
//
// The key covers the pinned sources, how they are compiled and the compiler, so
// a bump of any of them is another folder and nothing is ever overwritten.
type Cache struct {
	// Dir is the cache's absolute path.
	Dir string
	// Sources is the absolute path of the build folder that holds the components.
	Sources string

	toolchain string
}

// OpenCache finds the cache (BERTH_CACHE, else the user's cache folder) and the
// sources: the build folder beside the working directory's go.mod, or that of
// the checkout around it.
func OpenCache(ctx context.Context) (*Cache, error) {
	dir := os.Getenv("BERTH_CACHE")
	if dir == "" {
		base := os.Getenv("XDG_CACHE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("no place for the cache: set BERTH_CACHE, XDG_CACHE_HOME or HOME: %w", err)
			}
			base = filepath.Join(home, ".cache")
		}
		dir = filepath.Join(base, "berth")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache folder %s: %w", dir, err)
	}
	sources, err := findSources()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache folder (choose another with BERTH_CACHE): %w", err)
	}
	toolchain, err := goOutput(ctx, sources, "env", "GOVERSION")
	if err != nil {
		return nil, err
	}
	return &Cache{Dir: dir, Sources: sources, toolchain: toolchain}, nil
}

// findSources looks for hack/cluster/build from the working directory upwards.
func findSources() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the cluster's sources: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		for _, candidate := range []string{filepath.Join(at, "build"), filepath.Join(at, "hack", "cluster", "build")} {
			if _, err := os.Stat(filepath.Join(candidate, "kubernetes", "go.mod")); err == nil {
				return candidate, nil
			}
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("hack/cluster/build is neither in %s nor above it; run this inside a checkout, as in: go run -C hack/cluster . status", dir)
		}
	}
}

// Path is where the program's file lies, or will lie once it is built.
func (c *Cache) Path(p Program) (string, error) {
	version, err := c.version(p.Component)
	if err != nil {
		return "", err
	}
	key, err := c.key(p.Component)
	if err != nil {
		return "", err
	}
	return filepath.Join(c.Dir, "bin", strings.Join([]string{p.Component.Name, version, key}, "-"), p.Name), nil
}

// version reads the pinned version out of the component's go.mod; our own
// sources are "local".
func (c *Cache) version(of Component) (string, error) {
	if of.Module == "" {
		return "local", nil
	}
	file := filepath.Join(c.Sources, of.Name, "go.mod")
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("version of %s: %w", of.Name, err)
	}
	return requiredVersion(string(content), of.Module)
}

// requiredVersion finds the version that a go.mod requires of a module.
func requiredVersion(goMod, module string) (string, error) {
	for line := range strings.Lines(goMod) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("go.mod requires no version of %s", module)
}

// key hashes all that decides what the component's programs are.
func (c *Cache) key(of Component) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, c.toolchain, runtime.GOOS, runtime.GOARCH)
	for _, p := range Catalogue() {
		if p.Component == of && p.Tags != "" {
			fmt.Fprintln(h, p.Name, p.Tags)
		}
	}
	root := filepath.Join(c.Sources, of.Name)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path[len(root):], len(content))
		_, err = h.Write(content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the sources of %s: %w", of.Name, err)
	}
	return hex.EncodeToString(h.Sum(nil))[:8], nil
}

// Link puts links to all the programs, which must be built, into one folder and
// returns it.
func (c *Cache) Link(set Set, programs []Program) (string, error) {
	h := sha256.New()
	paths := make(map[string]string, len(programs))
	for _, p := range programs {
		path, err := c.Path(p)
		if err != nil {
			return "", err
		}
		paths[p.Name] = path
		fmt.Fprintln(h, path)
	}
	dir := filepath.Join(c.Dir, "sets", string(set)+"-"+hex.EncodeToString(h.Sum(nil))[:8])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("linking the programs: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return "", fmt.Errorf("linking the programs: %w", err)
	}
	defer os.RemoveAll(temp) //nolint:errcheck // gone already when the rename succeeded; otherwise that error counts
	for name, path := range paths {
		target, err := filepath.Rel(dir, path)
		if err != nil {
			return "", fmt.Errorf("linking %s: %w", name, err)
		}
		if err := os.Symlink(target, filepath.Join(temp, name)); err != nil {
			return "", fmt.Errorf("linking %s: %w", name, err)
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", fmt.Errorf("linking the programs: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", fmt.Errorf("linking the programs: %w", err)
	}
	return dir, nil
}

// lock waits until no other process compiles into this cache. The returned
// function gives the lock back; waiting is called once if there is a wait.
func (c *Cache) lock(ctx context.Context, waiting func()) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache: %w", err)
	}
	fd := int(f.Fd())
	if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		waiting()
		held := make(chan error, 1)
		go func() { held <- syscall.Flock(fd, syscall.LOCK_EX) }()
		select {
		case err := <-held:
			if err != nil {
				return nil, errors.Join(fmt.Errorf("locking the cache: %w", err), f.Close())
			}
		case <-ctx.Done():
			// The file stays open: the blocked call ends with the process.
			return nil, ctx.Err()
		}
	}
	return func() { f.Close() }, nil //nolint:errcheck // closing only gives the lock back
}

// writeAtomically makes path appear with its whole content or not at all.
func writeAtomically(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone already when the rename succeeded
	if err := errors.Join(write(f), f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// goOutput runs the go command in dir and returns what it printed.
func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := goCommand(ctx, dir, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+dir)
	return cmd
}
