// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/await"
	"github.com/berth-dev/berth/hack/cluster/internal/build"
	"github.com/berth-dev/berth/hack/cluster/internal/forward"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/kube"
	"github.com/berth-dev/berth/hack/cluster/internal/node"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
)

// DefaultPort is the API's on the host unless another is chosen.
const DefaultPort = 16443

// Change is what a start may set; nil leaves what the cluster had, or the
// default for a new one.
type Change struct {
	Port          *uint16
	Forwards      *[]string
	Audit         *bool
	AuditPolicy   *string
	APIServerArgs *[]string
	KubeletArgs   *[]string
	// Simulated asks for simulated pods where real ones were possible.
	Simulated bool
}

// Starter brings a cluster up.
type Starter struct {
	Builder *build.Builder
	// Out takes a line for each step.
	Out io.Writer
	// Self is the path of this program, which also is the forwarder.
	Self string
}

// start is one run of Up.
type start struct {
	*Starter
	*Cluster
	settings *Settings
	config   node.Config
	table    *process.Table
	api      *kube.Client
	// own is the copy of this program in the state folder.
	own string
	// enter is how a program gets to where the cluster lives; nil is here.
	enter func(func() error) error
}

// Up starts the cluster, or what is missing of one that runs, and waits until it
// is of use. It may be called any number of times.
func (st *Starter) Up(ctx context.Context, c *Cluster, change Change) error {
	release, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	s := &start{Starter: st, Cluster: c, table: c.processes()}
	if err := s.clearRemains(ctx); err != nil {
		return err
	}
	if err := s.settle(change); err != nil {
		return err
	}
	if s.settings.Simulated {
		return s.upSimulated(ctx)
	}
	return s.upReal(ctx)
}

// lock lets one command at a time work on the cluster. The lock is a file beside
// the state folder, which down removes.
func (c *Cluster) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(c.Dir), 0o755); err != nil {
		return nil, err
	}
	path := c.Dir + ".lock"
	var f *os.File
	take := func(context.Context) error {
		var err error
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
			return await.Final{Err: err}
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return errors.Join(errors.New("another command works on the cluster"), f.Close())
		}
		// Whoever held it before removed the file.
		held, err := f.Stat()
		if err != nil {
			return await.Final{Err: err}
		}
		if now, err := os.Stat(path); err != nil || !os.SameFile(held, now) {
			return errors.Join(errors.New("the lock was just given back"), f.Close())
		}
		return nil
	}
	if err := await.Until(ctx, "the end of another command on cluster "+c.Name, 30*time.Minute, take); err != nil {
		return nil, err
	}
	return func() {
		os.Remove(path) //nolint:errcheck // a file that stays is harmless
		f.Close()       //nolint:errcheck // closing only gives the lock back
	}, nil
}

// clearRemains takes away what is left of a cluster whose state folder was
// removed while it ran.
func (s *start) clearRemains(ctx context.Context) error {
	if _, err := s.load(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	registry, err := host.Read()
	if err != nil {
		return err
	}
	claim, claimed := registry.Clusters[s.slug()]
	if claimed && claim.State != s.Dir {
		return fmt.Errorf("a cluster %s runs already, with its state in %s; choose another --name, or take it down", s.Name, claim.State)
	}
	left, err := s.table.Marked()
	if err != nil || !claimed && len(left) == 0 {
		return err
	}
	if err := s.say("the state of cluster %s was removed while it ran; taking the rest away", s.Name); err != nil {
		return err
	}
	return s.stop(ctx, claimed)
}

// settle decides what the cluster is: what it was, with the changes.
func (s *start) settle(change Change) error {
	settings, err := s.load()
	if errors.Is(err, fs.ErrNotExist) {
		settings, err = s.newSettings(change)
	}
	if err != nil {
		return err
	}
	if change.Simulated && !settings.Simulated {
		return fmt.Errorf("cluster %s has real pods; take it down first, or choose another --name", s.Name)
	}
	set(&settings.Port, change.Port)
	set(&settings.Forwards, change.Forwards)
	set(&settings.Audit, change.Audit)
	set(&settings.AuditPolicy, change.AuditPolicy)
	set(&settings.APIServerArgs, change.APIServerArgs)
	set(&settings.KubeletArgs, change.KubeletArgs)
	rules, err := settings.rules()
	if err != nil {
		return err
	}
	s.settings = settings
	if settings.Simulated {
		rules = rules[:1]
	}
	return s.checkPorts(settings, rules)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (s *start) newSettings(change Change) (*Settings, error) {
	settings := &Settings{Name: s.Name, Port: DefaultPort, EtcdPort: 2379, EtcdPeerPort: 2380, Simulated: change.Simulated}
	if reason := host.CanRunPods(); reason != nil {
		settings.Simulated = true
	}
	if settings.Simulated {
		for _, port := range []*uint16{&settings.EtcdPort, &settings.EtcdPeerPort} {
			free, err := host.FreePort()
			if err != nil {
				return nil, err
			}
			*port = free
		}
	}
	return settings, nil
}

// checkPorts fails if someone else has a port that this cluster is to serve.
func (s *start) checkPorts(settings *Settings, wanted []forward.Rule) error {
	owner := "forwarder"
	if settings.Simulated {
		owner = "kube-apiserver"
	}
	var ours []netip.AddrPort
	if r, err := s.table.Find(owner); err == nil && r.Alive() {
		old, err := s.load()
		if err != nil {
			return err
		}
		rules, err := old.rules()
		if err != nil {
			return err
		}
		for _, r := range rules {
			ours = append(ours, r.Listen)
		}
	}
	for i, rule := range wanted {
		if slices.Contains(ours, rule.Listen) {
			continue
		}
		if err := host.PortFree(rule.Listen); err != nil {
			flag := "--forward"
			if i == 0 {
				flag = "--port"
			}
			return fmt.Errorf("%w; choose another with %s", err, flag)
		}
	}
	return nil
}

// nodeConfig is the configuration for programs that find the API at that place.
func (s *start) nodeConfig(api netip.Addr, port uint16) node.Config {
	return node.Config{
		Cluster: s.slug(), Dir: s.Dir, Bin: s.settings.Programs, API: netip.AddrPortFrom(api, port),
		EtcdPort: s.settings.EtcdPort, EtcdPeerPort: s.settings.EtcdPeerPort, Simulated: s.settings.Simulated,
		Audit: s.settings.Audit, AuditPolicy: s.settings.AuditPolicy,
		APIServerArgs: s.settings.APIServerArgs, KubeletArgs: s.settings.KubeletArgs,
		Cgroup: s.slug(), CNIDir: host.CNIDir(), Snapshotter: host.Snapshotter(s.Dir),
	}
}

// controlPlane starts etcd, kube-apiserver, the controllers and the scheduler,
// and waits for the API. meanwhile is run while the API server starts.
func (s *start) controlPlane(ctx context.Context, meanwhile func() error) error {
	apiServer, err := s.config.APIServer()
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, s.config.Etcd()); err != nil {
		return err
	}
	if err := s.ensure(ctx, apiServer); err != nil {
		return err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	s.api, err = kube.NewClient(s.settings.server(), s.path("pki"), filepath.Join(s.settings.Programs, "kubectl"), s.path("kubeconfig"))
	if err != nil {
		return err
	}
	err = await.Until(ctx, "the Kubernetes API", 2*time.Minute, func(ctx context.Context) error {
		if err := errors.Join(s.table.Check("etcd"), s.table.Check("kube-apiserver")); err != nil {
			return err
		}
		return s.api.Get(ctx, "/readyz", nil)
	})
	if err != nil {
		return err
	}
	for _, spec := range []process.Spec{s.config.ControllerManager(), s.config.Scheduler()} {
		if err := s.ensure(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

// ensure starts a program where the cluster lives and says so.
func (s *start) ensure(ctx context.Context, spec process.Spec) error {
	spec.Enter = s.enter
	return s.ensureHere(ctx, spec)
}

// ensureHere starts a program outside of the cluster's namespaces.
func (s *start) ensureHere(ctx context.Context, spec process.Spec) error {
	_, wasRecorded := s.table.Find(spec.Name)
	started, err := s.table.Ensure(ctx, spec)
	if err != nil {
		return err
	}
	if started && wasRecorded == nil {
		return s.say("%s: started again", spec.Name)
	}
	return nil
}

// nodeReady waits for the node and for what the first pod needs; by is the
// program that makes the node ready.
func (s *start) nodeReady(ctx context.Context, by string) error {
	err := await.Until(ctx, "the node", 2*time.Minute, func(ctx context.Context) error {
		if err := s.table.Check(by); err != nil {
			return err
		}
		return s.api.Condition(ctx, "/api/v1/nodes/"+node.Name, "Ready")
	})
	if err != nil {
		return err
	}
	return await.Until(ctx, "the first service account", time.Minute, func(ctx context.Context) error {
		if err := s.table.Check("kube-controller-manager"); err != nil {
			return err
		}
		return s.api.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil)
	})
}

func (s *start) done(began time.Time) error {
	if err := s.say("cluster %s is up (%s)", s.Name, time.Since(began).Round(100*time.Millisecond)); err != nil {
		return err
	}
	return s.say("  API         %s\n  KUBECONFIG  %s", s.settings.server(), s.path("kubeconfig"))
}

func (s *start) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Out, format+"\n", args...)
	return err
}
