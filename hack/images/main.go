// SPDX-License-Identifier: Apache-2.0

// Command images makes Berth's container images without a container daemon: the image of its own programs, and a
// workspace image for samples and tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `images makes Berth's container images, with no container daemon.

  images build [flags]                 write the images as archives that a node can import
  images push --to REPOSITORY [flags]  push the images to a registry, as REPOSITORY/berth and REPOSITORY/workspace

Both print a line an image and name: image, reference, digest and size, and write the same to OUT/images.json.
images COMMAND -h lists the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 || (arguments[0] != "build" && arguments[0] != "push") {
		fmt.Fprint(os.Stderr, usage)
		return flag.ErrHelp
	}
	pushing := arguments[0] == "push"
	flags := flag.NewFlagSet("images "+arguments[0], flag.ContinueOnError)
	var s settings
	flags.StringVar(&s.out, "out", ".run/images", "`directory` for the results; a relative one is taken from the repository's root")
	flags.StringVar(&s.version, "version", "", "version that the programs are to say (default the one in the source)")
	flags.BoolVar(&s.partial, "partial", false, "leave out programs whose source is not there yet")
	flags.BoolVar(&s.refresh, "refresh", false, "install the workspace's packages anew, in their present versions")
	flags.BoolVar(&s.verify, "verify", false, "build everything a second time, with nothing kept, and compare the digests")
	to := ""
	if pushing {
		flags.StringVar(&to, "to", "", "`repository` that gets the images, such as registry.example/team")
	}
	if err := flags.Parse(arguments[1:]); err != nil {
		return flag.ErrHelp
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no argument %q", flags.Name(), flags.Arg(0))
	}
	if err := s.complete(); err != nil {
		return err
	}
	if pushing {
		return push(ctx, s, to)
	}
	return build(ctx, s)
}
