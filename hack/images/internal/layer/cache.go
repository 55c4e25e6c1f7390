// SPDX-License-Identifier: Apache-2.0

package layer

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Cache keeps finished layers in a directory, one folder a layer, named by its key. Several builds may use one cache
// at a time: a folder appears whole.
type Cache struct {
	Dir string
}

const (
	contentName = "layer.tar.gz"
	factsName   = "layer.json"
)

// Layer returns the layer of that key, which must be a name for a folder. When the cache has none, write makes it.
func (c Cache) Layer(key string, write func(*tar.Writer) error) (v1.Layer, error) {
	folder := filepath.Join(c.Dir, key)
	layer, err := open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		if err := c.add(folder, write); err != nil {
			return nil, err
		}
		layer, err = open(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; remove %s to have it made again", err, folder)
	}
	// For Prune.
	now := time.Now()
	return layer, os.Chtimes(folder, now, now)
}

// Has tells whether the layer of that key is there.
func (c Cache) Has(key string) bool {
	_, err := os.Stat(filepath.Join(c.Dir, key, factsName))
	return err == nil
}

// Forget removes the layer of that key, if it is there.
func (c Cache) Forget(key string) error {
	return os.RemoveAll(filepath.Join(c.Dir, key))
}

// Prune removes the layers that nobody has asked for in that long.
func (c Cache) Prune(unused time.Duration) error {
	folders, err := os.ReadDir(c.Dir)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		info, err := folder.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if time.Since(info.ModTime()) > unused {
			if err := os.RemoveAll(filepath.Join(c.Dir, folder.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func open(folder string) (v1.Layer, error) {
	written, err := os.ReadFile(filepath.Join(folder, factsName))
	if err != nil {
		return nil, err
	}
	layer := kept{file: filepath.Join(folder, contentName)}
	if err := json.Unmarshal(written, &layer.facts); err != nil {
		return nil, err
	}
	info, err := os.Stat(layer.file)
	if err != nil {
		return nil, fmt.Errorf("incomplete: %v", err)
	}
	if info.Size() != layer.Bytes {
		return nil, fmt.Errorf("%s has %d bytes, not %d", layer.file, info.Size(), layer.Bytes)
	}
	return layer, nil
}

// add writes a layer beside its folder and renames it when it is complete.
func (c Cache) add(folder string, write func(*tar.Writer) error) (err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(c.Dir, "unfinished-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(unfinished)) }()

	made, err := compress(filepath.Join(unfinished, contentName), write)
	if err != nil {
		return err
	}
	written, err := json.Marshal(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unfinished, factsName), written, 0o644); err != nil {
		return err
	}
	err = os.Rename(unfinished, folder)
	if errors.Is(err, fs.ErrExist) {
		return nil // another build was faster, with the same layer
	}
	return err
}

// compress writes what write makes to a gzipped file, and takes the digests on the way.
func compress(name string, write func(*tar.Writer) error) (facts, error) {
	file, err := os.Create(name)
	if err != nil {
		return facts{}, err
	}
	compressed, uncompressed := sha256.New(), sha256.New()
	// The fastest level: it is read once a node, and written at each change of a program.
	squeezed, err := gzip.NewWriterLevel(io.MultiWriter(file, compressed), gzip.BestSpeed)
	if err != nil {
		return facts{}, errors.Join(err, file.Close())
	}
	layer := tar.NewWriter(io.MultiWriter(squeezed, uncompressed))
	if err := write(layer); err != nil {
		return facts{}, errors.Join(err, file.Close())
	}
	if err := errors.Join(layer.Close(), squeezed.Close()); err != nil {
		return facts{}, errors.Join(err, file.Close())
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return facts{}, err
	}
	return facts{Compressed: digest(compressed), Uncompressed: digest(uncompressed), Bytes: info.Size()}, nil
}

func digest(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}
