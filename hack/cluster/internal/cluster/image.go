// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/berth-dev/berth/hack/cluster/internal/images"
	"github.com/berth-dev/berth/hack/cluster/internal/node"
)

// archive is an image that the cluster itself needs.
type archive struct{ program, ref, path string }

func ref(program string, archives []archive) string {
	for _, a := range archives {
		if a.program == program {
			return a.ref
		}
	}
	return ""
}

// archives makes the images of what runs in pods, in the cache.
func (s *start) archives() ([]archive, error) {
	const nobody, root = "65532:65532", "0:0"
	file := func(name string) (string, error) {
		return filepath.EvalSymlinks(filepath.Join(s.settings.Programs, name))
	}
	var archives []archive
	for _, of := range []struct {
		program, ref, user string
		as                 []string
	}{
		{"pause", node.PauseImage, "65535:65535", []string{"/pause"}},
		{"coredns", "cluster.berth.dev/coredns:", nobody, []string{"/coredns"}},
		{"local-path-provisioner", "cluster.berth.dev/local-path-provisioner:", nobody, []string{"/local-path-provisioner"}},
		{"volume", "cluster.berth.dev/volume:", root, []string{"/setup", "/teardown"}},
	} {
		path, err := file(of.program)
		if err != nil {
			return nil, err
		}
		image := images.Image{Ref: of.ref, Files: map[string]string{}, Entrypoint: of.as[:1], User: of.user}
		if strings.HasSuffix(image.Ref, ":") {
			// The folder in the cache says component, version and content.
			image.Ref += strings.TrimPrefix(filepath.Base(filepath.Dir(path)), of.program+"-")
		}
		for _, as := range of.as {
			image.Files[as] = path
		}
		written, err := image.Archive(filepath.Join(s.Builder.Cache.Dir, "images"))
		if err != nil {
			return nil, err
		}
		archives = append(archives, archive{program: of.program, ref: image.Ref, path: written})
	}
	return archives, nil
}

// importMissing imports the cluster's own images unless they are there.
func (s *start) importMissing(ctx context.Context, archives []archive) error {
	have, err := s.ctr(ctx, "images", "ls", "--quiet")
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, name := range strings.Fields(have) {
		present[name] = true
	}
	for _, a := range archives {
		if present[a.ref] && s.settings.Images[a.ref] == a.path {
			continue
		}
		if err := s.importArchive(ctx, a.path, s.config.Snapshotter, []string{a.ref}); err != nil {
			return err
		}
		if s.settings.Images == nil {
			s.settings.Images = map[string]string{}
		}
		s.settings.Images[a.ref] = a.path
	}
	return s.save(s.settings)
}

// importArchive imports an archive of images and keeps the kubelet from ever
// removing them: nobody could pull them again.
func (c *Cluster) importArchive(ctx context.Context, path, snapshotter string, refs []string) error {
	if _, err := c.ctr(ctx, "images", "import", "--snapshotter", snapshotter, path); err != nil {
		return fmt.Errorf("importing %s: %w", path, err)
	}
	for _, ref := range refs {
		if _, err := c.ctr(ctx, "images", "label", ref, "io.cri-containerd.pinned=pinned"); err != nil {
			return fmt.Errorf("keeping %s: %w", ref, err)
		}
	}
	return nil
}

// ctr runs containerd's client.
func (c *Cluster) ctr(ctx context.Context, args ...string) (string, error) {
	settings, err := c.load()
	if err != nil {
		return "", err
	}
	program := filepath.Join(settings.Programs, "ctr")
	out, err := exec.CommandContext(ctx, program, append([]string{"--address", c.path("containerd.sock"), "--namespace", "k8s.io"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
