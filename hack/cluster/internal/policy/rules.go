// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	ingress = "Ingress"
	egress  = "Egress"
	// Table is the nftables table, inside the node's namespace.
	Table = "network-policy"
)

// State is all that the rules depend on.
type State struct {
	Pods       []Pod
	Namespaces []Namespace
	Policies   []NetworkPolicy
}

// Rules is the whole table as a script for nft, which replaces the one before
// in one step. The same state gives the same text.
func (s State) Rules() string {
	var chains strings.Builder
	jumps := map[string][]string{}
	pods := slices.Clone(s.Pods)
	// A pod on its way out may still name the address that a new one has.
	slices.SortFunc(pods, func(a, b Pod) int {
		return cmp.Or(strings.Compare(a.DeletionTimestamp, b.DeletionTimestamp), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	taken := map[string]bool{}
	for _, pod := range pods {
		if !pod.addressed() || taken[pod.Status.PodIP] {
			continue
		}
		taken[pod.Status.PodIP] = true
		for _, direction := range []string{egress, ingress} {
			rules, isolated := s.allowed(pod, direction)
			if !isolated {
				continue
			}
			name := strings.ToLower(direction) + "-" + strings.ReplaceAll(pod.Status.PodIP, ".", "-")
			jumps[direction] = append(jumps[direction], fmt.Sprintf("%s : jump %s", pod.Status.PodIP, name))
			fmt.Fprintf(&chains, "\tchain %s { # %s/%s\n", name, pod.Namespace, pod.Name)
			for _, rule := range rules {
				fmt.Fprintf(&chains, "\t\t%s return\n", rule)
			}
			chains.WriteString("\t\treject\n\t}\n")
		}
	}
	var base strings.Builder
	base.WriteString("\tchain forward {\n\t\ttype filter hook forward priority -5; policy accept;\n\t\tct state established,related accept\n")
	for direction, end := range map[string]string{egress: "saddr", ingress: "daddr"} {
		if len(jumps[direction]) > 0 {
			jumps[direction] = []string{fmt.Sprintf("\t\tip %s vmap { %s }\n", end, strings.Join(jumps[direction], ", "))}
		}
	}
	// Both must let a packet pass: what one returns from goes on to the other.
	base.WriteString(strings.Join(append(jumps[egress], jumps[ingress]...), ""))
	base.WriteString("\t}\n")
	return fmt.Sprintf("table ip %[1]s\ndelete table ip %[1]s\ntable ip %[1]s {\n%[2]s%[3]s}\n", Table, chains.String(), base.String())
}

// allowed lists the matches of traffic that the pod may have in the direction,
// and whether any policy closes it.
func (s State) allowed(pod Pod, direction string) (rules []string, isolated bool) {
	for _, policy := range s.Policies {
		if policy.Namespace != pod.Namespace || !policy.Spec.PodSelector.matches(pod.Labels) || !policy.isolates(direction) {
			continue
		}
		isolated = true
		if direction == ingress {
			for _, rule := range policy.Spec.Ingress {
				rules = append(rules, s.combine("saddr", policy.Namespace, rule.From, rule.Ports, &pod)...)
			}
		} else {
			for _, rule := range policy.Spec.Egress {
				rules = append(rules, s.combine("daddr", policy.Namespace, rule.To, rule.Ports, nil)...)
			}
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules), isolated
}

// combine gives every peer with every port. Named ports are those of the pod
// that is connected to: server, or each peer where server is nil.
func (s State) combine(end, namespace string, peers []Peer, ports []Port, server *Pod) []string {
	var rules []string
	for _, address := range s.addresses(end, namespace, peers, len(ports) > 0 && server == nil) {
		at := server
		if at == nil {
			at = address.pod
		}
		if len(ports) == 0 {
			rules = append(rules, address.match)
			continue
		}
		for _, port := range ports {
			if match, ok := port.match(at); ok {
				rules = append(rules, strings.TrimSpace(address.match+" "+match))
			}
		}
	}
	return rules
}

// address is a match of packets; pod is set where it is that of one pod.
type address struct {
	match string
	pod   *Pod
}

// addresses matches the peers; single keeps pods apart, since each may have a
// port of another number under the same name.
func (s State) addresses(end, namespace string, peers []Peer, single bool) []address {
	if len(peers) == 0 {
		return []address{{}}
	}
	var found []address
	var together []string
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if match, ok := blockMatch(end, peer.IPBlock.CIDR, peer.IPBlock.Except); ok {
				found = append(found, address{match: match})
			}
			continue
		}
		for i, pod := range s.Pods {
			if !pod.addressed() || !s.selects(peer, namespace, pod) {
				continue
			}
			if single {
				found = append(found, address{match: fmt.Sprintf("ip %s %s", end, pod.Status.PodIP), pod: &s.Pods[i]})
			} else {
				together = append(together, pod.Status.PodIP)
			}
		}
	}
	if len(together) > 0 {
		slices.Sort(together)
		found = append(found, address{match: fmt.Sprintf("ip %s { %s }", end, strings.Join(slices.Compact(together), ", "))})
	}
	return found
}

// blockMatch matches a range of addresses. Only IPv4 exists here.
func blockMatch(end, cidr string, except []string) (string, bool) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil || !prefix.Addr().Is4() {
		return "", false
	}
	match := fmt.Sprintf("ip %s %s", end, prefix.Masked())
	for _, e := range except {
		if out, err := netip.ParsePrefix(e); err == nil && out.Addr().Is4() {
			match += fmt.Sprintf(" ip %s != %s", end, out.Masked())
		}
	}
	return match, true
}

// selects says whether the peer means the pod; without a namespace selector it
// means pods of the policy's own namespace.
func (s State) selects(peer Peer, namespace string, pod Pod) bool {
	if peer.PodSelector != nil && !peer.PodSelector.matches(pod.Labels) {
		return false
	}
	if peer.NamespaceSelector == nil {
		return pod.Namespace == namespace
	}
	for _, n := range s.Namespaces {
		if n.Name == pod.Namespace {
			return peer.NamespaceSelector.matches(n.Labels)
		}
	}
	return false
}

// match matches the port; false if it is a name that the pod does not have.
func (p Port) match(server *Pod) (string, bool) {
	protocol := orTCP(p.Protocol)
	if protocol != "TCP" && protocol != "UDP" && protocol != "SCTP" {
		return "", false
	}
	lower := strings.ToLower(protocol)
	text := strings.Trim(string(p.Port), `"`)
	if text == "" || text == "null" {
		return "meta l4proto " + lower, true
	}
	if _, err := strconv.ParseUint(text, 10, 16); err != nil {
		if server == nil {
			return "", false
		}
		number, ok := server.port(text, protocol)
		return lower + " dport " + number, ok
	}
	if p.EndPort > 0 {
		return fmt.Sprintf("%s dport %s-%d", lower, text, p.EndPort), true
	}
	return lower + " dport " + text, true
}
