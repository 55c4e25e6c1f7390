// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/hack/cluster/internal/space"
)

// Taken lists the destinations that the host has routes to.
func Taken(ctx context.Context) ([]netip.Prefix, error) {
	out, err := output(ctx, "ip", "-4", "-json", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	return parseRoutes([]byte(out))
}

func parseRoutes(content []byte) ([]netip.Prefix, error) {
	var routes []struct {
		Dst string `json:"dst"`
	}
	if len(strings.TrimSpace(string(content))) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(content, &routes); err != nil {
		return nil, fmt.Errorf("reading the host's routes: %w", err)
	}
	var taken []netip.Prefix
	for _, r := range routes {
		if addr, err := netip.ParseAddr(r.Dst); err == nil {
			taken = append(taken, netip.PrefixFrom(addr, addr.BitLen()))
		} else if p, err := netip.ParsePrefix(r.Dst); err == nil {
			taken = append(taken, p)
		}
	}
	return taken, nil
}

// Up makes the node's network; what is there already stays as it is.
func Up(ctx context.Context, s *space.Space, u Uplink) error {
	if err := s.Run(ctx, "ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	if err := linkUp(ctx, s, u); err != nil {
		return fmt.Errorf("uplink of the node: %w", err)
	}
	if err := bridgeUp(ctx, s); err != nil {
		return fmt.Errorf("address of the node: %w", err)
	}
	if err := sysctls(s); err != nil {
		return err
	}
	return replaceTable(ctx, u)
}

func linkUp(ctx context.Context, s *space.Space, u Uplink) error {
	if s.Run(ctx, "ip", "link", "show", nodeLink) == nil && command(ctx, "ip", "link", "show", u.Interface) == nil {
		return nil
	}
	// One end without the other is left of a namespace that is gone.
	if err := removeLink(ctx, u.Interface); err != nil {
		return err
	}
	mtu := strconv.Itoa(hostMTU(ctx))
	for _, args := range [][]string{
		{"link", "add", u.Interface, "mtu", mtu, "type", "veth", "peer", "name", nodeLink, "mtu", mtu, "netns", s.Name},
		{"addr", "add", netip.PrefixFrom(u.HostAddress(), 30).String(), "dev", u.Interface},
		{"link", "set", u.Interface, "up"},
	} {
		if err := command(ctx, "ip", args...); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"addr", "add", netip.PrefixFrom(u.InnerAddress(), 30).String(), "dev", nodeLink},
		{"link", "set", nodeLink, "up"},
		{"route", "replace", "default", "via", u.HostAddress().String()},
	} {
		if err := s.Run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// hostMTU is that of the interface of the host's default route, since larger
// packets of pods would be lost silently behind a tunnel.
func hostMTU(ctx context.Context) int {
	const usual = 1500
	out, err := output(ctx, "ip", "-4", "-json", "route", "show", "default")
	if err != nil {
		return usual
	}
	var routes []struct {
		Dev string `json:"dev"`
	}
	if json.Unmarshal([]byte(out), &routes) != nil || len(routes) == 0 {
		return usual
	}
	content, err := os.ReadFile(filepath.Join("/sys/class/net", filepath.Base(routes[0].Dev), "mtu"))
	if err != nil {
		return usual
	}
	mtu, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || mtu <= 0 || mtu > 9000 {
		return usual
	}
	return mtu
}

// bridgeUp gives the node an address that is neither loopback, which pods could
// not reach, nor the uplink's, which differs from cluster to cluster.
func bridgeUp(ctx context.Context, s *space.Space) error {
	if s.Run(ctx, "ip", "link", "show", nodeBridge) == nil {
		return nil
	}
	for _, args := range [][]string{
		{"link", "add", nodeBridge, "type", "bridge"},
		{"addr", "add", NodeAddress + "/24", "dev", nodeBridge},
		{"link", "set", nodeBridge, "up"},
		// A Service's address is routed before it is translated; this route makes
		// the node's own address the source.
		{"route", "replace", ServiceCIDR, "dev", nodeBridge, "src", NodeAddress},
	} {
		if err := s.Run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// sysctls sets what belongs to the node's namespace and ends with it.
func sysctls(s *space.Space) error {
	return s.Enter(func() error {
		for key, value := range map[string]string{
			"net/ipv4/ip_forward":                "1",
			"net/bridge/bridge-nf-call-iptables": "1",
		} {
			if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644); err != nil {
				return fmt.Errorf("setting %s in the node's namespace (modprobe br_netfilter may help): %w", strings.ReplaceAll(key, "/", "."), err)
			}
		}
		return nil
	})
}

// replaceTable writes the only thing that the host's firewall gets.
func replaceTable(ctx context.Context, u Uplink) error {
	// The first line makes the second succeed also when there is no table yet.
	rules := fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[2]s oifname != "%[3]s" masquerade
	}
}
`, u.Table, u.Subnet.Masked(), u.Interface)
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("address translation for the uplink (nft): %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// HasTable says whether the host's translation is in place.
func HasTable(ctx context.Context, u Uplink) bool {
	return command(ctx, "nft", "list", "table", "ip", u.Table) == nil
}

// Down removes what Up made on the host; the rest ends with the namespace.
func Down(ctx context.Context, u Uplink) error {
	var tableErr error
	if _, err := exec.LookPath("nft"); err == nil && HasTable(ctx, u) {
		tableErr = command(ctx, "nft", "delete", "table", "ip", u.Table)
	}
	return errors.Join(tableErr, removeLink(ctx, u.Interface))
}

func removeLink(ctx context.Context, name string) error {
	if command(ctx, "ip", "link", "show", name) != nil {
		return nil
	}
	return command(ctx, "ip", "link", "delete", name)
}

// DropsForwarded says whether the host's firewall drops by default what is
// forwarded, as Docker's does, which one more table cannot change. It only
// reads: iptables itself would make tables when asked.
func DropsForwarded(ctx context.Context) bool {
	out, err := output(ctx, "nft", "list", "chain", "ip", "filter", "FORWARD")
	return err == nil && strings.Contains(out, "policy drop")
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func command(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}
