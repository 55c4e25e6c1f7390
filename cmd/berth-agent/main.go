// SPDX-License-Identifier: Apache-2.0

// Command berth-agent is what Berth runs inside a workspace's pod: as an init container that brings it there
// (install), one that fills a new home (seed) and one that writes the template's files (files), as the first process of a container (run), and as that container's
// readiness probe (ready).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `berth-agent runs inside a workspace's pod.

  berth-agent install --to DIR                copy this program to DIR/berth-agent
  berth-agent seed --to DIR --from HOME       fill a new home claim, mounted at DIR, from the image's HOME
  berth-agent files --from DIR --files JSON   write the files that JSON lists from DIR into the volumes that it names
  berth-agent run [flags] [-- COMMAND ...]    be the first process of a container; without COMMAND hold it open
  berth-agent ready [flags]                   exit 0 while the agent that runs is ready
  berth-agent version                         print the version

berth-agent COMMAND -h lists the flags of a command.
`

func main() {
	os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr))
}

// dispatch runs one command line and returns its exit code: 2 for a wrong command line, 1 for what failed.
func dispatch(arguments []string, stdout, stderr io.Writer) int {
	commands := map[string]func(*flag.FlagSet, []string, io.Writer) (int, error){
		"install": install, "seed": seed, "files": files, "run": run, "ready": checkReady, "version": printVersion,
	}
	if len(arguments) == 0 || commands[arguments[0]] == nil {
		fmt.Fprint(stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("berth-agent "+arguments[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	code, err := commands[arguments[0]](flags, arguments[1:], stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errFlags):
		return 2
	case err != nil:
		fmt.Fprintln(stderr, "berth-agent:", err)
		return max(code, 1)
	}
	return code
}

// errFlags stands for what the flag package has already told the person.
var errFlags = errors.New("wrong flags")

// parse reads the flags of a command that takes no other arguments, of which the required ones must be given.
func parse(flags *flag.FlagSet, arguments []string, required ...string) error {
	if err := flags.Parse(arguments); err != nil {
		return errors.Join(errFlags, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", flags.Name(), flags.Arg(0))
	}
	for _, name := range required {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%s needs --%s", flags.Name(), name)
		}
	}
	return nil
}
