// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/internal/manifest"
	"github.com/berth-dev/berth/internal/version"
)

func (s *session) template() *cobra.Command {
	c := &cobra.Command{
		Use:   "template",
		Short: "Check, render and compare templates, without a cluster",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(s.templateCheck(), s.templateRender(), s.templateDiff())
	return c
}

func (s *session) templateCheck() *cobra.Command {
	var o sources
	var output string
	var notes bool
	c := &cobra.Command{
		Use:   "check -f FILE|FOLDER",
		Short: "Say what is wrong with manifests, by file and line; exit 1 where something is",
		Long: "Check holds every manifest of berth.dev to the definition of its kind, compiles the expressions of templates, renders\n" +
			"them and decodes the pods strictly. Other manifests are left alone. It asks no cluster.",
		Example: "  kubectl berth template check -f templates/\n  kubectl berth template check -f go-dev.yaml --set cpu=4\n  kubectl berth template check -f templates/ -o sarif > berth.sarif",
		Args:    cobra.NoArgs,
		RunE: s.run(func(context.Context, []string) error {
			if !slices.Contains([]string{"text", "json", "sarif"}, output) {
				return misuse("kubectl berth template check --help", "--output: %q is none of text, json and sarif", output)
			}
			set, err := s.read(o)
			if err != nil {
				return err
			}
			findings, err := set.check()
			if err != nil {
				return err
			}
			if !notes {
				findings = slices.DeleteFunc(findings, func(f manifest.Finding) bool { return f.Level == manifest.Note })
			}
			if err := s.findings(findings, output); err != nil {
				return err
			}
			if manifest.Wrong(findings) {
				return silent(exitFailed)
			}
			_, err = fmt.Fprintf(s.ErrOut, "nothing wrong in %s\n", count(len(set.documents), "manifest"))
			return err
		}),
	}
	o.add(c)
	c.Flags().StringVarP(&output, "output", "o", "text", "text, json or sarif")
	c.Flags().BoolVar(&notes, "notes", false, "say also which fields this release stores and does not act on")
	return c
}

func (s *session) templateRender() *cobra.Command {
	var o sources
	c := &cobra.Command{
		Use:   "render -f FILE|FOLDER",
		Short: "Show the pod and all else that a workspace would consist of",
		Long: "Render shows what a workspace of each template would consist of, as YAML: with the values given, else with what the\n" +
			"template says itself, else with made-up ones. It asks no cluster; names of people and objects are made up.",
		Example: "  kubectl berth template render -f go-dev.yaml --set cpu=4",
		Args:    cobra.NoArgs,
		RunE: s.run(func(context.Context, []string) error {
			set, err := s.read(o)
			if err != nil {
				return err
			}
			texts, findings, err := set.render()
			if err != nil {
				return err
			}
			for _, key := range slices.Sorted(maps.Keys(texts)) {
				if _, err := fmt.Fprintf(s.Out, "# %s\n%s", key, texts[key]); err != nil {
					return err
				}
			}
			return s.refuse(findings, exitFailed)
		}),
	}
	o.add(c)
	return c
}

func (s *session) templateDiff() *cobra.Command {
	var o sources
	var from []string
	c := &cobra.Command{
		Use:   "diff -f FILE|FOLDER --from FILE|FOLDER",
		Short: "Show what changes between two contents, as rendered; exit 1 where something does",
		Long: "Diff renders the templates of both sides with the same values and shows what differs. Templates are compared by kind,\n" +
			"namespace and name; where each side has one only, with each other. It exits 2 where one side can't be rendered.",
		Example: "  git show main:go-dev.yaml | kubectl berth template diff -f go-dev.yaml --from -",
		Args:    cobra.NoArgs,
		RunE: s.run(func(context.Context, []string) error {
			if len(from) == 0 {
				return misuse("kubectl berth template diff --help", "--from: name what the templates are compared with")
			}
			after, err := s.read(o)
			if err != nil {
				return err
			}
			old := o
			old.files = from
			before, err := s.read(old)
			if err != nil {
				return err
			}
			a, wrongBefore, err := before.render()
			if err != nil {
				return err
			}
			b, wrongAfter, err := after.render()
			if err != nil {
				return err
			}
			if err := s.refuse(append(wrongBefore, wrongAfter...), exitMisuse); err != nil {
				return err
			}
			patch := compare(a, b)
			if patch == "" {
				return nil
			}
			if _, err := io.WriteString(s.Out, patch); err != nil {
				return err
			}
			return silent(exitFailed)
		}),
	}
	o.add(c)
	c.Flags().StringArrayVar(&from, "from", nil, "file, folder or - that the templates are compared with; may be given several times")
	return c
}

// compare is the difference of two sets of rendered templates.
func compare(a, b map[string]string) string {
	keys := slices.Sorted(maps.Keys(b))
	if len(a) == 1 && len(b) == 1 {
		for key, text := range a {
			return manifest.Diff(key, keys[0], text, b[keys[0]])
		}
	}
	for key := range a {
		if _, ok := b[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var out strings.Builder
	for _, key := range keys {
		out.WriteString(manifest.Diff(key, key, a[key], b[key]))
	}
	return out.String()
}

// refuse prints findings to the person, and ends the command with the code where there are any.
func (s *session) refuse(findings []manifest.Finding, code int) error {
	for _, f := range findings {
		if _, err := fmt.Fprintln(s.ErrOut, f); err != nil {
			return err
		}
	}
	if len(findings) > 0 {
		return &failure{code, "not every template could be rendered", "kubectl berth template check -f FILE"}
	}
	return nil
}

// findings prints a report.
func (s *session) findings(findings []manifest.Finding, output string) error {
	switch output {
	case "json":
		return manifest.WriteJSON(s.Out, findings)
	case "sarif":
		return manifest.WriteSARIF(s.Out, findings, version.Version)
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(s.Out, f); err != nil {
			return err
		}
	}
	return nil
}

// count is a number of things in words: "1 manifest", "2 manifests".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
