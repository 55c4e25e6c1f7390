// SPDX-License-Identifier: Apache-2.0

// Command cluster runs a one-node Kubernetes for development and tests, built
// from the Go module proxy. README.md beside this file says what it does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/berth-dev/berth/hack/cluster/internal/build"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
)

// command is one word after the program's name.
type command struct {
	name, args, help string
	run              func(ctx context.Context, args []string) error
	hidden           bool
}

func commands() []command {
	return []command{
		{name: "build", args: "[NAME…]", help: "compile what the cluster needs, or the programs named, into the cache", run: runBuild},
		{name: "assets", help: "compile etcd, kube-apiserver, kubectl and helm and print their folder, for KUBEBUILDER_ASSETS", run: runAssets},
		{name: "up", args: "[flags]", help: "start the cluster, or what is missing of it, and wait until it is of use", run: runUp},
		{name: "down", args: "[--keep]", help: "take the cluster away, with its data unless --keep is given", run: runDown},
		{name: "status", help: "show what runs and whether it works", run: runStatus},
		{name: "load", args: "ARCHIVE…", help: "import archives of images into the node and print the images' names", run: runLoad},
		{name: "env", help: "print shell lines that set KUBECONFIG and PATH", run: runEnv},
		{name: "forward", run: runForward, hidden: true},
		{name: "policy", run: runPolicy, hidden: true},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "cluster: interrupted")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.Join(usage(os.Stderr), flag.ErrHelp)
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:])
		}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return usage(os.Stdout)
	}
	return fmt.Errorf("there is no command %q; see: cluster help", args[0])
}

func usage(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "usage: cluster COMMAND [flags]\t") //nolint:errcheck // Flush reports it
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(table, "  %s %s\t%s\n", c.name, c.args, c.help) //nolint:errcheck // Flush reports it
		}
	}
	return table.Flush()
}

// newBuilder opens the cache; progress goes to standard error, so that what a
// command prints for scripts stays alone on standard output.
func newBuilder(ctx context.Context) (*build.Builder, error) {
	cache, err := build.OpenCache(ctx)
	if err != nil {
		return nil, err
	}
	return &build.Builder{Cache: cache, Progress: build.NewProgress(os.Stderr)}, nil
}

func runBuild(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	simulated := flags.Bool("simulated", false, "without names: what a cluster of simulated nodes needs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBuilder(ctx)
	if err != nil {
		return err
	}
	if flags.NArg() == 0 {
		set := build.Node
		if *simulated || host.CanRunPods() != nil {
			set = build.Simulated
		}
		_, err := b.EnsureSet(ctx, set)
		return err
	}
	programs, err := build.Named(flags.Args()...)
	if err != nil {
		return err
	}
	return b.Ensure(ctx, programs)
}

func runAssets(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("assets", flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBuilder(ctx)
	if err != nil {
		return err
	}
	dir, err := b.EnsureSet(ctx, build.Assets)
	if err != nil {
		return err
	}
	_, err = fmt.Println(dir)
	return err
}
