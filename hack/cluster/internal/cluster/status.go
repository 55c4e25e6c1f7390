// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/images"
	"github.com/berth-dev/berth/hack/cluster/internal/kube"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/node"
)

// ErrNotUp says that the cluster does not work as it is.
var ErrNotUp = errors.New("the cluster is not up")

// existing loads the settings of a cluster that must be there.
func (c *Cluster) existing() (*Settings, error) {
	s, err := c.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster %s: %w: there is nothing in %s", c.Name, ErrNotUp, c.Dir)
	}
	return s, err
}

// Status prints what runs and whether it works; the error is ErrNotUp if not.
func Status(ctx context.Context, c *Cluster, out io.Writer) error {
	s, err := c.existing()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", key, fmt.Sprintf(format, args...)) //nolint:errcheck // Flush reports it
	}
	pods := "real"
	if s.Simulated {
		pods = "SIMULATED: apps, ssh and logs will not work"
	}
	line("cluster", "%s", c.Name)
	line("pods", "%s", pods)
	line("state", "%s", c.Dir)
	line("programs", "%s", s.Programs)
	line("API", "%s", s.server())
	line("kubeconfig", "%s", c.path("kubeconfig"))
	if !s.Simulated { // there is nothing to forward to
		for _, f := range s.Forwards {
			line("forward", "%s", f)
		}
	}
	up, err := c.statusProcesses(line)
	if err != nil {
		return err
	}
	if !s.Simulated {
		up = c.statusNetwork(ctx, s, line) && up
	}
	up = c.statusNode(ctx, s, line) && up
	if err := table.Flush(); err != nil {
		return err
	}
	if !up {
		return fmt.Errorf("cluster %s: %w", c.Name, ErrNotUp)
	}
	return nil
}

type printer func(key, format string, args ...any)

func (c *Cluster) statusProcesses(line printer) (up bool, err error) {
	table := c.processes()
	names, err := table.Names()
	if err != nil {
		return false, err
	}
	up = len(names) > 0
	for _, name := range names {
		r, err := table.Find(name)
		if err != nil {
			return false, err
		}
		if !r.Alive() {
			line(name, "ended; see %s", filepath.Join(table.Logs, name+".log"))
			up = false
			continue
		}
		line(name, "process %d", r.PID)
	}
	return up, nil
}

func (c *Cluster) statusNetwork(ctx context.Context, s *Settings, line printer) bool {
	if r, err := c.processes().Find("kubelet"); err == nil && r.Alive() {
		line("go inside", "nsenter --target %d --mount --net", r.PID)
	}
	if !network.HasTable(ctx, s.Uplink) {
		line("uplink", "%s: the nftables table ip %s is missing", s.Uplink.Interface, s.Uplink.Table)
		return false
	}
	note := ""
	if network.DropsForwarded(ctx) {
		note = "; the host's firewall drops what is forwarded"
	}
	line("uplink", "%s, %s%s", s.Uplink.Interface, s.Uplink.Subnet, note)
	return true
}

func (c *Cluster) statusNode(ctx context.Context, s *Settings, line printer) bool {
	api, err := kube.NewClient(s.server(), c.path("pki"), filepath.Join(s.Programs, "kubectl"), c.path("kubeconfig"))
	if err == nil {
		err = api.Condition(ctx, "/api/v1/nodes/"+node.Name, "Ready")
	}
	if err != nil {
		line("node", "not ready: %v", err)
		return false
	}
	line("node", "%s is ready", node.Name)
	return true
}

// Load imports archives of images into the node and prints the images' names.
func Load(ctx context.Context, c *Cluster, archives []string, out io.Writer) error {
	s, err := c.existing()
	if err != nil {
		return err
	}
	for _, path := range archives {
		refs, err := images.Refs(path)
		if err != nil {
			return err
		}
		if !s.Simulated {
			if err := c.importArchive(ctx, path, host.Snapshotter(c.Dir), refs); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(out, strings.Join(refs, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// Env prints lines for a shell that make kubectl and helm speak to the cluster.
func Env(c *Cluster, out io.Writer) error {
	s, err := c.existing()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", c.path("kubeconfig"), s.Programs)
	return err
}
