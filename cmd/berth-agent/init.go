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
