// SPDX-License-Identifier: Apache-2.0

// Command contract keeps the project's copy of the codersdk API's facts, and says how much of the API is proven.
//
//	go run ./hack/contract facts -endpoints endpoints.json -schemas schemas.json
//	go run ./hack/contract coverage LOG
//
// The first writes internal/testing/contract/facts anew from two JSON files that describe the API; it is run only when
// those change, and its result is committed. The second prints, for a log written by contract.Recorder, one line a tag
// and last how many of all endpoints were seen to answer. The facts' meaning is internal/testing/contract's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/internal/testing/contract"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say facts or coverage")
	}
	switch args[0] {
	case "facts":
		return writeFacts(args[1:])
	case "coverage":
		return printCoverage(args[1:], out)
	}
	return fmt.Errorf("unknown command %q: say facts or coverage", args[0])
}

// writeFacts turns the source files into the facts folder.
func writeFacts(args []string) error {
	flags := flag.NewFlagSet("facts", flag.ContinueOnError)
	endpointsFile := flags.String("endpoints", "", "JSON list of endpoints")
	schemasFile := flags.String("schemas", "", "JSON object of schemas by name")
	folder := flags.String("to", filepath.Join("internal", "testing", "contract", "facts"), "folder to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	source, err := readSource(*endpointsFile, *schemasFile)
	if err != nil {
		return err
	}
	endpoints, roots, err := source.endpointLines()
	if err != nil {
		return err
	}
	schemas, err := source.schemaLines(roots)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(*folder, contract.EndpointsFile), []byte(endpoints), 0o644),
		os.WriteFile(filepath.Join(*folder, contract.SchemasFile), []byte(schemas), 0o644),
	)
}

// printCoverage sums up a recorder's log. No log at all counts as nothing seen, and says so.
func printCoverage(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("coverage needs the path of one log")
	}
	facts, err := contract.Load()
	if err != nil {
		return err
	}
	log, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("no test has recorded anything (is %s set to this path?): %w", contract.LogEnv, err)
	}
	coverage, err := facts.Coverage(log)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	_, err = io.WriteString(out, coverage.String())
	return err
}
