// SPDX-License-Identifier: Apache-2.0

// Package archive writes an image as one file that a container runtime can import: an OCI image layout in a tar,
// with the names under which containerd is to know it. It owns the file's form; `ctr --namespace k8s.io images import`
// reads it.
package archive

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

// The annotations by which an entry of the layout's index gets its name: containerd's own, and the format's, which
// holds the tag alone.
const (
	nameAnnotation = "io.containerd.image.name"
	tagAnnotation  = "org.opencontainers.image.ref.name"
)

// Write makes the archive of an image under the given names at path. It appears whole or not at all, and is the same
// for the same image and names.
func Write(path string, image v1.Image, names []name.Tag) error {
	unfinished := path + ".new"
	file, err := os.Create(unfinished)
	if err != nil {
		return err
	}
	err = writeLayout(file, image, names)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(unfinished))
	}
	return os.Rename(unfinished, path)
}

func writeLayout(file io.Writer, image v1.Image, names []name.Tag) error {
	index, err := indexOf(image, names)
	if err != nil {
		return err
	}
	w := writer{tar: tar.NewWriter(file), written: map[v1.Hash]bool{}}
	w.bytes("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	w.bytes("index.json", index)
	w.image(image)
	return errors.Join(w.err, w.tar.Close())
}

// indexOf lists the image once for each of its names.
func indexOf(image v1.Image, names []name.Tag) ([]byte, error) {
	descriptor, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for _, tag := range names {
		entry := *descriptor
		entry.Platform = config.Platform()
		entry.Annotations = map[string]string{nameAnnotation: tag.Name(), tagAnnotation: tag.TagStr()}
		index.Manifests = append(index.Manifests, entry)
	}
	return json.Marshal(index)
}

// writer keeps its first error, so that what it writes can be read as a list.
type writer struct {
	tar     *tar.Writer
	written map[v1.Hash]bool
	err     error
}

func (w *writer) image(image v1.Image) {
	if w.err != nil {
		return
	}
	manifest, err := image.Manifest()
	if err != nil {
		w.err = err
		return
	}
	w.raw(image.Digest, image.RawManifest)
	w.raw(image.ConfigName, image.RawConfigFile)
	for _, described := range manifest.Layers {
		w.layer(image, described)
	}
}

func (w *writer) raw(digest func() (v1.Hash, error), content func() ([]byte, error)) {
	hash, err := digest()
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	bytes, err := content()
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	w.bytes(blob(hash), bytes)
}

func (w *writer) layer(image v1.Image, described v1.Descriptor) {
	if w.err != nil || w.written[described.Digest] {
		return
	}
	w.written[described.Digest] = true
	found, err := image.LayerByDigest(described.Digest)
	if err != nil {
		w.err = err
		return
	}
	content, err := found.Compressed()
	if err != nil {
		w.err = err
		return
	}
	w.file(blob(described.Digest), described.Size, content)
	w.err = errors.Join(w.err, content.Close())
}

func (w *writer) bytes(name string, content []byte) {
	w.file(name, int64(len(content)), bytes.NewReader(content))
}

func (w *writer) file(name string, size int64, content io.Reader) {
	if w.err != nil {
		return
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: layer.Epoch()}
	if w.err = w.tar.WriteHeader(header); w.err != nil {
		return
	}
	_, w.err = io.Copy(w.tar, content)
}

func blob(hash v1.Hash) string {
	return "blobs/" + hash.Algorithm + "/" + hash.Hex
}
