// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// reportName is the file below the output directory that says what was made.
const reportName = "images.json"

// report is what a run made, for those who install it.
type report struct {
	Images []result `json:"images"`
}

// result is one image of a report.
type result struct {
	// Name is berth or workspace.
	Name string `json:"name"`
	// Digest is that of the image's manifest, sha256:….
	Digest string `json:"digest"`
	// Size is the sum of the compressed layers in bytes.
	Size int64 `json:"size"`
	// References are the image's names, the one to use first: tags after build, by digest after push.
	References []string `json:"references"`
	// Archive is the file to import; empty after push.
	Archive string `json:"archive,omitempty"`
}

// result begins a product's entry.
func (p product) result() (result, error) {
	digest, err := p.image.Digest()
	if err != nil {
		return result{}, err
	}
	layers, err := p.image.Layers()
	if err != nil {
		return result{}, err
	}
	r := result{Name: p.name, Digest: digest.String()}
	for _, layer := range layers {
		size, err := layer.Size()
		if err != nil {
			return result{}, err
		}
		r.Size += size
	}
	return r, nil
}

func (r report) has(wanted result) bool {
	return slices.ContainsFunc(r.Images, func(one result) bool { return reflect.DeepEqual(one, wanted) })
}

// print writes a line for each reference: image, reference, digest and size, with tabs between.
func (r report) print(to io.Writer) error {
	for _, image := range r.Images {
		for _, reference := range image.References {
			if _, err := fmt.Fprintf(to, "%s\t%s\t%s\t%.1f MB\n", image.Name, reference, image.Digest, float64(image.Size)/1e6); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r report) write(out string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	unfinished := filepath.Join(out, reportName+".new")
	if err := os.WriteFile(unfinished, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(unfinished, filepath.Join(out, reportName))
}

func readReport(out string) (report, error) {
	var r report
	text, err := os.ReadFile(filepath.Join(out, reportName))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}
