// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Refs lists the names that an archive gives to its images: those of a Docker
// archive's manifest.json and those of an OCI layout's index.json. It is an
// error if there is none, as such an image could not be run by name.
func Refs(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	refs, err := refs(tar.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s is no archive of images: %w", path, err)
	}
	if len(refs) == 0 {
		return nil, fmt.Errorf("%s names no image; give it one, as a tag of a Docker archive or as the annotation %s in the index.json of an OCI layout", path, annotationName)
	}
	return refs, nil
}

const (
	annotationName = "io.containerd.image.name"
	annotationRef  = "org.opencontainers.image.ref.name"
)

func refs(in *tar.Reader) ([]string, error) {
	var found []string
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(found)
			return slices.Compact(found), nil
		}
		if err != nil {
			return nil, err
		}
		// Larger ones are none that describe an archive.
		const most = 8 << 20
		switch header.Name {
		case "manifest.json", "./manifest.json":
			var manifests []struct{ RepoTags []string }
			if err := json.NewDecoder(io.LimitReader(in, most)).Decode(&manifests); err != nil {
				return nil, err
			}
			for _, m := range manifests {
				found = append(found, m.RepoTags...)
			}
		case "index.json", "./index.json":
			var index struct {
				Manifests []struct{ Annotations map[string]string }
			}
			if err := json.NewDecoder(io.LimitReader(in, most)).Decode(&index); err != nil {
				return nil, err
			}
			for _, m := range index.Manifests {
				if ref := nameOf(m.Annotations); ref != "" {
					found = append(found, ref)
				}
			}
		}
	}
}

// nameOf ignores a bare tag, which names no repository.
func nameOf(annotations map[string]string) string {
	if ref := annotations[annotationName]; ref != "" {
		return ref
	}
	for _, c := range annotations[annotationRef] {
		if c == '/' || c == ':' {
			return annotations[annotationRef]
		}
	}
	return ""
}
