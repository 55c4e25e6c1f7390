// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/await"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
	"github.com/berth-dev/berth/hack/cluster/internal/space"
)

// Down takes the cluster away, whatever state it is in, and with it all its
// data unless keep is set. Taking away what is not there is fine.
func Down(ctx context.Context, c *Cluster, keep bool, out io.Writer) error {
	registry, err := host.Read()
	if err != nil {
		return err
	}
	_, claimed := registry.Clusters[c.slug()]
	left, err := c.processes().Marked()
	if err != nil {
		return err
	}
	_, statErr := os.Stat(c.Dir)
	if errors.Is(statErr, fs.ErrNotExist) && !claimed && len(left) == 0 {
		_, err := fmt.Fprintf(out, "cluster %s is not there\n", c.Name)
		return err
	}
	release, err := c.lock(ctx)
	if err != nil {
		return err
	}
	if parent := filepath.Dir(c.Dir); filepath.Base(parent) == "berth" {
		defer os.Remove(parent) //nolint:errcheck // succeeds only when the last cluster has gone, and need not
	}
	defer release()
	settings, err := c.load()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if settings == nil && !claimed && len(left) == 0 {
		return fmt.Errorf("%s holds no cluster; nothing was removed", c.Dir)
	}
	if claimed && os.Geteuid() != 0 {
		return fmt.Errorf("cluster %s was started by root and only root can take it down", c.Name)
	}
	if err := c.stop(ctx, claimed); err != nil {
		return fmt.Errorf("stopping cluster %s: %w", c.Name, err)
	}
	if keep {
		_, err := fmt.Fprintf(out, "cluster %s is down; its data is kept in %s\n", c.Name, c.Dir)
		return err
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		return fmt.Errorf("removing the state folder: %w", err)
	}
	_, err = fmt.Fprintf(out, "cluster %s is gone\n", c.Name)
	return err
}

// stop ends all processes, those that would bring others back first, and
// removes what the host sees of the cluster.
func (c *Cluster) stop(ctx context.Context, claimed bool) error {
	table := c.processes()
	if err := table.Stop(ctx, "kubelet", "kube-proxy", "network-policy", "kube-scheduler", "kube-controller-manager", "kwok"); err != nil {
		return err
	}
	if claimed {
		// Pods get a moment to end on their own.
		if err := endAll(ctx, 3*time.Second, host.Cgroups{Name: c.slug()}.Processes); err != nil {
			return fmt.Errorf("pods: %w", err)
		}
	}
	if err := table.Stop(ctx, "containerd", "forwarder", "kube-apiserver"); err != nil {
		return err
	}
	rest, err := table.Names()
	if err != nil {
		return err
	}
	if err := table.Stop(ctx, rest...); err != nil {
		return err
	}
	// Those whose records are lost.
	if err := endAll(ctx, 5*time.Second, table.Marked); err != nil {
		return err
	}
	if !claimed {
		return nil
	}
	return c.leaveHost(ctx)
}

// leaveHost removes the cluster's namespace, cgroups, uplink and claim.
func (c *Cluster) leaveHost(ctx context.Context) error {
	inside, err := space.Open(ctx, c.slug(), false)
	switch {
	case err == nil:
		// What runs inside by now lost its parent in a crash, or is a shim of containerd.
		if err := endAll(ctx, time.Second, inside.Inside); err != nil {
			return fmt.Errorf("processes in the network namespace %s: %w", c.slug(), err)
		}
		if err := inside.Delete(ctx); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	cgroups := host.Cgroups{Name: c.slug()}
	// The kernel lets go of an ended process's cgroup a moment later.
	err = await.Until(ctx, "the cgroups to be empty", 10*time.Second, func(context.Context) error { return cgroups.Remove() })
	if err != nil {
		return err
	}
	// The names follow from the cluster's; the subnet does not matter any more.
	uplink, err := network.NewUplink(c.slug(), nil)
	if err != nil {
		return err
	}
	if err := network.Down(ctx, uplink); err != nil {
		return err
	}
	return host.Change(func(r *host.Registry) error {
		delete(r.Clusters, c.slug())
		return nil
	})
}

// endAll ends the processes that list finds, and those that it finds then.
func endAll(ctx context.Context, grace time.Duration, list func() ([]int, error)) error {
	return await.Until(ctx, "the end of all processes", 30*time.Second, func(ctx context.Context) error {
		pids, err := list()
		if err != nil {
			return await.Final{Err: err}
		}
		var records []process.Record
		for _, pid := range pids {
			if r, err := process.Known(pid); err == nil && pid != os.Getpid() {
				records = append(records, r)
			}
		}
		if len(records) == 0 {
			return nil
		}
		if err := process.End(ctx, records, grace); err != nil {
			return err
		}
		return errors.New("looking whether there are more")
	})
}
