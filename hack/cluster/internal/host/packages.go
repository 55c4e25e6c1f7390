// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CNIDirs are where network plugins are looked for, in this order.
func cniDirs() []string { return []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} }

// SearchPath is where programs of the system are looked for.
const SearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// need is a program of the system and the Debian package that has it.
type need struct{ program, debian string }

func needs() []need {
	return []need{
		{"runc", "runc"}, {"iptables", "iptables"}, {"nft", "nftables"}, {"ip", "iproute2"}, {"conntrack", "conntrack"},
	}
}

// CNIDir is the folder with the network plugins, or empty.
func CNIDir() string {
	for _, dir := range cniDirs() {
		complete := true
		for _, plugin := range []string{"bridge", "host-local", "loopback", "portmap"} {
			complete = complete && executable(filepath.Join(dir, plugin))
		}
		if complete {
			return dir
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// missing lists the Debian packages of what is not installed.
func missing() []string {
	var packages []string
	for _, n := range needs() {
		if !slices.ContainsFunc(filepath.SplitList(SearchPath), func(dir string) bool { return executable(filepath.Join(dir, n.program)) }) {
			packages = append(packages, n.debian)
		}
	}
	if CNIDir() == "" {
		packages = append(packages, "containernetworking-plugins")
	}
	return packages
}

// InstallMissing installs the packages that the node needs and the machine
// lacks. Nothing is removed or upgraded for it; where there is no apt-get, the
// error says what to install.
func InstallMissing(ctx context.Context, progress io.Writer) error {
	packages := missing()
	if len(packages) == 0 {
		return nil
	}
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("these are missing, by their Debian names, and there is no apt-get to install them: %s", list)
	}
	if _, err := fmt.Fprintf(progress, "installing from Debian: %s\n", list); err != nil {
		return err
	}
	install := func() error {
		// Removing a package, such as Docker's for the sake of runc, is not ours to decide.
		return apt(ctx, append([]string{"install", "--yes", "--no-install-recommends", "--no-remove", "--no-upgrade"}, packages...)...)
	}
	if install() == nil && len(missing()) == 0 {
		return nil
	}
	// Package lists that are absent or old are the usual reason.
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	if err := install(); err != nil {
		return err
	}
	if still := missing(); len(still) > 0 {
		return fmt.Errorf("apt-get installed %s, and yet these are not found in %s or %s: %s",
			list, SearchPath, strings.Join(cniDirs(), ":"), strings.Join(still, " "))
	}
	return nil
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet=2", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
