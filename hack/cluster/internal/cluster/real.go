// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/addons"
	"github.com/berth-dev/berth/hack/cluster/internal/await"
	"github.com/berth-dev/berth/hack/cluster/internal/build"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
	"github.com/berth-dev/berth/hack/cluster/internal/space"
)

// upReal starts a node of real pods in namespaces of its own.
func (s *start) upReal(ctx context.Context) error {
	if reason := host.CanRunPods(); reason != nil {
		return fmt.Errorf("cluster %s has real pods, which this user cannot run: %w", s.Name, reason)
	}
	if err := errors.Join(host.CheckKernel(ctx), host.CheckDisk(s.Dir, 2, "the cluster's state")); err != nil {
		return err
	}
	if err := host.InstallMissing(ctx, s.Out); err != nil {
		return err
	}
	bin, err := s.Builder.EnsureSet(ctx, build.Node)
	if err != nil {
		return err
	}
	began := time.Now()
	s.settings.Programs = bin
	archives, err := s.archives()
	if err != nil {
		return err
	}
	s.config = s.nodeConfig(netip.MustParseAddr(network.NodeAddress), network.APIPort)
	if err := errors.Join(s.save(s.settings), s.config.WriteKeys(s.settings.server())); err != nil {
		return err
	}
	if err := s.enterSpace(ctx); err != nil {
		return err
	}
	if err := s.controlPlane(ctx, func() error { return s.runtime(ctx, archives) }); err != nil {
		return err
	}
	if err := s.worker(ctx); err != nil {
		return err
	}
	if err := s.addons(ctx, archives); err != nil {
		return err
	}
	if network.DropsForwarded(ctx) {
		if err := s.say("note: the host's firewall drops forwarded packets; pods reach the outside once it accepts those of %s", s.settings.Uplink.Interface); err != nil {
			return err
		}
	}
	return s.done(began)
}

// enterSpace claims the machine's resources and opens the node's namespaces. All
// programs that are started later run inside.
func (s *start) enterSpace(ctx context.Context) error {
	if err := s.claim(ctx); err != nil {
		return err
	}
	inside, err := space.Open(ctx, s.slug(), true)
	if err != nil {
		return err
	}
	if err := network.Up(ctx, inside, s.settings.Uplink); err != nil {
		return err
	}
	mounts, err := s.mounts()
	if err != nil {
		return err
	}
	if s.settings.Mounts, err = inside.OpenMounts(mounts, s.settings.Mounts); err != nil {
		return err
	}
	s.enter = inside.Enter
	return errors.Join(s.save(s.settings), host.Cgroups{Name: s.slug()}.Make())
}

// claim enters the cluster into the machine's registry, before anything of it
// can be seen on the host, so that down finds it whatever happens.
func (s *start) claim(ctx context.Context) error {
	taken, err := network.Taken(ctx)
	if err != nil {
		return err
	}
	return host.Change(func(r *host.Registry) error {
		mine, known := r.Clusters[s.slug()]
		if known && mine.State != s.Dir {
			return fmt.Errorf("a cluster %s runs already, with its state in %s; choose another --name, or take it down", s.Name, mine.State)
		}
		if _, err := os.Stat("/run/netns/" + s.slug()); err == nil && !known {
			return fmt.Errorf("the network namespace %s exists and belongs to something else; choose another --name", s.slug())
		}
		if !known {
			for _, other := range r.Clusters {
				taken = append(taken, other.Subnet)
			}
			uplink, err := network.NewUplink(s.slug(), taken)
			if err != nil {
				return err
			}
			s.settings.Uplink = uplink
			r.Clusters[s.slug()] = host.Claim{State: s.Dir, Subnet: uplink.Subnet}
		}
		for place := range s.config.Mounts() {
			if err := r.Folder(place); err != nil {
				return err
			}
		}
		return errors.Join(r.Namespace(), r.Forward())
	})
}

// mounts makes what the node sees instead of the host's own files.
func (s *start) mounts() ([]space.Mount, error) {
	var mounts []space.Mount
	for at, from := range s.config.Mounts() {
		if err := os.MkdirAll(from, 0o755); err != nil {
			return nil, err
		}
		mounts = append(mounts, space.Mount{From: from, At: at})
	}
	tunables, err := s.config.Tunables()
	if err != nil {
		return nil, err
	}
	for from, at := range tunables {
		mounts = append(mounts, space.Mount{From: from, At: at})
	}
	// The host's resolver may listen on a loopback that is not the node's.
	var lines strings.Builder
	for _, addr := range addons.HostResolvers() {
		fmt.Fprintf(&lines, "nameserver %s\n", addr)
	}
	if err := os.WriteFile(s.config.ResolvConf(), []byte(lines.String()), 0o644); err != nil {
		return nil, err
	}
	if _, err := os.Stat("/etc/resolv.conf"); err == nil {
		mounts = append(mounts, space.Mount{From: s.config.ResolvConf(), At: "/etc/resolv.conf"})
	}
	return mounts, os.MkdirAll(s.config.Volumes(), 0o755)
}

// runtime starts the forwarder and containerd, and imports the images.
func (s *start) runtime(ctx context.Context, archives []archive) error {
	rules, err := s.settings.rules()
	if err != nil {
		return err
	}
	program, err := s.ownCopy()
	if err != nil {
		return err
	}
	argv := []string{program, "forward", "--space", s.slug()}
	for _, r := range rules {
		argv = append(argv, r.String())
	}
	s.own = program
	forwarder := process.Spec{Name: "forwarder", Env: []string{"PATH=" + host.SearchPath}, Argv: argv, Inputs: []string{program}}
	if err := s.ensureHere(ctx, forwarder); err != nil {
		return err
	}
	containerd, err := s.config.Containerd(outsideSettings(os.Environ()))
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, containerd); err != nil {
		return err
	}
	err = await.Until(ctx, "containerd", time.Minute, func(ctx context.Context) error {
		if err := s.table.Check("containerd"); err != nil {
			return err
		}
		_, err := s.ctr(ctx, "version")
		return err
	})
	if err != nil {
		return err
	}
	return s.importMissing(ctx, archives)
}

// ownCopy is this program in the state folder: "go run" removes its own, and
// calls it by another path every time.
func (s *start) ownCopy() (string, error) {
	content, err := os.ReadFile(s.Self)
	if err != nil {
		return "", err
	}
	path := s.path("berth-cluster")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return path, nil
	}
	if err := os.WriteFile(path+".new", content, 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// worker starts the node's own programs and waits for it.
func (s *start) worker(ctx context.Context) error {
	kubelet, err := s.config.Kubelet()
	if err != nil {
		return err
	}
	proxy, err := s.config.Proxy()
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, kubelet); err != nil {
		return err
	}
	if err := s.ensure(ctx, proxy); err != nil {
		return err
	}
	policy := process.Spec{
		Name: "network-policy", Env: []string{"PATH=" + host.SearchPath}, Inputs: []string{s.own},
		Argv: []string{s.own, "policy", "--server", "https://" + s.config.API.String(), "--pki", s.path("pki")},
	}
	if err := s.ensure(ctx, policy); err != nil {
		return err
	}
	return s.nodeReady(ctx, "kubelet")
}

// room is what the node offers at least; 64Gi are for the scheduler's arithmetic,
// and a pod that takes more than the machine has is ended as on any node.
var room = addons.Room{Resources: []addons.Resource{{Name: "cpu", AtLeast: "16"}, {Name: "memory", AtLeast: "64Gi"}}}

// addons applies DNS, volumes and room and waits until they work.
func (s *start) addons(ctx context.Context, archives []archive) error {
	dns, err := addons.DNS{Image: ref("coredns", archives), Address: network.DNSAddress, Resolvers: addons.HostResolvers()}.Manifests()
	if err != nil {
		return err
	}
	volumes, err := addons.Volumes{Image: ref("local-path-provisioner", archives), HelperImage: ref("volume", archives), Folder: s.config.Volumes()}.Manifests()
	if err != nil {
		return err
	}
	size, err := room.Manifests()
	if err != nil {
		return err
	}
	if err := s.api.Apply(ctx, slices.Concat(dns, []byte("\n---\n"), volumes, []byte("\n---\n"), size)); err != nil {
		return err
	}
	for what, path := range map[string]string{
		"cluster DNS":     "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		"dynamic volumes": "/apis/apps/v1/namespaces/local-path-storage/deployments/local-path-provisioner",
	} {
		err := await.Until(ctx, what, 2*time.Minute, func(ctx context.Context) error { return s.api.Available(ctx, path) })
		if err != nil {
			return err
		}
	}
	return nil
}

// outsideSettings picks what leads the caller to the outside and a node can use
// as well: certificates, and proxies, but not those on this machine's loopback,
// which is not the node's.
func outsideSettings(environ []string) []string {
	var picked []string
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		switch strings.ToUpper(key) {
		case "HTTP_PROXY", "HTTPS_PROXY":
			if value != "" && !strings.Contains(value, "//127.") && !strings.Contains(value, "//localhost") && !strings.Contains(value, "//[::1]") {
				picked = append(picked, entry)
			}
		case "SSL_CERT_FILE", "SSL_CERT_DIR":
			picked = append(picked, entry)
		case "NO_PROXY":
			picked = append(picked, entry+","+strings.Join([]string{network.ServiceCIDR, network.ClusterCIDR, network.NodeAddress, "127.0.0.1", "localhost", ".svc", ".cluster.local"}, ","))
		}
	}
	slices.Sort(picked)
	return picked
}
