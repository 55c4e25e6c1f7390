// SPDX-License-Identifier: Apache-2.0

//go:build node

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSimulated starts the cluster that people without root get: no pod runs, but
// objects behave.
func TestSimulated(t *testing.T) {
	r := &rig{T: t, tool: filepath.Join(t.TempDir(), "cluster"), state: filepath.Join(t.TempDir(), "state")}
	if out, err := exec.Command("go", "build", "-o", r.tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		r.cluster("down")
		if out, err := exec.Command("pgrep", "-f", r.state).Output(); err == nil {
			t.Errorf("processes are left: %s", out)
		}
		if _, err := os.Stat(r.state); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the state folder is still there: %v", err)
		}
	})
	if out := r.up("--simulated"); !strings.Contains(out, "SIMULATED pods") || !strings.Contains(out, "apps, ssh and logs will not work") {
		t.Errorf("up does not say that pods are simulated:\n%s", out)
	}
	r.kubectl(probePod, "apply", "-f", "-")
	r.kubectl("", "-n", "probes", "wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
	r.want("the claim", r.kubectl("", "-n", "probes", "get", "pvc", "home", "-o", "jsonpath={.status.phase}"), "Bound")
	before := r.processes()
	r.up()
	if after := r.processes(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("up on a running cluster made %v of %v", after, before)
	}
	r.kubectl("", "delete", "namespace", "probes")
	r.eventually("the volume to go", func() error {
		out, err := r.tryKubectl("", "get", "pv", "-o", "name")
		if err == nil && out != "" {
			return fmt.Errorf("%s is there", out)
		}
		return err
	})
	r.cluster("status")
}
