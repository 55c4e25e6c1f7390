// SPDX-License-Identifier: Apache-2.0

package userland

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strings"
)

// keyring holds the keys with which Debian signs, and comes with the package of the same name.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// MirrorVariable names the variable with the address of a Debian mirror, for machines that are no Debian.
const MirrorVariable = "BERTH_DEBIAN_MIRROR"

// prepare sees to it that this machine has what it takes, and returns the mode in which mmdebstrap is to run. What
// only root could do is said, with the command that does it.
func prepare(ctx context.Context) (mode string, err error) {
	root := os.Getuid() == 0
	var needed []string
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		needed = append(needed, "mmdebstrap")
	}
	if _, err := os.Stat(keyring); errors.Is(err, fs.ErrNotExist) {
		needed = append(needed, "debian-archive-keyring")
	}
	if _, err := exec.LookPath("newuidmap"); err != nil && !root {
		needed = append(needed, "uidmap")
	}
	if len(needed) > 0 {
		if err := installHere(ctx, root, needed); err != nil {
			return "", err
		}
	}
	if root {
		return "root", nil
	}
	return "unshare", subordinate()
}

func installHere(ctx context.Context, root bool, needed []string) error {
	command := []string{"apt-get", "install", "--yes", "--no-install-recommends"}
	command = append(command, needed...)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s, and apt-get to install it", strings.Join(needed, " and "))
	}
	if !root {
		return fmt.Errorf("this machine lacks %s; as root: %s", strings.Join(needed, " and "), strings.Join(command, " "))
	}
	for _, arguments := range [][]string{{"apt-get", "update", "--quiet"}, command} {
		step := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
		step.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if said, err := step.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w; it ended with:\n%s", strings.Join(arguments, " "), err, tail(string(said), 15))
		}
	}
	return nil
}

// subordinate checks that this user may have a user namespace with more than one user in it.
func subordinate() error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		ranges, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		mine := func(line string) bool {
			return strings.HasPrefix(line, me.Username+":") || strings.HasPrefix(line, me.Uid+":")
		}
		if !slices.ContainsFunc(strings.Split(string(ranges), "\n"), mine) {
			return fmt.Errorf("%s has no range for %s, so a userland with several users can't be made without root; as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				file, me.Username, me.Username)
		}
	}
	return nil
}

// aptSources returns lines of a sources.list for the suite, from this machine's own apt.
func aptSources(ctx context.Context) ([]string, error) {
	if mirror := os.Getenv(MirrorVariable); mirror != "" {
		return []string{sourceLine(mirror, suite), sourceLine(mirror, suite+"-updates")}, nil
	}
	release, err := osRelease()
	if err != nil {
		return nil, err
	}
	if release["ID"] != "debian" {
		return nil, fmt.Errorf("this machine is no Debian, so its apt knows no Debian mirror; set %s to the address of one", MirrorVariable)
	}
	targets, err := output(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	sources := debianSources(targets, release["VERSION_CODENAME"])
	if len(sources) == 0 {
		return nil, fmt.Errorf("this machine's apt has no source of Debian's main component; add one, or set %s to the address of a mirror", MirrorVariable)
	}
	return sources, nil
}

// debianSources picks Debian's own out of what apt has as sources, where the machine runs the release of that code
// name, and turns them to the userland's suite. Each target is an address, a release and a component.
func debianSources(targets []string, codename string) []string {
	var sources []string
	for _, target := range targets {
		words := strings.Fields(target)
		if len(words) != 3 || words[2] != "main" {
			continue
		}
		for _, part := range []string{"", "-updates", "-security"} {
			if words[1] == codename+part {
				sources = append(sources, sourceLine(words[0], suite+part))
			}
		}
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}

func sourceLine(address, release string) string {
	return fmt.Sprintf("deb [signed-by=%s] %s %s main", keyring, address, release)
}

// aptSettings returns those settings of this machine's apt that decide how it gets at its sources: proxies and the
// like.
func aptSettings(ctx context.Context) ([]string, error) {
	all, err := output(ctx, "apt-config", "dump", "--no-empty", "--format", `%F "%v";%n`)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(setting string) bool {
		for _, prefix := range []string{"Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::Force"} {
			if strings.HasPrefix(setting, prefix) {
				return false
			}
		}
		return true
	}), nil
}

func output(ctx context.Context, command string, arguments ...string) ([]string, error) {
	said, err := exec.CommandContext(ctx, command, arguments...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return strings.Split(strings.TrimSpace(string(said)), "\n"), nil
}

// osRelease reads what this machine says of its system.
func osRelease() (map[string]string, error) {
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	said := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			said[key] = strings.Trim(value, `"'`)
		}
	}
	return said, lines.Err()
}
