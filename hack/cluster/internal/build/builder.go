// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/host"
)

// Builder compiles what is missing in a cache, one program at a time: each
// build uses all cores anyway, and the second profits from the first.
type Builder struct {
	Cache    *Cache
	Progress *Progress
}

// EnsureSet builds what the set lacks and returns the folder of links to it.
func (b *Builder) EnsureSet(ctx context.Context, set Set) (string, error) {
	programs, err := set.Programs()
	if err != nil {
		return "", err
	}
	if err := b.Ensure(ctx, programs); err != nil {
		return "", err
	}
	return b.Cache.Link(set, programs)
}

// Ensure builds those of the programs that the cache lacks.
func (b *Builder) Ensure(ctx context.Context, programs []Program) error {
	var missing []Program
	for _, p := range programs {
		built, err := b.built(p)
		if err != nil {
			return err
		}
		if !built {
			missing = append(missing, p)
		}
	}
	if err := b.checkDisk(missing); err != nil {
		return err
	}
	for i, p := range missing {
		if err := b.ensureOne(ctx, p, i+1, len(missing)); err != nil {
			return fmt.Errorf("building %s: %w", p.Name, err)
		}
	}
	return nil
}

// checkDisk looks for room before minutes are spent: what Kubernetes compiles
// into takes gigabytes, beside the modules and the programs.
func (b *Builder) checkDisk(missing []Program) error {
	var longest time.Duration
	for _, p := range missing {
		longest = max(longest, p.Typical)
	}
	if longest < 5*time.Minute {
		return nil
	}
	return host.CheckDisk(b.Cache.Dir, 8, "building Kubernetes")
}

func (b *Builder) built(p Program) (bool, error) {
	path, err := b.Cache.Path(p)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (b *Builder) ensureOne(ctx context.Context, p Program, number, of int) error {
	line := b.Progress.start(number, of, p.Name, p.Typical)
	release, err := b.Cache.lock(ctx, func() { line.phase("waiting for another build into " + b.Cache.Dir) })
	if err != nil {
		line.end("interrupted")
		return err
	}
	defer release()
	if built, err := b.built(p); err != nil || built {
		line.end("built meanwhile")
		return err
	}
	line.begin()
	if err := b.make(ctx, p, line); err != nil {
		line.end("failed")
		return err
	}
	line.end("done")
	return nil
}

func (b *Builder) make(ctx context.Context, p Program, line *line) error {
	target, err := b.Cache.Path(p)
	if err != nil {
		return err
	}
	if p.Package == "" {
		return b.copyData(ctx, p, target)
	}
	return b.compile(ctx, p, target, line)
}

func (b *Builder) compile(ctx context.Context, p Program, target string, line *line) error {
	version, err := b.Cache.version(p.Component)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.Cache.Sources, p.Component.Name)
	flags := []string{"-trimpath", "-buildvcs=false", "-mod=readonly", "-tags", p.Tags}

	// What go list calls stale is what go build is going to print.
	line.phase("looking what is to compile")
	stale, err := goOutput(ctx, dir, append(append([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, flags...), p.Package)...)
	if err != nil {
		return err
	}
	line.expect(strings.Fields(stale))

	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(target), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left in the cache is harmless and hidden
	out := filepath.Join(temp, p.Name)

	args := append(append([]string{"build", "-v", "-ldflags", linkerFlags(p, version), "-o", out}, flags...), p.Package)
	if err := runGoBuild(ctx, dir, args, line); err != nil {
		return err
	}
	return os.Rename(out, target)
}

func linkerFlags(p Program, version string) string {
	flags := []string{"-s", "-w"}
	if p.Stamp != nil {
		for _, assignment := range p.Stamp(version) {
			flags = append(flags, "-X", assignment)
		}
	}
	return strings.Join(flags, " ")
}

// runGoBuild feeds what the compiler prints into the progress; lines that are
// neither a package nor a download are the error message if it fails.
func runGoBuild(ctx context.Context, dir string, args []string, line *line) error {
	cmd := goCommand(ctx, dir, args...)
	// An interrupt, not a kill, so that go removes its temporary files.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the go command: %w", err)
	}
	var said []string
	scanner := bufio.NewScanner(stderr)
	for scanner.Scan() {
		text := scanner.Text()
		if !line.compiled(text) && !strings.HasPrefix(text, "go: downloading ") {
			said = append(said, text)
		}
	}
	if _, err := io.Copy(io.Discard, stderr); err != nil {
		said = append(said, err.Error())
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("go build: %w\n%s", err, strings.Join(said, "\n"))
	}
	return nil
}

// copyData joins YAML files of the upstream module into one.
func (b *Builder) copyData(ctx context.Context, p Program, target string) error {
	root, err := goOutput(ctx, filepath.Join(b.Cache.Sources, p.Component.Name), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", p.Component.Module)
	if err != nil {
		return err
	}
	if root == "" {
		return fmt.Errorf("module %s is not downloaded", p.Component.Module)
	}
	return writeAtomically(target, 0o644, func(w io.Writer) error {
		for _, name := range p.Data {
			content, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "---\n%s\n", content); err != nil {
				return err
			}
		}
		return nil
	})
}
