// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is the flag -o of what prints objects.
type output struct {
	form string
}

func (o *output) add(c *cobra.Command) {
	c.Flags().StringVarP(&o.form, "output", "o", "", "json, yaml or wide; absent means a table for people")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml", "wide"}, cobra.ShellCompDirectiveNoFileComp))
}

func (o *output) check(help string) error {
	if !slices.Contains([]string{"", "json", "yaml", "wide"}, o.form) {
		return misuse(help, "--output: %q is none of json, yaml and wide", o.form)
	}
	return nil
}

// machine prints a value for programs, and tells whether that is what was asked for.
func (o *output) machine(w io.Writer, value any) (bool, error) {
	switch o.form {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return true, e.Encode(value)
	case "yaml":
		text, err := yaml.Marshal(value)
		if err == nil {
			_, err = w.Write(text)
		}
		return true, err
	}
	return false, nil
}

// table prints rows below their headings, with three spaces between columns as kubectl does. Nothing in it depends on
// whether a terminal reads it.
func table(w io.Writer, headings []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = single(cell); cells[i] == "" {
				cells[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// single makes a text one line, so that what others wrote forges no line or column of ours.
func single(text string) string { return strings.Join(strings.Fields(text), " ") }

// span is a length of time in the two largest units: "4h 12m".
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours()/24), int(d.Hours())%24)
}
