// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/berth-dev/berth/controllers"
)

// managerCommand has the program be the manager that is measured, with a door for what is asked of it.
const managerCommand = "manager"

// stats is what the manager tells of itself.
type stats struct {
	// Heap is what a collection just left, in bytes.
	Heap uint64 `json:"heap"`
	// Reconciles has, by the controller's name, how many reconciles took about so many seconds.
	Reconciles map[string]map[string]uint64 `json:"reconciles"`
	// Requests has how often the manager asked for what, by method and resource.
	Requests map[string]int `json:"requests"`
}

// runManager is the manager's process: the controllers as berth-manager runs them, and /stats and /debug/pprof/ beside them.
func runManager(args []string) error {
	flags := flag.NewFlagSet(managerCommand, flag.ContinueOnError)
	address := flags.String("stats", "", "where /stats is served")
	kubeconfig := flags.String("kubeconfig", "", "how the cluster is reached")
	if err := flags.Parse(args); err != nil {
		return err
	}
	runtime.MemProfileRate = 32 << 10 // fine enough for what a few thousand small objects keep
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil)))
	if err := os.Setenv("KUBECONFIG", *kubeconfig); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	counted := &requests{of: map[string]int{}}
	config.Wrap(counted.count)
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		s, err := readStats()
		if err == nil {
			s.Requests = counted.read()
			err = json.NewEncoder(w).Encode(s)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	ctx := ctrl.SetupSignalHandler()
	server := &http.Server{Addr: *address, Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close() // the process ends
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	err = controllers.Run(ctx, config, controllers.Options{
		Namespace: system, ServiceAccount: "berth-manager", AgentImage: "registry.example/berth:bench", Worker: "bench",
		MetricsAddress: "0", HealthAddress: "0", StartsAtOnce: 1000,
	})
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// readStats collects the garbage first, twice, since what finalizers keep goes with the second time only.
func readStats() (*stats, error) {
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	families, err := metrics.Registry.Gather()
	if err != nil {
		return nil, err
	}
	s := &stats{Heap: memory.HeapAlloc, Reconciles: map[string]map[string]uint64{}}
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_time_seconds" {
			continue
		}
		for _, m := range family.GetMetric() {
			s.Reconciles[label(m, "controller")] = buckets(m.GetHistogram())
		}
	}
	return s, nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// manager is the process that is measured.
type manager struct {
	command *exec.Cmd
	address string
}

// startManager starts the manager as that user. It ends with ctx.
func startManager(ctx context.Context, dir string, config *rest.Config) (*manager, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(asKubeconfig(config), kubeconfig); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(os.TempDir(), "berth-bench-manager.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	c := exec.CommandContext(ctx, self, managerCommand, "-stats", address, "-kubeconfig", kubeconfig)
	c.Stdout, c.Stderr = log, log
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = time.Minute
	if err := c.Start(); err != nil {
		return nil, err
	}
	m := &manager{command: c, address: address}
	return m, until(ctx, func() (bool, error) {
		_, err := m.stats(ctx)
		return err == nil, err
	})
}

// stats asks the manager about itself.
func (m *manager) stats(ctx context.Context) (*stats, error) {
	s := &stats{}
	return s, fetch(ctx, http.DefaultClient, "http://"+m.address+"/stats", func(body io.Reader) error { return json.NewDecoder(body).Decode(s) })
}

// wait waits until the process has ended, as its context asks it to.
func (m *manager) wait() error {
	err := m.command.Wait()
	var ended *exec.ExitError
	if errors.Is(err, context.Canceled) || errors.As(err, &ended) && ended.ExitCode() == -1 {
		return nil // it was told to
	}
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func asKubeconfig(c *rest.Config) clientcmdapi.Config {
	k := clientcmdapi.NewConfig()
	k.Clusters["bench"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	k.AuthInfos["bench"] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}
	k.Contexts["bench"] = &clientcmdapi.Context{Cluster: "bench", AuthInfo: "bench"}
	k.CurrentContext = "bench"
	return *k
}
