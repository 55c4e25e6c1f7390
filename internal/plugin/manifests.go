// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/manifest"
)

// sources are the flags that say which manifests a command reads, and with which values.
type sources struct {
	files      []string
	set        []string
	parameters string
}

func (o *sources) add(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&o.files, "filename", "f", nil, "file, folder (all .yaml, .yml and .json below it) or - for the standard input; may be given several times")
	f.StringArrayVar(&o.set, "set", nil, "value of a parameter, `NAME=VALUE`; may be given several times")
	f.StringVar(&o.parameters, "parameters", "", "`FILE` with values of parameters: a YAML mapping")
	_ = c.MarkFlagFilename("filename", "yaml", "yml", "json") // it only fails for a flag that is not there
	_ = c.MarkFlagFilename("parameters", "yaml", "yml", "json")
}

// set is the manifests of ours that a command reads.
type set struct {
	documents []manifest.Document
	findings  []manifest.Finding
	given     manifest.Given
}

// read reads the manifests and the values that the flags name.
func (s *session) read(o sources) (*set, error) {
	help := "kubectl berth template --help"
	if len(o.files) == 0 {
		return nil, misuse(help, "--filename: name a file or a folder")
	}
	var all set
	var err error
	if all.given, err = valuesOf(o); err != nil {
		return nil, err
	}
	for _, name := range o.files {
		files, err := expand(name)
		if err != nil {
			return nil, misuse(help, "%v", err)
		}
		for _, file := range files {
			text, err := s.content(file)
			if err != nil {
				return nil, misuse(help, "%v", err)
			}
			documents, findings := manifest.Read(file, text)
			all.findings = append(all.findings, findings...)
			for _, d := range documents {
				if manifest.Ours(&d) {
					all.documents = append(all.documents, d)
				}
			}
		}
	}
	if len(all.documents) == 0 && len(all.findings) == 0 {
		return nil, misuse(help, "there is no manifest of %s in %s", v1alpha1.GroupVersion.Group, strings.Join(o.files, ", "))
	}
	return &all, all.declared()
}

// content reads one file, or the standard input.
func (s *session) content(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(s.In)
	}
	return os.ReadFile(file)
}

// expand gives the files of a folder, in order; anything else is itself.
func expand(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := len(entry.Name()) > 1 && strings.HasPrefix(entry.Name(), ".") && path != name
		switch {
		case entry.IsDir() && hidden:
			return filepath.SkipDir
		case entry.Type().IsRegular() && !hidden && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// valuesOf reads the values for parameters.
func valuesOf(o sources) (manifest.Given, error) {
	help := "kubectl berth template check --help"
	g := manifest.Given{Texts: map[string]string{}, Values: map[string]v1alpha1.Value{}}
	for _, text := range o.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return g, misuse(help, "--set: %q is not of the form NAME=VALUE", text)
		}
		g.Texts[name] = value
	}
	if o.parameters == "" {
		return g, nil
	}
	text, err := os.ReadFile(o.parameters)
	if err != nil {
		return g, misuse(help, "--parameters: %v", err)
	}
	if err := yaml.UnmarshalStrict(text, &g.Values); err != nil {
		return g, misuse(help, "--parameters: %s must be a mapping of parameters to values: %v", o.parameters, err)
	}
	return g, nil
}

// declared refuses values for parameters that no template has.
func (s *set) declared() error {
	var names []string
	for _, name := range s.given.Names() {
		found := false
		for i := range s.documents {
			if t := s.documents[i].Template(); t != nil {
				found = found || t.Declares(name)
				names = append(names, t.Parameters()...)
			}
		}
		if found {
			continue
		}
		hint := ""
		if near := fault.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return misuse("kubectl berth template check --help", "no template has a parameter %q%s", name, hint)
	}
	return nil
}

// check gives everything that is to be said about the set.
func (s *set) check() ([]manifest.Finding, error) {
	checker, err := manifest.NewChecker()
	if err != nil {
		return nil, err
	}
	findings := s.findings
	for i := range s.documents {
		findings = append(findings, checker.Check(&s.documents[i], s.given)...)
	}
	return manifest.Sort(findings), nil
}

// render renders every template of the set, by its key.
func (s *set) render() (map[string]string, []manifest.Finding, error) {
	texts, findings := map[string]string{}, s.findings
	for i := range s.documents {
		t := s.documents[i].Template()
		if t == nil {
			continue
		}
		text, wrong, err := t.Render(s.given)
		if err != nil {
			return nil, nil, err
		}
		findings = append(findings, wrong...)
		if len(text) > 0 {
			texts[t.Key()] = string(text)
		}
	}
	if len(texts) == 0 && len(findings) == 0 {
		return nil, nil, misuse("kubectl berth template check -f FILE", "there is no template with a content among the manifests")
	}
	return texts, manifest.Sort(findings), nil
}
