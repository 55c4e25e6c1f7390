// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/berth-dev/berth/internal/agent"
)

// What follows runs in init containers, before the pod's own.

func install(flags *flag.FlagSet, arguments []string, _ io.Writer) (int, error) {
	to := flags.String("to", "", "directory that the pod's containers share")
	if err := parse(flags, arguments, "to"); err != nil {
		return 2, err
	}
	return 0, agent.Install(*to)
}

func seed(flags *flag.FlagSet, arguments []string, stdout io.Writer) (int, error) {
	to := flags.String("to", "", "directory at which the home claim is mounted")
	from := flags.String("from", "", "home directory of the image")
	if err := parse(flags, arguments, "to", "from"); err != nil {
		return 2, err
	}
	done, err := agent.Seed(*to, *from)
	for _, skipped := range done.Skipped {
		fmt.Fprintln(stdout, "skipped", skipped)
	}
	if err != nil {
		return 1, err
	}
	if done.Already {
		_, err = fmt.Fprintln(stdout, "the home has been seeded before")
		return 0, err
	}
	_, err = fmt.Fprintf(stdout, "%d files copied from %s, %d were there already, %d skipped\n", done.Copied, *from, done.Kept, len(done.Skipped))
	return 0, err
}

func files(flags *flag.FlagSet, arguments []string, stdout io.Writer) (int, error) {
	from := flags.String("from", "", "directory that holds the files")
	list := flags.String("files", "", "JSON list of what to write: from, to, path, mode")
	if err := parse(flags, arguments, "from", "files"); err != nil {
		return 2, err
	}
	wanted, err := agent.ParseFiles(*list)
	if err != nil {
		return 2, err
	}
	skipped, err := agent.WriteFiles(*from, wanted)
	for _, s := range skipped {
		fmt.Fprintln(stdout, "skipped", s)
	}
	if err != nil {
		return 1, err
	}
	_, err = fmt.Fprintf(stdout, "%d files written, %d skipped\n", len(wanted)-len(skipped), len(skipped))
	return 0, err
}
