// SPDX-License-Identifier: Apache-2.0

// Package cluster starts, finds, describes and removes one local cluster. It
// owns the order of things and the state folder; how each program is run, and
// what the network and the images are, belongs to the packages beside it.
package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/berth-dev/berth/hack/cluster/internal/forward"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
)

// Settings is what a cluster was started with; it lies in its state folder, so
// that the next start needs no flags.
type Settings struct {
	Name string `json:"name"`
	// Simulated says that no pod really runs.
	Simulated bool `json:"simulated"`
	// Port is the API's on the host's 127.0.0.1.
	Port uint16 `json:"port"`
	// Forwards are further ports of the host, in the form of forward.Parse.
	Forwards []string `json:"forwards,omitempty"`
	// EtcdPort and EtcdPeerPort are on 127.0.0.1 of where etcd runs.
	EtcdPort     uint16 `json:"etcdPort"`
	EtcdPeerPort uint16 `json:"etcdPeerPort"`
	// Audit, AuditPolicy, APIServerArgs and KubeletArgs are as in node.Config.
	Audit         bool     `json:"audit,omitempty"`
	AuditPolicy   string   `json:"auditPolicy,omitempty"`
	APIServerArgs []string `json:"apiServerArgs,omitempty"`
	KubeletArgs   []string `json:"kubeletArgs,omitempty"`
	// Programs is the folder of the programs, Mounts the id of the node's mount
	// namespace, Uplink its way out and Images what was imported, by name.
	Programs string            `json:"programs,omitempty"`
	Mounts   uint64            `json:"mounts,omitempty"`
	Uplink   network.Uplink    `json:"uplink"`
	Images   map[string]string `json:"images,omitempty"`
}

// Cluster is one cluster by its name and place.
type Cluster struct {
	Name string
	// Dir is the state folder, absolute.
	Dir string
}

// At names a cluster. Without a state folder it is the one that the machine
// knows for the name, or else below the user's own state folder.
func At(name, dir string) (*Cluster, error) {
	if !regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`).MatchString(name) {
		return nil, fmt.Errorf("the name %q must be 1 to 30 lower case letters, digits and dashes, beginning with a letter", name)
	}
	c := &Cluster{Name: name, Dir: dir}
	if c.Dir == "" {
		registry, err := host.Read()
		if err != nil {
			return nil, err
		}
		c.Dir = registry.Clusters[c.slug()].State
	}
	if c.Dir == "" {
		base := os.Getenv("XDG_STATE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("no place for the cluster's state: give --state, or set XDG_STATE_HOME or HOME: %w", err)
			}
			base = filepath.Join(home, ".local", "state")
		}
		c.Dir = filepath.Join(base, "berth", name)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	c.Dir = dir
	// A socket's path has at most 107 characters.
	if len(dir) > 80 {
		return nil, fmt.Errorf("the state folder %s has a path of %d characters; at most 80 leave room for the sockets in it", dir, len(dir))
	}
	if strings.ContainsAny(dir, " \t\n\"'\\:,") {
		return nil, fmt.Errorf("the state folder %q has a space, quote, colon, comma or backslash in its path, which mounts cannot have", dir)
	}
	return c, nil
}

// slug is the name of all that the host sees of the cluster: its network
// namespace, nftables table and cgroups.
func (c *Cluster) slug() string {
	if c.Name == "berth" || strings.HasPrefix(c.Name, "berth-") {
		return c.Name
	}
	return "berth-" + c.Name
}

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir}, parts...)...)
}

func (c *Cluster) processes() *process.Table {
	return &process.Table{Records: c.path("processes"), Logs: c.path("log"), Mark: "BERTH_CLUSTER=" + c.Dir}
}

// load reads the settings; the error is fs.ErrNotExist if there are none.
func (c *Cluster) load() (*Settings, error) {
	content, err := os.ReadFile(c.path("cluster.json"))
	if err != nil {
		return nil, err
	}
	var s Settings
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", c.path("cluster.json"), err)
	}
	if s.Name != c.Name {
		return nil, fmt.Errorf("%s is the state of a cluster named %q, not %q", c.Dir, s.Name, c.Name)
	}
	return &s, nil
}

func (c *Cluster) save(s *Settings) error {
	if err := c.makeDir(); err != nil {
		return err
	}
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	temp := c.path("cluster.json.new")
	if err := os.WriteFile(temp, append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, c.path("cluster.json"))
}

// makeDir makes the state folder, unless it is one of something else.
func (c *Cluster) makeDir() error {
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(c.path("cluster.json")); err != nil {
			return fmt.Errorf("the state folder %s is not empty and has no cluster in it; give another with --state", c.Dir)
		}
		return nil
	}
	// Pods that are not root reach their volumes through it.
	return os.MkdirAll(c.Dir, 0o755)
}

// rules lists all that the forwarder serves.
func (s *Settings) rules() ([]forward.Rule, error) {
	node := netip.MustParseAddr(network.NodeAddress)
	rules := []forward.Rule{{
		Listen: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), s.Port),
		Target: netip.AddrPortFrom(node, network.APIPort),
	}}
	for _, text := range s.Forwards {
		r, err := forward.Parse(text, node)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// server is the API's URL on the host.
func (s *Settings) server() string { return fmt.Sprintf("https://127.0.0.1:%d", s.Port) }
