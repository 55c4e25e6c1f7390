// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"

	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
)

// Etcd runs the store. Power loss may cost the last seconds of it, which saves a
// disk flush for every write of a cluster that holds nothing of worth.
func (c Config) Etcd() process.Spec {
	return process.Spec{Name: "etcd", Env: c.env(), Argv: []string{
		c.bin("etcd"), "--data-dir", c.path("etcd"), "--unsafe-no-fsync", "--log-level", "warn",
		"--listen-client-urls", "http://" + loopback(c.EtcdPort), "--advertise-client-urls", "http://" + loopback(c.EtcdPort),
		"--listen-peer-urls", "http://" + loopback(c.EtcdPeerPort),
		"--initial-advertise-peer-urls", "http://" + loopback(c.EtcdPeerPort),
		"--initial-cluster", "default=http://" + loopback(c.EtcdPeerPort),
	}}
}

// APIServer runs kube-apiserver, with what an aggregated API needs and, if asked
// for, an audit log.
func (c Config) APIServer() (process.Spec, error) {
	advertise, bind := network.NodeAddress, "0.0.0.0"
	if c.Simulated {
		// Nobody but this machine; an endpoint must not be a loopback address, and
		// nothing simulated ever uses it.
		bind = "127.0.0.1"
	}
	argv := []string{
		c.bin("kube-apiserver"), "--etcd-servers", "http://" + loopback(c.EtcdPort),
		"--secure-port", port(c.API.Port()), "--bind-address", bind, "--advertise-address", advertise,
		"--tls-cert-file", c.cert("apiserver.crt"), "--tls-private-key-file", c.cert("apiserver.key"),
		"--client-ca-file", c.cert("ca.crt"), "--authorization-mode", "Node,RBAC",
		"--enable-admission-plugins", "NodeRestriction", "--allow-privileged=true",
		"--service-account-key-file", c.cert("sa.pub"), "--service-account-signing-key-file", c.cert("sa.key"),
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", network.ServiceCIDR,
		"--requestheader-client-ca-file", c.cert("front-proxy-ca.crt"), "--requestheader-allowed-names", "front-proxy",
		"--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", c.cert("front-proxy.crt"), "--proxy-client-key-file", c.cert("front-proxy.key"),
		// Service endpoints are dialled instead of the Service's address, which
		// works also where kube-proxy is not ready.
		"--enable-aggregator-routing=true",
		"--kubelet-certificate-authority", c.cert("ca.crt"), "--kubelet-client-certificate", c.cert("admin.crt"),
		"--kubelet-client-key", c.cert("admin.key"), "--kubelet-preferred-address-types", "InternalIP",
	}
	var inputs []string
	if c.Audit {
		policy, err := c.auditPolicy()
		if err != nil {
			return process.Spec{}, fmt.Errorf("audit policy: %w", err)
		}
		inputs = append(inputs, policy)
		argv = append(argv, "--audit-policy-file", policy, "--audit-log-path", c.AuditLog(), "--audit-log-maxsize", "100", "--audit-log-maxbackup", "1")
	}
	return process.Spec{Name: "kube-apiserver", Env: c.env(), Argv: append(argv, c.APIServerArgs...), Inputs: inputs}, nil
}

func (c Config) auditPolicy() (string, error) {
	if c.AuditPolicy != "" {
		return c.AuditPolicy, nil
	}
	path := c.path("etc", "audit-policy.json")
	return path, writeJSON(path, object{
		"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
		"omitStages": []string{"RequestReceived"},
		"rules":      []object{{"level": "Metadata"}},
	})
}

// ControllerManager runs the controllers of Kubernetes.
func (c Config) ControllerManager() process.Spec {
	argv := []string{
		c.bin("kube-controller-manager"), "--kubeconfig", c.KubeConfig("controller-manager"), "--leader-elect=false",
		"--service-account-private-key-file", c.cert("sa.key"), "--root-ca-file", c.cert("ca.crt"),
		"--use-service-account-credentials", "--bind-address", "127.0.0.1",
		"--cluster-signing-cert-file", c.cert("ca.crt"), "--cluster-signing-key-file", c.cert("ca.key"),
		"--allocate-node-cidrs=true", "--cluster-cidr", network.ClusterCIDR, "--service-cluster-ip-range", network.ServiceCIDR,
	}
	return process.Spec{Name: "kube-controller-manager", Env: c.env(), Argv: append(argv, c.noPort()...)}
}

// Scheduler runs the scheduler.
func (c Config) Scheduler() process.Spec {
	argv := []string{c.bin("kube-scheduler"), "--kubeconfig", c.KubeConfig("scheduler"), "--leader-elect=false", "--bind-address", "127.0.0.1"}
	return process.Spec{Name: "kube-scheduler", Env: c.env(), Argv: append(argv, c.noPort()...)}
}

// noPort keeps programs that share the host's loopback from taking fixed ports.
func (c Config) noPort() []string {
	if c.Simulated {
		return []string{"--secure-port", "0"}
	}
	return nil
}

// Provisioner makes the volumes of a simulated cluster: objects only, since the
// pods that would make the folders are simulated too. config is the
// provisioner's own configuration.
func (c Config) Provisioner(config string) (process.Spec, error) {
	path := c.path("etc", "volumes.json")
	if err := writeFile(path, []byte(config)); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Name: "local-path-provisioner", Env: c.env(), Inputs: []string{path}, Argv: []string{
		c.bin("local-path-provisioner"), "start", "--config", path, "--kubeconfig", c.KubeConfig("admin"),
		"--namespace", "local-path-storage", "--service-account-name", "local-path-provisioner",
	}}, nil
}

// helperStage lets the pods end that make or remove the folder of a volume.
const helperStage = `
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: volume-helper
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchLabels: {cluster.berth.dev/role: volume}
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Running]}
  next:
    statusTemplate: |
      phase: Succeeded
`

// Kwok plays the node of a simulated cluster: it says that pods run.
func (c Config) Kwok() (process.Spec, error) {
	stages := c.path("etc", "stages.yaml")
	content, err := os.ReadFile(c.bin("kwok-stages.yaml"))
	if err != nil {
		return process.Spec{}, err
	}
	if err := writeFile(stages, append(content, helperStage...)); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Name: "kwok", Env: c.env(), Inputs: []string{stages}, Argv: []string{
		c.bin("kwok"), "--kubeconfig", c.KubeConfig("admin"), "--config", stages, "--manage-all-nodes=false",
		"--manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds", "40",
	}}, nil
}
