// SPDX-License-Identifier: Apache-2.0

// Command routes prints every route of the API server, one a line: method, path, tag, door, action and the place in its
// table, separated by tabs.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/apiserver"
)

func main() {
	if err := list(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "routes:", err)
		os.Exit(1)
	}
}

func list(to io.Writer) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	for _, r := range apiserver.Routes(apiserver.Deps{}) {
		file, line := r.Source()
		if short, err := filepath.Rel(here, file); err == nil {
			file = short
		}
		if _, err := fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s:%d\n", r.Method, r.Path, r.Tag, r.Door, r.Asks(), file, line); err != nil {
			return err
		}
	}
	return out.Flush()
}
