// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/berth-dev/berth/hack/cluster/internal/cluster"
	"github.com/berth-dev/berth/hack/cluster/internal/forward"
	"github.com/berth-dev/berth/hack/cluster/internal/kube"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/policy"
	"github.com/berth-dev/berth/hack/cluster/internal/space"
)

// which adds the flags that say which cluster is meant.
func which(flags *flag.FlagSet) func() (*cluster.Cluster, error) {
	name := flags.String("name", "berth", "the cluster's `NAME`; clusters of different names run side by side")
	state := flags.String("state", "", "the state `FOLDER`, absolute (default: where the cluster was started, else below ~/.local/state/berth)")
	return func() (*cluster.Cluster, error) { return cluster.At(*name, *state) }
}

// list is a flag that may be given several times.
type list struct{ values *[]string }

func (l list) String() string { return "" }

func (l list) Set(value string) error {
	*l.values = append(*l.values, value)
	return nil
}

func runUp(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	at := which(flags)
	var change cluster.Change
	port := func(text string) error {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is no port (1 to 65535)", text)
		}
		p := uint16(n)
		change.Port = &p
		return nil
	}
	flags.Func("port", fmt.Sprintf("the API's `PORT` on 127.0.0.1 (default %d)", cluster.DefaultPort), port)
	var forwards, apiServerArgs, kubeletArgs []string
	flags.Var(list{&forwards}, "forward", "a port of the host that leads to the node, `127.0.0.1:8080=30080`; may be repeated")
	flags.Var(list{&apiServerArgs}, "apiserver-arg", "a further `FLAG` for kube-apiserver; may be repeated")
	flags.Var(list{&kubeletArgs}, "kubelet-arg", "a further `FLAG` for the kubelet; may be repeated")
	audit := flags.Bool("audit", false, "write an audit log of the API, log/audit.log in the state folder")
	policy := flags.String("audit-policy", "", "`FILE` that says what is audited (default: the metadata of everything)")
	flags.BoolVar(&change.Simulated, "simulated", false, "simulate pods even where real ones were possible")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("up takes no argument %q", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "forward":
			change.Forwards = &forwards
		case "apiserver-arg":
			change.APIServerArgs = &apiServerArgs
		case "kubelet-arg":
			change.KubeletArgs = &kubeletArgs
		case "audit":
			change.Audit = audit
		case "audit-policy":
			change.AuditPolicy = policy
		}
	})
	c, err := at()
	if err != nil {
		return err
	}
	builder, err := newBuilder(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	starter := cluster.Starter{Builder: builder, Out: os.Stdout, Self: self}
	return starter.Up(ctx, c, change)
}

func runDown(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	at := which(flags)
	keep := flags.Bool("keep", false, "keep the cluster's data for the next start")
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := at()
	if err != nil {
		return err
	}
	return cluster.Down(ctx, c, *keep, os.Stdout)
}

func runStatus(ctx context.Context, args []string) error {
	c, _, err := parseWhich("status", args)
	if err != nil {
		return err
	}
	return cluster.Status(ctx, c, os.Stdout)
}

func runLoad(ctx context.Context, args []string) error {
	c, archives, err := parseWhich("load", args)
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return errors.New("load needs the path of an archive of images")
	}
	return cluster.Load(ctx, c, archives, os.Stdout)
}

func runEnv(_ context.Context, args []string) error {
	c, _, err := parseWhich("env", args)
	if err != nil {
		return err
	}
	return cluster.Env(c, os.Stdout)
}

func parseWhich(name string, args []string) (*cluster.Cluster, []string, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	at := which(flags)
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	c, err := at()
	return c, flags.Args(), err
}

// runForward is the forwarder, which up starts.
func runForward(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("forward", flag.ContinueOnError)
	name := flags.String("space", "", "the network namespace that is dialled in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var rules []forward.Rule
	for _, text := range flags.Args() {
		r, err := forward.Parse(text, netip.MustParseAddr(network.NodeAddress))
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	dial := func(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
		s, err := space.Open(ctx, *name, false)
		if err != nil {
			return nil, err
		}
		return s.Dial(ctx, target)
	}
	return forward.Serve(ctx, rules, dial, slog.New(slog.NewTextHandler(os.Stderr, nil)))
}

// runPolicy enforces NetworkPolicies; up starts it inside the node.
func runPolicy(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("policy", flag.ContinueOnError)
	server := flags.String("server", "", "the API's URL")
	pki := flags.String("pki", "", "folder with the administrator's certificate")
	if err := flags.Parse(args); err != nil {
		return err
	}
	api, err := kube.NewClient(*server, *pki, "", "")
	if err != nil {
		return err
	}
	return policy.Run(ctx, api.Open, slog.New(slog.NewTextHandler(os.Stderr, nil)))
}
