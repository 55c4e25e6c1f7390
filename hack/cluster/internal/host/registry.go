// SPDX-License-Identifier: Apache-2.0

// Package host looks after the machine that clusters run on: what it must have
// (packages, kernel features, free ports), and what clusters borrow from it and
// the last one gives back. It owns /run/berth. What a single cluster makes is
// owned by the packages that make it.
package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	registryDir = "/run/berth"
	netnsDir    = "/run/netns"
	ipForward   = "/proc/sys/net/ipv4/ip_forward"
)

// Claim is what one cluster has on this machine.
type Claim struct {
	// State is the cluster's state folder.
	State string `json:"state"`
	// Subnet is that of its uplink.
	Subnet netip.Prefix `json:"subnet"`
}

// Registry is what clusters of real pods share on this machine. It lies in
// /run, so that it ends with the boot that it is true for.
type Registry struct {
	Clusters map[string]Claim `json:"clusters"`
	// Forwarding is what ip_forward was before the first cluster, if that was
	// something else than on.
	Forwarding string `json:"forwarding,omitempty"`
	// Folders are those that were made as places to mount at.
	Folders []string `json:"folders,omitempty"`
	// Namespaces says that /run/netns was no mount before the first cluster; the
	// ip program makes it one.
	Namespaces bool `json:"namespaces,omitempty"`
}

// Read returns the registry as it stands; empty if there is none.
func Read() (Registry, error) {
	r := Registry{Clusters: map[string]Claim{}}
	content, err := os.ReadFile(filepath.Join(registryDir, "clusters.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("%s/clusters.json is damaged; remove it if no cluster runs: %w", registryDir, err)
	}
	return r, nil
}

// Change lets fn change the registry while no other process does, and removes
// the registry when no cluster is left in it.
func Change(fn func(*Registry) error) error {
	release, err := lockRegistry()
	if err != nil {
		return fmt.Errorf("locking %s: %w", registryDir, err)
	}
	defer release()
	r, err := Read()
	if err != nil {
		return err
	}
	fnErr := fn(&r)
	if len(r.Clusters) == 0 {
		if err := errors.Join(fnErr, r.giveBack()); err != nil {
			return err
		}
		return os.RemoveAll(registryDir)
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return errors.Join(fnErr, err)
	}
	temp := filepath.Join(registryDir, "clusters.json.new")
	if err := os.WriteFile(temp, content, 0o644); err != nil {
		return errors.Join(fnErr, err)
	}
	return errors.Join(fnErr, os.Rename(temp, filepath.Join(registryDir, "clusters.json")))
}

// lockRegistry locks the folder itself, so that nothing is left when it goes.
func lockRegistry() (func(), error) {
	for {
		if err := os.MkdirAll(registryDir, 0o755); err != nil {
			return nil, err
		}
		f, err := os.Open(registryDir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		locked, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Whoever held the lock before may have removed the folder.
		if now, err := os.Stat(registryDir); err == nil && os.SameFile(locked, now) {
			return func() { f.Close() }, nil //nolint:errcheck // closing only gives the lock back
		}
		f.Close() //nolint:errcheck // opened for reading only
	}
}

// Forward turns on forwarding between the host's interfaces.
func (r *Registry) Forward() error {
	content, err := os.ReadFile(ipForward)
	if err != nil {
		return fmt.Errorf("forwarding between interfaces: %w", err)
	}
	if was := strings.TrimSpace(string(content)); was != "1" {
		r.Forwarding = was
		if err := os.WriteFile(ipForward, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("forwarding between interfaces: %w", err)
		}
	}
	return nil
}

// Folder makes a folder to mount at, if the machine lacks it.
func (r *Registry) Folder(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if parent := filepath.Dir(path); parent != "/" {
		if err := r.Folder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	r.Folders = append(r.Folders, path)
	return nil
}

// Namespace notes what making a network namespace is going to leave.
func (r *Registry) Namespace() error {
	mounted, err := isMount(netnsDir)
	if err != nil || mounted {
		return err
	}
	r.Namespaces = true
	return r.Folder(netnsDir)
}

// releaseNamespaces undoes what ip did to the folder of network namespaces,
// unless there are some that others made.
func (r *Registry) releaseNamespaces() error {
	entries, err := os.ReadDir(netnsDir)
	if !r.Namespaces || err != nil || len(entries) > 0 {
		return nil
	}
	r.Namespaces = false
	for {
		mounted, err := isMount(netnsDir)
		if err != nil || !mounted {
			return err
		}
		if err := unmount(netnsDir); err != nil {
			return fmt.Errorf("unmounting %s: %w", netnsDir, err)
		}
	}
}

// isMount says whether something is mounted at exactly this path.
func isMount(path string) (bool, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, err
	}
	const place = 4
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > place && fields[place] == path {
			return true, nil
		}
	}
	return false, nil
}

// giveBack undoes what was borrowed; folders that someone uses now stay.
func (r *Registry) giveBack() error {
	if err := r.releaseNamespaces(); err != nil {
		return err
	}
	for i := len(r.Folders) - 1; i >= 0; i-- {
		err := os.Remove(r.Folders[i])
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
	}
	r.Folders = nil
	if r.Forwarding != "" {
		if err := os.WriteFile(ipForward, []byte(r.Forwarding), 0o644); err != nil {
			return err
		}
		r.Forwarding = ""
	}
	return nil
}
