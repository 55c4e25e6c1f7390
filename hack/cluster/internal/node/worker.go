// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth/hack/cluster/internal/network"
	"github.com/berth-dev/berth/hack/cluster/internal/process"
)

// object is a piece of a JSON file; what reads YAML reads JSON too.
type object = map[string]any

// Containerd runs the container runtime; outside are environment variables by
// which it finds the way to registries.
func (c Config) Containerd(outside []string) (process.Spec, error) {
	network := object{
		"cniVersion": "1.0.0", "name": "pods", "plugins": []object{
			{
				// hairpinMode: a pod reaches itself through its own Service.
				"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
				"ipam": object{
					"type": "host-local", "dataDir": c.path("cni-state", "addresses"),
					"ranges": [][]object{{{"subnet": network.PodCIDR}}}, "routes": []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
	if err := writeJSON(c.path("etc", "cni", "10-pods.conflist"), network); err != nil {
		return process.Spec{}, err
	}
	// restrict_oom_score_adj: lowering a score takes a right that a machine may
	// not give; no pod would start.
	config := fmt.Sprintf(`version = 3
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = %[3]q
[plugins."io.containerd.cri.v1.images"]
  snapshotter = %[4]q
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = %[5]q
[plugins."io.containerd.cri.v1.images".registry]
  config_path = %[6]q
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [%[7]q]
  conf_dir = %[8]q
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  snapshotter = %[4]q
`, c.path("containerd", "root"), c.path("containerd", "state"), c.Socket(), c.Snapshotter, PauseImage,
		c.path("etc", "registries"), c.CNIDir, c.path("etc", "cni"))
	path := c.path("etc", "containerd.toml")
	if err := writeFile(path, []byte(config)); err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Name: "containerd", Env: append(c.env(), outside...), Inputs: []string{path},
		Argv: []string{c.bin("containerd"), "--config", path, "--log-level", "warn"},
	}, nil
}

// Kubelet runs the node's agent.
func (c Config) Kubelet() (process.Spec, error) {
	path := c.path("etc", "kubelet.json")
	err := writeJSON(path, object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address": network.NodeAddress, "containerRuntimeEndpoint": "unix://" + c.Socket(),
		"authentication": object{
			"x509": object{"clientCAFile": c.cert("ca.crt")}, "anonymous": object{"enabled": false}, "webhook": object{"enabled": true},
		},
		"authorization": object{"mode": "Webhook"},
		"tlsCertFile":   c.cert("kubelet.crt"), "tlsPrivateKeyFile": c.cert("kubelet.key"),
		"clusterDNS": []string{network.DNSAddress}, "clusterDomain": "cluster.local", "resolvConf": c.ResolvConf(),
		"failCgroupV1": false, "failSwapOn": false, "cgroupDriver": "cgroupfs", "cgroupRoot": "/" + c.Cgroup,
		// The machine is not the node's: its disk fills up for other reasons, and
		// imported images cannot be pulled again.
		"evictionHard":                   object{"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent":    100,
		"makeIPTablesUtilChains":         false,
		"volumePluginDir":                "/var/lib/kubelet/volume-plugins",
		"serializeImagePulls":            false,
		"nodeStatusUpdateFrequency":      "10s",
		"shutdownGracePeriod":            "0s",
		"registerNode":                   true,
		"streamingConnectionIdleTimeout": "4h",
	})
	if err != nil {
		return process.Spec{}, err
	}
	argv := []string{
		c.bin("kubelet"), "--config", path, "--kubeconfig", c.KubeConfig("kubelet"), "--hostname-override", Name,
		"--node-ip", network.NodeAddress, "--cert-dir", c.path("pki", "kubelet"),
	}
	return process.Spec{Name: "kubelet", Env: c.env(), Inputs: []string{path}, Argv: append(argv, c.KubeletArgs...)}, nil
}

// Proxy runs kube-proxy, which makes Services work.
func (c Config) Proxy() (process.Spec, error) {
	path := c.path("etc", "kube-proxy.json")
	err := writeJSON(path, object{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "iptables", "clientConnection": object{"kubeconfig": c.KubeConfig("proxy")},
		"clusterCIDR": network.ClusterCIDR, "hostnameOverride": Name,
		// Zero leaves the machine's connection tracking as it is.
		"conntrack": object{"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	})
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{Name: "kube-proxy", Env: c.env(), Inputs: []string{path}, Argv: []string{c.bin("kube-proxy"), "--config", path}}, nil
}

// Tunables writes files that the node sees in place of the kernel settings that
// the kubelet would change for the whole machine: it finds the values it wants,
// and the machine keeps its own. It returns the places, by the file.
func (c Config) Tunables() (map[string]string, error) {
	wanted := map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	}
	places := map[string]string{}
	for key, value := range wanted {
		at := filepath.Join("/proc/sys", key)
		if _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		from := c.path("etc", "sysctl", strings.ReplaceAll(key, "/", "."))
		if err := writeFile(from, []byte(value+"\n")); err != nil {
			return nil, err
		}
		places[from] = at
	}
	return places, nil
}

func writeJSON(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// writeFile leaves a file that is right as it is: kube-proxy ends when its
// configuration is written, whatever the content.
func writeFile(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
