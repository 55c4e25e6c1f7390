// SPDX-License-Identifier: Apache-2.0

// Package examples holds the templates that come with the server, for people to begin with: each a folder with a
// template.yaml in Berth's own format and a README.md. It offers them as they stand; making a version of one is not its
// business.
package examples

import (
	"archive/tar"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// The files of an example.
const (
	manifest = "template.yaml"
	readme   = "README.md"
)

//go:embed */template.yaml */README.md
var files embed.FS

// Example is one template.
type Example struct {
	// ID is the folder's name, and the template's.
	ID string
	// Template is the manifest.
	Template *v1alpha1.Template
	// Readme is its Markdown.
	Readme string
	// Tags are words to find it by.
	Tags []string
}

// tags are the words of each example. One without words is no example.
func tags() map[string][]string {
	return map[string][]string{
		"linux":    {"kubernetes", "linux"},
		"ide":      {"kubernetes", "linux", "vscode", "jetbrains"},
		"database": {"kubernetes", "linux", "postgresql"},
		"gpu":      {"kubernetes", "linux", "gpu", "pytorch"},
		"jupyter":  {"kubernetes", "linux", "jupyter", "python"},
	}
}

// List gives all examples, by id. They are shared: read them.
func List() ([]Example, error) { return list() }

var list = sync.OnceValues(func() ([]Example, error) {
	folders, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	all := make([]Example, 0, len(folders))
	for _, f := range folders {
		example, err := read(f.Name())
		if err != nil {
			return nil, fmt.Errorf("example %s: %w", f.Name(), err)
		}
		all = append(all, example)
	}
	return all, nil
})

func read(id string) (Example, error) {
	text, err := files.ReadFile(path.Join(id, manifest))
	if err != nil {
		return Example{}, err
	}
	markdown, err := files.ReadFile(path.Join(id, readme))
	if err != nil {
		return Example{}, err
	}
	example := Example{ID: id, Template: &v1alpha1.Template{}, Readme: string(markdown), Tags: tags()[id]}
	return example, yaml.UnmarshalStrict(text, example.Template)
}

// Archive is the example's folder as a tar, as an upload of it would be: always the same bytes. It is false where there is
// no such example.
func Archive(id string) ([]byte, bool) {
	all, err := list()
	if err != nil || !slices.ContainsFunc(all, func(e Example) bool { return e.ID == id }) {
		return nil, false
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range []string{readme, manifest} {
		text, err := files.ReadFile(path.Join(id, name))
		if err != nil {
			return nil, false
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644, ModTime: time.Unix(0, 0).UTC(), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(&header); err != nil {
			return nil, false
		}
		if _, err := w.Write(text); err != nil {
			return nil, false
		}
	}
	if err := w.Close(); err != nil {
		return nil, false
	}
	return out.Bytes(), true
}
