// SPDX-License-Identifier: Apache-2.0

// Package addons has what runs inside every cluster: its DNS, its dynamic
// volumes, and the room that its node offers. It owns their manifests; the images are made by package images.
package addons

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/template"
)

//go:embed manifests/dns.yaml
var dnsManifest string

//go:embed manifests/volumes.yaml
var volumesManifest string

//go:embed manifests/room.yaml
var roomManifest string

// Room makes the node offer at least so much to the scheduler, whatever the
// machine has: pods that ask for what a real cluster would give them run here
// too, side by side on what there is.
type Room struct{ Resources []Resource }

// Resource is a least amount, a quantity, of a resource that Kubernetes names.
type Resource struct{ Name, AtLeast string }

// Manifests renders what is to be applied.
func (r Room) Manifests() ([]byte, error) { return render("room", roomManifest, r) }

// DNS is the cluster's name service.
type DNS struct {
	// Image runs coredns, Address is that of its Service.
	Image, Address string
	// Resolvers are asked for names outside the cluster; without any, there are none.
	Resolvers []netip.Addr
}

// Manifests renders what is to be applied.
func (d DNS) Manifests() ([]byte, error) { return render("dns", dnsManifest, d) }

// Volumes makes claims of the default storage class come true.
type Volumes struct {
	// Image runs the provisioner, unless it is empty: then the provisioner runs
	// outside the cluster. HelperImage makes and removes a folder.
	Image, HelperImage string
	// Folder is where the volumes lie on the node.
	Folder string
}

// Manifests renders what is to be applied.
func (v Volumes) Manifests() ([]byte, error) { return render("volumes", volumesManifest, v) }

// Config is the provisioner's configuration, in one line of JSON.
func (v Volumes) Config() (string, error) {
	text, err := json.Marshal(map[string]any{
		"nodePathMap":  []map[string]any{{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": []string{v.Folder}}},
		"setupCommand": "/setup", "teardownCommand": "/teardown",
	})
	return string(text), err
}

func render(name, text string, values any) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("manifests of %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("manifests of %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// HostResolvers lists the name servers of this machine that pods can reach: by
// IPv4, and not on the machine's own loopback, where a local resolver listens;
// of systemd's the servers behind it are taken.
func HostResolvers() []netip.Addr {
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if found := reachable(string(content)); len(found) > 0 {
			return found
		}
	}
	return nil
}

func reachable(resolvConf string) []netip.Addr {
	// coredns takes no more.
	const most = 15
	var found []netip.Addr
	for line := range strings.Lines(resolvConf) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(fields[1])
		if err == nil && addr.Is4() && !addr.IsLoopback() && !addr.IsUnspecified() && len(found) < most {
			found = append(found, addr)
		}
	}
	return found
}
