// SPDX-License-Identifier: Apache-2.0

// Package policy enforces the NetworkPolicies of a cluster on its one node. It
// owns what they mean (a pure function from objects to nftables rules) and
// keeping the rules up to date. Traffic between a pod and its own node is not
// touched, so probes always pass; a pod that starts is open until the API knows
// its address.
package policy

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Meta is what identifies and labels an object.
type Meta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
	// DeletionTimestamp is set on what is going away.
	DeletionTimestamp string `json:"deletionTimestamp"`
}

func (m Meta) meta() Meta { return m }

// Pod is what matters of a pod.
type Pod struct {
	Meta `json:"metadata"`
	Spec struct {
		HostNetwork bool `json:"hostNetwork"`
		Containers  []struct {
			Ports []struct {
				Name          string `json:"name"`
				ContainerPort int    `json:"containerPort"`
				Protocol      string `json:"protocol"`
			} `json:"ports"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
		PodIP string `json:"podIP"`
	} `json:"status"`
}

// addressed says whether the pod has an address of its own now.
func (p Pod) addressed() bool {
	return p.Status.PodIP != "" && !p.Spec.HostNetwork && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

// port finds the number of a named port.
func (p Pod) port(name, protocol string) (string, bool) {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == name && orTCP(port.Protocol) == protocol {
				return strconv.Itoa(port.ContainerPort), true
			}
		}
	}
	return "", false
}

// Namespace is what matters of a namespace.
type Namespace struct {
	Meta `json:"metadata"`
}

// NetworkPolicy is networking.k8s.io/v1's, as far as it decides about traffic.
type NetworkPolicy struct {
	Meta `json:"metadata"`
	Spec struct {
		PodSelector Selector `json:"podSelector"`
		PolicyTypes []string `json:"policyTypes"`
		Ingress     []struct {
			From  []Peer `json:"from"`
			Ports []Port `json:"ports"`
		} `json:"ingress"`
		Egress []struct {
			To    []Peer `json:"to"`
			Ports []Port `json:"ports"`
		} `json:"egress"`
	} `json:"spec"`
}

// isolates says whether pods of the policy are closed in that direction.
func (n NetworkPolicy) isolates(direction string) bool {
	if len(n.Spec.PolicyTypes) == 0 {
		return direction == ingress || len(n.Spec.Egress) > 0
	}
	return slices.Contains(n.Spec.PolicyTypes, direction)
}

// Peer is one end of allowed traffic.
type Peer struct {
	PodSelector       *Selector `json:"podSelector"`
	NamespaceSelector *Selector `json:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except"`
	} `json:"ipBlock"`
}

// Port is one port, a range of them, or a name that each pod resolves.
type Port struct {
	Protocol string          `json:"protocol"`
	Port     json.RawMessage `json:"port"`
	EndPort  int             `json:"endPort"`
}

// Selector is a label selector.
type Selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

// matches says whether labels fulfil all requirements; an operator that nobody
// knows is not fulfilled.
func (s Selector) matches(labels map[string]string) bool {
	for key, value := range s.MatchLabels {
		if got, ok := labels[key]; !ok || got != value {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		value, has := labels[e.Key]
		var fulfilled bool
		switch e.Operator {
		case "In":
			fulfilled = has && slices.Contains(e.Values, value)
		case "NotIn":
			fulfilled = !has || !slices.Contains(e.Values, value)
		case "Exists":
			fulfilled = has
		case "DoesNotExist":
			fulfilled = !has
		}
		if !fulfilled {
			return false
		}
	}
	return true
}

func orTCP(protocol string) string {
	if protocol == "" {
		return "TCP"
	}
	return protocol
}
