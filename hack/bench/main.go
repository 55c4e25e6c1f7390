// SPDX-License-Identifier: Apache-2.0

// Command bench measures the manager against a kube-apiserver and etcd of its own, and prints a line a figure:
//
//	bench: NAME VALUE UNIT goal GOAL
//
// What is compared runs by turns on that one control plane in one run, so that a machine that is busy with other things
// slows both. No kubelet, scheduler or volume provisioner runs: a player binds pods and claims and says that they run, at a
// rate that is the same for bare pods and for workspaces. The manager is a process of its own with the rights that the
// chart gives it; its writes are counted in the kube-apiserver's audit log.
//
//	bench -only start-ratio,quiet-writes     some figures; each needs what the ones before it have made
//	bench -pods 100 -pairs 1 -quiet 10s      a quick look; the figures are then not the ones that the goals are about
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// sizes say how much is measured.
type sizes struct {
	// pods is how many bare pods, and how many workspaces, one round starts and deletes; pairs how many rounds there are of each.
	pods, pairs int
	// rate is how many pods a second the player lets run.
	rate float64
	// quiet is how long a cluster of quietAt workspaces is watched for writes.
	quiet   time.Duration
	quietAt int
	// few and many are the numbers of workspaces between which a reconcile's time is compared: each is about four objects.
	few, many int
	// light and heavy are the numbers of workspaces between which the manager's heap is compared.
	light, heavy int
	// claims is how many prepared workspaces are claimed.
	claims int
	// touched is how many reconciles a time is the median of.
	touched int
	// profiles is the directory that profiles of the manager are written to; empty means none.
	profiles string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == managerCommand {
		exit(runManager(os.Args[2:]))
	}
	var s sizes
	var only string
	flag.IntVar(&s.pods, "pods", 500, "how many pods a round starts")
	flag.IntVar(&s.pairs, "pairs", 5, "how many rounds of bare pods and of workspaces")
	flag.Float64Var(&s.rate, "rate", 125, "how many pods a second the player lets run")
	flag.DurationVar(&s.quiet, "quiet", 5*time.Minute, "how long a quiet cluster is watched")
	flag.IntVar(&s.quietAt, "quiet-at", 2000, "how many workspaces it has")
	flag.IntVar(&s.few, "few", 250, "how many workspaces a reconcile is timed at first")
	flag.IntVar(&s.many, "many", 2500, "and at last")
	flag.IntVar(&s.light, "light", 1000, "how many workspaces the heap is measured at first")
	flag.IntVar(&s.heavy, "heavy", 5000, "and at last")
	flag.IntVar(&s.claims, "claims", 300, "how many prepared workspaces are claimed")
	flag.IntVar(&s.touched, "touched", 400, "how many reconciles are timed")
	flag.StringVar(&s.profiles, "profiles", "", "the directory that profiles of the manager are written to: its CPU while workspaces start, its heap where it is measured")
	flag.StringVar(&only, "only", "", "the figures wanted, by comma; absent means all")
	flag.Parse()
	ctrl.SetLogger(logr.Discard()) // the manager's process has a log of its own

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s, strings.FieldsFunc(only, func(r rune) bool { return r == ',' }))
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures what is wanted, from the smallest cluster to the largest, since workspaces are only added.
func run(ctx context.Context, s sizes, only []string) (err error) {
	wanted := func(names ...string) bool {
		return len(only) == 0 || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(only, n) })
	}
	if wanted("claim-p50-over-floor", "claim-p99-ms") {
		if err := measureClaims(ctx, s.claims); err != nil {
			return err
		}
	}
	if !wanted("start-ratio", "writes-per-start", "delete-ratio", "reconcile-growth", "manager-kib-per-workspace", "quiet-writes") {
		return nil
	}
	p, err := newPlane(ctx, s.rate)
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, p.close()) }()

	if wanted("start-ratio", "writes-per-start", "delete-ratio") {
		if err := p.measureRounds(ctx, s); err != nil {
			return err
		}
	}
	var atFew, atLight float64
	for _, step := range []struct {
		workspaces int
		wanted     bool
		do         func() error
	}{
		{s.few, wanted("reconcile-growth"), func() (err error) { atFew, err = p.reconcileTime(ctx, s.touched); return err }},
		{s.light, wanted("manager-kib-per-workspace"), func() (err error) { atLight, err = p.heap(ctx, s, "light"); return err }},
		{s.quietAt, wanted("quiet-writes"), func() error { return p.measureQuiet(ctx, s) }},
		{s.many, wanted("reconcile-growth"), func() error {
			atMany, err := p.reconcileTime(ctx, s.touched)
			if err != nil {
				return err
			}
			note("a reconcile takes %.2f ms at %d workspaces, %.2f ms at %d", atFew*1e3, s.few, atMany*1e3, s.many)
			figure("reconcile-growth", atMany/atFew, "ratio", "<=1.2")
			return nil
		}},
		{s.heavy, wanted("manager-kib-per-workspace"), func() error {
			atHeavy, err := p.heap(ctx, s, "heavy")
			if err != nil {
				return err
			}
			note("the manager's live heap is %.1f MiB at %d workspaces, %.1f MiB at %d", atLight/(1<<20), s.light, atHeavy/(1<<20), s.heavy)
			figure("manager-kib-per-workspace", (atHeavy-atLight)/1024/float64(s.heavy-s.light), "KiB", "<=12")
			return nil
		}},
	} {
		if !step.wanted {
			continue
		}
		if err := p.grow(ctx, step.workspaces); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

// figure prints one result in the form that other programs read.
func figure(name string, value float64, unit, goal string) {
	fmt.Printf("bench: %s %.4g %s goal %s\n", name, value, unit, goal)
}

// note prints what explains a figure.
func note(format string, args ...any) {
	fmt.Printf("  %s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// median is the middle of the values; they are sorted in place.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
