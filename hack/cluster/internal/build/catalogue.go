// SPDX-License-Identifier: Apache-2.0

// Package build compiles the programs of the local cluster from the Go module
// proxy into a cache that all checkouts share. It owns which programs there
// are, how each is compiled, the cache's layout and the progress that a person
// sees. It does not know how the programs are run.
package build

import (
	"fmt"
	"strings"
	"time"
)

// Component is a module below build/ that pins one upstream module, or holds
// source of our own, and from which one or several programs are compiled.
type Component struct {
	// Name is the folder below build/ and the first part of the cache's folder.
	Name string
	// Module is the path of the upstream module whose version the component
	// has; empty for our own sources.
	Module string
}

// Program is one file in the cache: an executable, or data of a module that an
// executable needs at run time.
type Program struct {
	// Name is the file's name.
	Name string
	// Component is the module that the program is compiled in.
	Component Component
	// Package is the import path of the main package; empty for data.
	Package string
	// Tags are the build tags, separated by commas.
	Tags string
	// Stamp gives the linker's -X assignments for a version such as "v1.2.3".
	Stamp func(version string) []string
	// Data lists files of the upstream module that are joined, as YAML
	// documents, into this one file.
	Data []string
	// Typical is what a build takes on two cores after those that stand before
	// it in the catalogue; it is only an estimate for the progress line.
	Typical time.Duration
}

// Set is a named group of programs that are made findable in one folder.
type Set string

const (
	// Assets is what a test control plane needs (KUBEBUILDER_ASSETS), and the clients that tests use on it.
	Assets Set = "assets"
	// Simulated is what a cluster without real pods needs.
	Simulated Set = "simulated"
	// Node is what a cluster with one real node needs.
	Node Set = "node"
)

// Programs lists what a set holds, in the order in which it is best built.
func (s Set) Programs() ([]Program, error) {
	names := map[Set][]string{
		Assets: {"etcd", "kube-apiserver", "kubectl", "helm"},
		Simulated: {"etcd", "kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler",
			"helm", "local-path-provisioner", "kwok", "kwok-stages.yaml"},
		Node: {"etcd", "kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet",
			"kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "helm", "coredns",
			"local-path-provisioner", "pause", "volume"},
	}[s]
	if names == nil {
		return nil, fmt.Errorf("there is no set of programs named %q", s)
	}
	return Named(names...)
}

// Named picks programs of the catalogue, in the catalogue's order. The error
// names the first one that is not in it.
func Named(names ...string) ([]Program, error) {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	var picked []Program
	for _, p := range Catalogue() {
		if wanted[p.Name] {
			picked = append(picked, p)
			delete(wanted, p.Name)
		}
	}
	for _, n := range names {
		if wanted[n] {
			return nil, fmt.Errorf("%q is no program of the cluster; there are: %s", n, strings.Join(catalogueNames(), ", "))
		}
	}
	return picked, nil
}

func catalogueNames() []string {
	var names []string
	for _, p := range Catalogue() {
		names = append(names, p.Name)
	}
	return names
}

// Catalogue lists all programs, ordered so that tests of the API get theirs
// first and each build profits from the one before it.
func Catalogue() []Program {
	etcd := Component{Name: "etcd", Module: "go.etcd.io/etcd/server/v3"}
	containerd := Component{Name: "containerd", Module: "github.com/containerd/containerd/v2"}
	helm := Component{Name: "helm", Module: "helm.sh/helm/v3"}
	coredns := Component{Name: "coredns", Module: "github.com/coredns/coredns"}
	localPath := Component{Name: "local-path-provisioner", Module: "github.com/rancher/local-path-provisioner"}
	kwok := Component{Name: "kwok", Module: "sigs.k8s.io/kwok"}
	node := Component{Name: "node"}

	kubernetes := func(name string, typical time.Duration) Program {
		c := Component{Name: "kubernetes", Module: "k8s.io/kubernetes"}
		return Program{Name: name, Component: c, Package: c.Module + "/cmd/" + name, Stamp: stampKubernetes, Typical: typical}
	}
	ofContainerd := func(name string, typical time.Duration) Program {
		return Program{
			Name: name, Component: containerd, Package: containerd.Module + "/cmd/" + name,
			Tags: "no_btrfs,no_zfs,no_devmapper", Stamp: stamp(containerd.Module + "/version.Version"), Typical: typical,
		}
	}
	return []Program{
		{Name: "etcd", Component: etcd, Package: etcd.Module, Typical: 75 * time.Second},
		kubernetes("kube-apiserver", 6*time.Minute),
		kubernetes("kubectl", 35*time.Second),
		kubernetes("kube-controller-manager", 50*time.Second),
		kubernetes("kube-scheduler", 20*time.Second),
		kubernetes("kubelet", 110*time.Second),
		kubernetes("kube-proxy", 20*time.Second),
		ofContainerd("containerd", 65*time.Second),
		ofContainerd("containerd-shim-runc-v2", 5*time.Second),
		ofContainerd("ctr", 5*time.Second),
		{Name: "helm", Component: helm, Package: helm.Module + "/cmd/helm",
			Stamp: stamp(helm.Module + "/internal/version.version"), Typical: 100 * time.Second},
		{Name: "coredns", Component: coredns, Package: coredns.Module, Typical: 125 * time.Second},
		{Name: "local-path-provisioner", Component: localPath, Package: localPath.Module,
			Stamp: stamp("main.VERSION"), Typical: 60 * time.Second},
		{Name: "kwok", Component: kwok, Package: kwok.Module + "/cmd/kwok", Typical: 80 * time.Second},
		{Name: "kwok-stages.yaml", Component: kwok, Data: []string{
			"kustomize/stage/node/fast/node-initialize.yaml",
			"kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
			"kustomize/stage/pod/fast/pod-ready.yaml",
			"kustomize/stage/pod/fast/pod-complete.yaml",
			"kustomize/stage/pod/fast/pod-delete.yaml",
		}},
		{Name: "pause", Component: node, Package: "./pause", Typical: time.Second},
		{Name: "volume", Component: node, Package: "./volume", Typical: time.Second},
	}
}

// stamp writes the version into one variable.
func stamp(variable string) func(string) []string {
	return func(version string) []string { return []string{variable + "=" + version} }
}

// stampKubernetes writes what /version answers and what kubectl compares.
func stampKubernetes(version string) []string {
	const pkg = "k8s.io/component-base/version."
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	return []string{pkg + "gitVersion=" + version, pkg + "gitMajor=" + major, pkg + "gitMinor=" + minor}
}
