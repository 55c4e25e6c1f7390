// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

// versionVariable is what the linker sets to the version.
const versionVariable = "github.com/berth-dev/berth/internal/version.Version"

// Build says what to make the image from.
type Build struct {
	Root    string      // the repository
	List    string      // the list of files; usually List below Root
	Bin     string      // where the compiled programs go, and stay, so that the next build links only what changed
	Layers  layer.Cache // where finished layers are kept
	Version string      // of the programs; empty leaves the one in the source
	// Partial leaves out programs whose source is not there instead of failing.
	Partial bool
	// Say gets what a person should know beside the result.
	Say func(format string, arguments ...any)
}

// Image compiles the programs and returns the image: each program in a layer of its own, as they change apart, below
// them the other files. It has no shell and no entrypoint, and runs as user 65532.
func (b Build) Image(ctx context.Context) (v1.Image, error) {
	entries, err := readList(b.List)
	if err != nil {
		return nil, err
	}
	if entries, err = b.present(entries); err != nil {
		return nil, err
	}
	if err := b.compile(ctx, entries); err != nil {
		return nil, err
	}
	layers, err := b.layers(entries)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Created = v1.Time{Time: layer.Epoch()}
	config.Config = v1.Config{
		User:       "65532:65532",
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/bin"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "Berth",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  b.Version,
		},
	}
	return mutate.ConfigFile(image, config)
}

// present checks that every source is there. All that is missing is said at once.
func (b Build) present(entries []entry) ([]entry, error) {
	var there []entry
	var missing []string
	for _, e := range entries {
		_, err := os.Stat(b.source(e))
		switch {
		case err == nil:
			there = append(there, e)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case e.kind == host:
			b.Say("berth: this machine has no %s, so the image has none", e.source)
		default:
			missing = append(missing, e.source)
		}
	}
	if len(missing) == 0 {
		return there, nil
	}
	if b.Partial {
		b.Say("berth: left out, as their source is missing: %s", strings.Join(missing, " "))
		return there, nil
	}
	return nil, fmt.Errorf("%s names what is not in the repository: %s (--partial builds the rest)", b.List, strings.Join(missing, " "))
}

// source is what an entry is made from; of a program it is the file that makes its directory a command.
func (b Build) source(e entry) string {
	switch e.kind {
	case program:
		return filepath.Join(b.Root, e.source, "main.go")
	case file:
		return filepath.Join(b.Root, e.source)
	}
	return e.source
}

// compile builds all programs in one run of the compiler, which shares what they have in common.
func (b Build) compile(ctx context.Context, entries []entry) error {
	flags := "-s -w"
	if b.Version != "" {
		flags += " -X " + versionVariable + "=" + b.Version
	}
	if err := os.MkdirAll(b.Bin, 0o755); err != nil {
		return err
	}
	arguments := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", b.Bin + string(filepath.Separator)}
	programs := 0
	for _, e := range entries {
		if e.kind == program {
			arguments = append(arguments, "./"+filepath.ToSlash(e.source))
			programs++
		}
	}
	if programs == 0 {
		return fmt.Errorf("%s names no program that is there", b.List)
	}
	compiler := exec.CommandContext(ctx, "go", arguments...)
	compiler.Dir = b.Root
	// What a person's own settings would change in the binaries.
	compiler.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH, "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=")
	compiler.Stdout, compiler.Stderr = os.Stderr, os.Stderr
	if err := compiler.Run(); err != nil {
		return fmt.Errorf("compile the programs: go %s: %w", strings.Join(arguments, " "), err)
	}
	return nil
}

func (b Build) layers(entries []entry) ([]v1.Layer, error) {
	var files []layer.File
	var programs [][]layer.File
	for _, e := range entries {
		if e.kind == program {
			programs = append(programs, []layer.File{layer.OnDisk(e.destination, 0o755, filepath.Join(b.Bin, filepath.Base(e.source)))})
			continue
		}
		files = append(files, layer.OnDisk(e.destination, 0o644, b.source(e)))
	}
	var layers []v1.Layer
	for _, group := range append([][]layer.File{files}, programs...) {
		if len(group) == 0 {
			continue
		}
		made, err := b.Layers.Files(group)
		if err != nil {
			return nil, err
		}
		layers = append(layers, made)
	}
	return layers, nil
}
