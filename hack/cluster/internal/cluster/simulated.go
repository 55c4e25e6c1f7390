// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/addons"
	"github.com/berth-dev/berth/hack/cluster/internal/build"
	"github.com/berth-dev/berth/hack/cluster/internal/host"
	"github.com/berth-dev/berth/hack/cluster/internal/node"
)

// upSimulated starts the control plane on this machine, and kwok for the node.
func (s *start) upSimulated(ctx context.Context) error {
	if err := s.say("SIMULATED pods (%v): apps, ssh and logs will not work; run as root, or CLUSTER=current", simulatedReason()); err != nil {
		return err
	}
	bin, err := s.Builder.EnsureSet(ctx, build.Simulated)
	if err != nil {
		return err
	}
	began := time.Now()
	s.settings.Programs = bin
	s.config = s.nodeConfig(netip.MustParseAddr("127.0.0.1"), s.settings.Port)
	if err := errors.Join(s.save(s.settings), s.config.WriteKeys(s.settings.server())); err != nil {
		return err
	}
	if err := s.controlPlane(ctx, nil); err != nil {
		return err
	}
	kwok, err := s.config.Kwok()
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, kwok); err != nil {
		return err
	}
	volumes := addons.Volumes{HelperImage: "volume", Folder: s.config.Volumes()}
	manifests, err := volumes.Manifests()
	if err != nil {
		return err
	}
	if err := s.api.Apply(ctx, append(manifests, simulatedNode...)); err != nil {
		return err
	}
	text, err := volumes.Config()
	if err != nil {
		return err
	}
	provisioner, err := s.config.Provisioner(text)
	if err != nil {
		return err
	}
	if err := s.ensure(ctx, provisioner); err != nil {
		return err
	}
	if err := s.nodeReady(ctx, "kwok"); err != nil {
		return err
	}
	return s.done(began)
}

func simulatedReason() error {
	if reason := host.CanRunPods(); reason != nil {
		return reason
	}
	return errors.New("as asked for")
}

// simulatedNode is what kwok plays: a node of a size that no test fills.
const simulatedNode = `
---
apiVersion: v1
kind: Node
metadata:
  name: ` + node.Name + `
  annotations:
    kwok.x-k8s.io/node: fake
  labels:
    kubernetes.io/os: linux
    kubernetes.io/hostname: ` + node.Name + `
`
