// SPDX-License-Identifier: Apache-2.0

// Package network gives a node its network: the addresses inside its namespace,
// which are the same for every cluster, and the uplink to the host, which is
// not. It owns one veth pair, one nftables table on the host and the node's
// bridge; the forwarder and the pods' interfaces belong to others.
package network

import (
	"fmt"
	"hash/fnv"
	"net/netip"
)

// What every cluster looks like inside its namespace.
const (
	// NodeAddress is the node's own address.
	NodeAddress = "10.99.0.1"
	// PodCIDR is where pods get their addresses.
	PodCIDR = "10.88.0.0/24"
	// ClusterCIDR is what the controller manager cuts the node's PodCIDR from.
	ClusterCIDR = "10.88.0.0/16"
	// ServiceCIDR is where Services get theirs.
	ServiceCIDR = "10.96.0.0/16"
	// ServiceAddress is that of the Service "kubernetes".
	ServiceAddress = "10.96.0.1"
	// DNSAddress is that of the cluster's DNS.
	DNSAddress = "10.96.0.10"
	// APIPort is where kube-apiserver listens inside.
	APIPort = 16443

	nodeBridge = "k8s0"
	nodeLink   = "uplink0"
)

// Uplink is the way out of one cluster's namespace.
type Uplink struct {
	// Subnet is a /30: the first address is the host's, the second the node's.
	Subnet netip.Prefix
	// Interface is the name of the host's end.
	Interface string
	// Table is the name of the nftables table on the host.
	Table string
}

// HostAddress is the host's end of the uplink.
func (u Uplink) HostAddress() netip.Addr { return u.Subnet.Masked().Addr().Next() }

// InnerAddress is the node's end of the uplink.
func (u Uplink) InnerAddress() netip.Addr { return u.HostAddress().Next() }

// NewUplink names an uplink for the cluster and picks a subnet that overlaps
// none of those taken: routes of the host and the uplinks of other clusters.
func NewUplink(cluster string, taken []netip.Prefix) (Uplink, error) {
	h := fnv.New32a()
	h.Write([]byte(cluster)) //nolint:errcheck // a hash never fails
	subnet, err := freeSubnet(h.Sum32(), taken)
	if err != nil {
		return Uplink{}, err
	}
	return Uplink{
		Subnet: subnet,
		// The kernel takes 15 characters.
		Interface: fmt.Sprintf("berth%08x", h.Sum32()),
		Table:     cluster,
	}, nil
}

// freeSubnet looks for a free /30 in ranges that are neither private networks of
// people nor the internet: shared address space, then the range for benchmarks.
// It starts at a place of the cluster's own, so that a cluster mostly keeps its
// subnet.
func freeSubnet(start uint32, taken []netip.Prefix) (netip.Prefix, error) {
	const tries = 4096
	for _, text := range []string{"100.64.0.0/10", "198.18.0.0/15"} {
		space := netip.MustParsePrefix(text)
		subnets := uint32(1) << (30 - space.Bits())
		for i := range uint32(tries) {
			candidate := nthSubnet(space, (start+i)%subnets)
			if !overlaps(candidate, taken) {
				return candidate, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free /30 for the uplink in 100.64.0.0/10 or 198.18.0.0/15; see: ip route show table all")
}

func nthSubnet(space netip.Prefix, n uint32) netip.Prefix {
	base := space.Addr().As4()
	v := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	v += n * 4
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), 30)
}

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		// A default route covers everything and takes nothing.
		if t.Bits() > 1 && t.Overlaps(p) {
			return true
		}
	}
	return false
}
