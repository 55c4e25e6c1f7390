// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
)

// Provisioner reads one way to write a template down.
type Provisioner interface {
	// Keeps tells whether the bytes of a file are needed.
	Keeps(name string) bool
	// Takes tells whether an archive is written in this way.
	Takes(files *archive.Contents) bool
	// Read makes a content of an archive that it takes. The fault says what is wrong, with file and line where there is
	// one.
	Read(files *archive.Contents) (*Source, *fault.Error)
}

// Source is what an archive says.
type Source struct {
	// Content is the version's content.
	Content v1alpha1.TemplateContent
	// Notes are sentences about what was left out, for the person who uploaded it.
	Notes []string

	file  string
	lines positions
}

// provisioners are those that there are. The first that takes an archive reads it.
func provisioners() []Provisioner { return []Provisioner{manifest{}} }

// Read reads an archive, which is a tar that package archive has accepted once. What is wrong with it is a fault of kind
// Invalid.
func Read(tar []byte) (*Source, error) {
	files, err := archive.Read(archive.Tar, tar, func(name string) bool {
		return slices.ContainsFunc(provisioners(), func(p Provisioner) bool { return p.Keeps(name) })
	})
	if err != nil {
		return nil, err
	}
	for _, p := range provisioners() {
		if !p.Takes(files) {
			continue
		}
		source, refusal := p.Read(files)
		if refusal != nil {
			return nil, refusal
		}
		return source, nil
	}
	return nil, unknown(files)
}

// Locate puts file and line before what is said of a field of the version: spec.content and below.
func (s *Source) Locate(f fault.Field) string {
	return s.lines.place(s.file, f.Path) + f.Path + ": " + f.Detail
}

// unknown says what the archive lacks, and what is supported.
func unknown(files *archive.Contents) *fault.Error {
	const supported = "Berth reads a template.yaml at the top of the archive, and a README.md beside it"
	var terraform, elsewhere []string
	for _, name := range files.Names {
		switch {
		case strings.HasSuffix(name, ".tf"), strings.HasSuffix(name, ".tf.json"):
			terraform = append(terraform, name)
		case isManifest(path.Base(name)):
			elsewhere = append(elsewhere, name)
		}
	}
	switch {
	case len(elsewhere) > 0:
		return fault.New(fault.Invalid, "the archive has %s, and no template.yaml at its top: pack the folder's contents, not the folder",
			elsewhere[0])
	case len(terraform) > 0:
		return fault.New(fault.Invalid, "the archive holds Terraform (%s), which is not run here: %s", some(terraform), supported)
	case len(files.Names) == 0:
		return fault.New(fault.Invalid, "the archive is empty: %s", supported)
	}
	return fault.New(fault.Invalid, "the archive has no template.yaml (it has %s): %s", some(files.Names), supported)
}

// some names the first few.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}
