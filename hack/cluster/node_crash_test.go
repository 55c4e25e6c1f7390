// SPDX-License-Identifier: Apache-2.0

//go:build node

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/berth-dev/berth/hack/cluster/internal/process"
)

func newListener(address string) (net.Listener, error) { return net.Listen("tcp4", address) }

// testCrash kills every program at once, as a machine out of memory might.
func (r *rig) testCrash() {
	for name, pid := range r.processes() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			r.Fatalf("killing %s: %v", name, err)
		}
	}
	for name, pid := range r.processes() {
		r.eventually("the end of "+name, func() error {
			if _, err := process.Known(pid); err == nil {
				return errors.New("it is there")
			}
			return nil
		})
	}
	r.up()
	r.kubectl("", "-n", "probes", "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
	r.eventually("exec after the crash", func() error {
		out, err := r.tryKubectl("", "-n", "probes", "exec", "web", "--", "/probe", "read", "/home/me/note")
		if err == nil && out != "kept" {
			return fmt.Errorf("the note is %q", out)
		}
		return err
	})
}

func (r *rig) testKeep() {
	r.cluster("down", "--keep")
	if _, err := os.Stat("/run/netns/" + testCluster); !errors.Is(err, fs.ErrNotExist) {
		r.Errorf("the network namespace is still there: %v", err)
	}
	r.up()
	r.eventually("the pod after down --keep and up", func() error {
		out, err := r.tryKubectl("", "-n", "probes", "exec", "web", "--", "/probe", "read", "/home/me/note")
		if err == nil && out != "kept" {
			return fmt.Errorf("the note is %q", out)
		}
		return err
	})
}

func (r *rig) testReclaim() {
	r.kubectl("", "delete", "namespace", "probes")
	r.eventually("the volume's folder to go", func() error {
		entries, err := os.ReadDir(filepath.Join(r.state, "volumes"))
		if err == nil && len(entries) > 0 {
			return fmt.Errorf("%s is there", entries[0].Name())
		}
		return err
	})
}

// testHalfUp takes the cluster away while its records lie: one program is gone,
// and the settings are as well.
func (r *rig) testHalfUp() {
	if err := syscall.Kill(r.processes()["containerd"], syscall.SIGKILL); err != nil {
		r.Fatal(err)
	}
	for _, name := range []string{"cluster.json", "processes"} {
		if err := os.RemoveAll(filepath.Join(r.state, name)); err != nil {
			r.Fatal(err)
		}
	}
	r.cluster("down")
	if out, err := exec.Command("pgrep", "-f", r.state).Output(); err == nil {
		r.Errorf("processes are left: %s", out)
	}
}

// processes gives the ids of the cluster's programs.
func (r *rig) processes() map[string]int {
	r.Helper()
	records, err := filepath.Glob(filepath.Join(r.state, "processes", "*.json"))
	if err != nil || len(records) == 0 {
		r.Fatalf("no process is recorded: %v", err)
	}
	pids := map[string]int{}
	for _, path := range records {
		content, err := os.ReadFile(path)
		var record struct{ PID int }
		if err := errors.Join(err, json.Unmarshal(content, &record)); err != nil {
			r.Fatalf("%s: %v", path, err)
		}
		pids[strings.TrimSuffix(filepath.Base(path), ".json")] = record.PID
	}
	return pids
}

func (r *rig) argv(name string) []string {
	r.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.processes()[name]), "cmdline"))
	if err != nil {
		r.Fatal(err)
	}
	return strings.Split(string(content), "\x00")
}

// footprint is all that a cluster might leave on the machine.
func (r *rig) footprint() map[string][]string {
	r.Helper()
	seen := map[string][]string{}
	for _, command := range [][]string{
		{"ip", "-o", "link", "show"}, {"ip", "-o", "addr", "show"}, {"ip", "route", "show", "table", "all"},
		{"ip", "netns", "list"}, {"nft", "list", "ruleset"}, {"pgrep", "-f", r.state},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		out, err := exec.Command(command[0], command[1:]...).Output()
		if err != nil && command[0] != "pgrep" {
			r.Fatalf("%v: %v", command, err)
		}
		seen[strings.Join(command, " ")] = lines(string(out))
	}
	for _, path := range []string{"/proc/self/mountinfo", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"} {
		content, err := os.ReadFile(path)
		if err != nil {
			r.Fatal(err)
		}
		seen[path] = lines(string(content))
	}
	for _, pattern := range []string{"/sys/fs/cgroup/*/", "/sys/fs/cgroup/*/*/", "/run/*", "/var/lib/*", "/var/lib/kubelet/*", "/var/lib/cni/*", "/var/log/containers/*", "/var/log/pods/*", "/run/containerd/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			r.Fatal(err)
		}
		seen[pattern] = found
	}
	return seen
}

// added lists what a footprint has and an earlier one had not.
func added(before, after map[string][]string) []string {
	var extra []string
	for where, entries := range after {
		for _, entry := range entries {
			if !slices.Contains(before[where], entry) {
				extra = append(extra, where+": "+entry)
			}
		}
	}
	slices.Sort(extra)
	return extra
}

func lines(text string) []string {
	split := strings.Split(strings.TrimSpace(text), "\n")
	slices.Sort(split)
	return split
}
