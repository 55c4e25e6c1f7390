// SPDX-License-Identifier: Apache-2.0

// Package images makes container images of single static programs, without a
// daemon or a registry, as archives that containerd imports. The images of
// Berth itself are made elsewhere.
package images

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is one image of one layer.
type Image struct {
	// Ref is the name with its tag.
	Ref string
	// Files maps absolute paths in the image to programs on this machine.
	Files map[string]string
	// Entrypoint is what runs.
	Entrypoint []string
	// User is the numeric user and group, "65532:65532".
	User string
}

// Archive writes the image into dir, unless it was written before, and returns
// the file. The programs' paths must change when their content does, as those
// in the build cache do.
func (i Image) Archive(dir string) (string, error) {
	tag, err := name.NewTag(i.Ref)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", i.Ref, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%v %q", i, i.Ref)
	path := filepath.Join(dir, filepath.Base(tag.RepositoryStr())+"-"+hex.EncodeToString(h.Sum(nil))[:8]+".tar")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	img, err := i.build()
	if err != nil {
		return "", fmt.Errorf("image %s: %w", i.Ref, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone already when the rename succeeded
	if err := errors.Join(tarball.Write(tag, img, temp), temp.Close()); err != nil {
		return "", fmt.Errorf("image %s: %w", i.Ref, err)
	}
	return path, os.Rename(temp.Name(), path)
}

func (i Image) build() (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(i.open, tarball.WithCompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{Entrypoint: i.Entrypoint, User: i.User, WorkingDir: "/"}
	return mutate.ConfigFile(img, config)
}

// open streams the layer; the same files give the same bytes.
func (i Image) open() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(i.write(tar.NewWriter(w))) }()
	return r, nil
}

func (i Image) write(out *tar.Writer) error {
	dirs := map[string]bool{"/": true}
	var paths []string
	for path := range i.Files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if err := writeParents(out, filepath.Dir(path), dirs); err != nil {
			return err
		}
		if err := writeProgram(out, path, i.Files[path]); err != nil {
			return err
		}
	}
	return out.Close()
}

func writeParents(out *tar.Writer, dir string, done map[string]bool) error {
	if done[dir] {
		return nil
	}
	done[dir] = true
	if err := writeParents(out, filepath.Dir(dir), done); err != nil {
		return err
	}
	return out.WriteHeader(&tar.Header{Name: strings.TrimPrefix(dir, "/") + "/", Typeflag: tar.TypeDir, Mode: 0o755})
}

func writeProgram(out *tar.Writer, path, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: strings.TrimPrefix(path, "/"), Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return err
}
