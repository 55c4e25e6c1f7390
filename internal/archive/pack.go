// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"bytes"
)

// File is a file of an archive to be written.
type File struct {
	// Name is its path below the archive's top.
	Name string
	// Data is what it holds.
	Data []byte
}

// Pack writes files as a tar, in their order. It holds no time, no owner and no mode of anybody's, so that the same
// files give the same bytes.
func Pack(files []File) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Data)), Mode: 0o644}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
