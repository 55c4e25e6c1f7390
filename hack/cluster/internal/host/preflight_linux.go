// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// CanRunPods says why this process cannot run real pods; nil if it can try.
func CanRunPods() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	for name, bit := range map[string]uint{"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN} {
		if data[bit/32].Effective&(1<<(bit%32)) == 0 {
			return fmt.Errorf("root without %s, as in a container", name)
		}
	}
	return nil
}

// CheckKernel says all that the kernel lacks for a node.
func CheckKernel(ctx context.Context) error {
	// Modules load on demand mostly; these two do not.
	for _, module := range []string{"overlay", "br_netfilter"} {
		exec.CommandContext(ctx, "modprobe", "--quiet", module).Run() //nolint:errcheck // it may be built in; the checks below decide
	}
	var lacks []error
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		lacks = append(lacks, errors.New("the kernel has no br_netfilter (CONFIG_BRIDGE_NETFILTER), which Services need"))
	}
	if _, err := os.Stat("/proc/self/ns/net"); err != nil {
		lacks = append(lacks, errors.New("the kernel has no network namespaces (CONFIG_NET_NS)"))
	}
	return errors.Join(append(lacks, checkCgroups())...)
}

func checkCgroups() error {
	if unified() {
		content, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		return lacking("/sys/fs/cgroup/cgroup.controllers", strings.Fields(string(content)), "cpuset", "cpu", "memory", "pids")
	}
	entries, err := os.ReadDir("/sys/fs/cgroup")
	if err != nil || len(entries) == 0 {
		return errors.New("no cgroups are mounted at /sys/fs/cgroup; a system with systemd mounts them, in a container start it with them")
	}
	var controllers []string
	for _, e := range entries {
		controllers = append(controllers, strings.Split(e.Name(), ",")...)
	}
	return lacking("/sys/fs/cgroup", controllers, "cpuset", "cpu", "cpuacct", "memory", "pids", "devices", "freezer")
}

func lacking(where string, have []string, want ...string) error {
	var lacks []string
	for _, w := range want {
		if !slices.Contains(have, w) {
			lacks = append(lacks, w)
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("%s lacks the cgroup controllers %s", where, strings.Join(lacks, ", "))
	}
	return nil
}

func unified() bool {
	var st unix.Statfs_t
	return unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// CheckDisk fails if the file system of path has less than this many gigabytes free.
func CheckDisk(path string, gigabytes uint64, what string) error {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			break
		}
		path = filepath.Dir(path)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", path, err)
	}
	if free := st.Bavail * uint64(st.Bsize) >> 30; free < gigabytes {
		return fmt.Errorf("%s needs %d GB on the disk of %s, which has %d GB free", what, gigabytes, path, free)
	}
	return nil
}

// Snapshotter is containerd's way of making root file systems that works in dir:
// an overlay cannot lie on another overlay.
func Snapshotter(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native"
	}
	return "overlayfs"
}

func unmount(path string) error { return unix.Unmount(path, 0) }
