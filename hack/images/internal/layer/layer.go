// SPDX-License-Identifier: Apache-2.0

// Package layer makes image layers that depend on nothing but what goes into them, and keeps them between builds. It
// owns how a file looks in a layer (times, owners, order); what goes in is its callers' business.
package layer

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Epoch is the time of every file and every image, so that when something was built leaves no trace.
func Epoch() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// File is one regular file of a layer.
type File struct {
	Path string // absolute, in the image
	Mode int64  // permission bits
	Open func() (io.ReadCloser, int64, error)
}

// OnDisk returns a File with the content of a file of this machine.
func OnDisk(place string, mode int64, source string) File {
	return File{Path: place, Mode: mode, Open: func() (io.ReadCloser, int64, error) {
		file, err := os.Open(source)
		if err != nil {
			return nil, 0, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, 0, fmt.Errorf("%w (closed: %v)", err, file.Close())
		}
		return file, info.Size(), nil
	}}
}

// Files returns the layer that holds the files, owned by root, and the directories above them (mode 0755), in the
// order of their paths. It is made anew only when the cache has none of that content.
func (c Cache) Files(files []File) (v1.Layer, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	key, err := contentKey(files)
	if err != nil {
		return nil, err
	}
	return c.Layer(key, func(layer *tar.Writer) error { return writeFiles(layer, files) })
}

// contentKey depends on all that shows in the layer.
func contentKey(files []File) (string, error) {
	sum := sha256.New()
	for _, file := range files {
		content, size, err := file.Open()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q %o %d\n", file.Path, file.Mode, size) // a hash takes every write
		if _, err := io.Copy(sum, content); err != nil {
			return "", fmt.Errorf("%s: %w (closed: %v)", file.Path, err, content.Close())
		}
		if err := content.Close(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func writeFiles(layer *tar.Writer, files []File) error {
	made := map[string]bool{"/": true}
	for _, file := range files {
		if err := writeParents(layer, file.Path, made); err != nil {
			return err
		}
		content, size, err := file.Open()
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(file.Path, "/"), Mode: file.Mode, Size: size, ModTime: Epoch()}
		if err := layer.WriteHeader(header); err != nil {
			return fmt.Errorf("%s: %w (closed: %v)", file.Path, err, content.Close())
		}
		if _, err := io.Copy(layer, content); err != nil {
			return fmt.Errorf("%s: %w (closed: %v)", file.Path, err, content.Close())
		}
		if err := content.Close(); err != nil {
			return err
		}
	}
	return nil
}

func writeParents(layer *tar.Writer, place string, made map[string]bool) error {
	parent := path.Dir(place)
	if made[parent] {
		return nil
	}
	if err := writeParents(layer, parent, made); err != nil {
		return err
	}
	made[parent] = true
	return layer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(parent, "/") + "/", Mode: 0o755, ModTime: Epoch()})
}

// kept is a layer in the cache. Its digests were computed when it was made, so using it reads nothing.
type kept struct {
	file string
	facts
}

type facts struct {
	Compressed   v1.Hash `json:"digest"`
	Uncompressed v1.Hash `json:"diffID"`
	Bytes        int64   `json:"size"` // compressed
}

func (k kept) Digest() (v1.Hash, error)            { return k.facts.Compressed, nil }
func (k kept) DiffID() (v1.Hash, error)            { return k.facts.Uncompressed, nil }
func (k kept) Size() (int64, error)                { return k.Bytes, nil }
func (k kept) MediaType() (types.MediaType, error) { return types.OCILayer, nil }
func (k kept) Compressed() (io.ReadCloser, error)  { return os.Open(k.file) }
func (k kept) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(k.file)
	if err != nil {
		return nil, err
	}
	content, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (closed: %v)", k.file, err, file.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{content, file}, nil
}
