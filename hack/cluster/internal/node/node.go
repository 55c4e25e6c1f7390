// SPDX-License-Identifier: Apache-2.0

// Package node says how each program of a cluster is run: its flags and its
// configuration. It writes files and gives process specs; starting them, in
// which order and inside what, belongs to package cluster.
package node

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/kube"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/pki"
)

// Name is the node's name in every cluster.
const Name = "node1"

// PauseImage is the sandbox of every pod.
const PauseImage = "cluster.berth.dev/pause:local"

// Config is what the programs of one cluster are told.
type Config struct {
	// Cluster is the cluster's name, in kubeconfigs.
	Cluster string
	// Dir is the state folder, Bin the folder with the programs.
	Dir, Bin string
	// API is where kube-apiserver listens, as seen by the other programs.
	API netip.AddrPort
	// EtcdPort and EtcdPeerPort are on 127.0.0.1.
	EtcdPort, EtcdPeerPort uint16
	// Simulated says that there is no real node: kwok plays it.
	Simulated bool
	// Audit writes an audit log; AuditPolicy is a file that says what goes in,
	// empty for the metadata of everything.
	Audit       bool
	AuditPolicy string
	// APIServerArgs and KubeletArgs are further flags.
	APIServerArgs, KubeletArgs []string
	// Cgroup is the folder below each cgroup hierarchy that pods run in.
	Cgroup string
	// CNIDir has the network plugins.
	CNIDir string
	// Snapshotter is containerd's.
	Snapshotter string
}

func (c Config) path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir}, parts...)...)
}
func (c Config) cert(name string) string { return c.path("pki", name) }
func (c Config) bin(name string) string  { return filepath.Join(c.Bin, name) }

// KubeConfig is the path of the kubeconfig that a program of the cluster uses.
func (c Config) KubeConfig(user string) string { return c.path("etc", user+".kubeconfig") }

// Socket is where containerd listens.
func (c Config) Socket() string { return c.path("containerd.sock") }

// AuditLog is where kube-apiserver writes, if Audit is set.
func (c Config) AuditLog() string { return c.path("log", "audit.log") }

// Mounts lists what the node sees at the usual places, by the place: everything
// it writes stays in the state folder.
func (c Config) Mounts() map[string]string {
	return map[string]string{
		"/run/containerd":     c.path("run-containerd"),
		"/var/lib/kubelet":    c.path("kubelet"),
		"/var/lib/cni":        c.path("cni-state"),
		"/var/log/pods":       c.path("log", "pods"),
		"/var/log/containers": c.path("log", "containers"),
	}
}

// Volumes is the folder that dynamic volumes lie in.
func (c Config) Volumes() string { return c.path("volumes") }

// ResolvConf is what the node's programs resolve names with.
func (c Config) ResolvConf() string { return c.path("etc", "resolv.conf") }

// env is the environment of programs of the cluster: nothing of the caller's,
// so that a cluster does not depend on who starts it.
func (c Config) env() []string {
	return []string{"PATH=" + c.Bin + ":" + host.SearchPath, "HOME=" + c.Dir, "TMPDIR=/tmp"}
}

// WriteKeys makes the certificates and the kubeconfigs of the programs. external
// is the API's URL for people, written to the state folder's kubeconfig.
func (c Config) WriteKeys(external string) error {
	service := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	leaves := []pki.Leaf{
		{Name: "apiserver", CA: "ca", User: "kube-apiserver",
			Hosts: append([]string{"localhost", "127.0.0.1", network.ServiceAddress, network.NodeAddress}, service...)},
		{Name: "admin", CA: "ca", User: "admin", Group: "system:masters"},
		{Name: "kubelet", CA: "ca", User: "system:node:" + Name, Group: "system:nodes",
			Hosts: []string{Name, "127.0.0.1", network.NodeAddress}},
		{Name: "controller-manager", CA: "ca", User: "system:kube-controller-manager"},
		{Name: "scheduler", CA: "ca", User: "system:kube-scheduler"},
		{Name: "proxy", CA: "ca", User: "system:kube-proxy"},
		{Name: "front-proxy", CA: "front-proxy-ca", User: "front-proxy"},
	}
	if err := pki.Ensure(c.path("pki"), []string{"ca", "front-proxy-ca"}, leaves); err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("etc"), 0o755); err != nil {
		return err
	}
	for _, user := range []string{"kubelet", "controller-manager", "scheduler", "proxy", "admin"} {
		if err := kube.WriteConfig(c.KubeConfig(user), c.Cluster, "https://"+c.API.String(), c.path("pki"), user); err != nil {
			return err
		}
	}
	return kube.WriteConfig(c.path("kubeconfig"), c.Cluster, external, c.path("pki"), "admin")
}

func port(n uint16) string { return strconv.Itoa(int(n)) }

func loopback(n uint16) string { return fmt.Sprintf("127.0.0.1:%d", n) }
