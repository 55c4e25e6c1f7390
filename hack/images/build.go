// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/berth-dev/berth/hack/images/internal/archive"
	"github.com/berth-dev/berth/hack/images/internal/berth"
	"github.com/berth-dev/berth/hack/images/internal/layer"
	"github.com/berth-dev/berth/hack/images/internal/userland"
)

// unused is how long a layer is kept that no build has asked for.
const unused = 30 * 24 * time.Hour

// samples are the names under which the sample manifests know the workspace image.
func samples() []string {
	return []string{"registry.example/base:24.04", "registry.example/go-dev:1.26", "registry.example/python-dev:3.14"}
}

// product is one image and what it is called.
type product struct {
	name  string // berth or workspace
	image v1.Image
}

// build writes each image as an archive below the output directory.
func build(ctx context.Context, s settings) error {
	products, err := produce(ctx, s)
	if err != nil {
		return err
	}
	report := report{}
	for _, p := range products {
		names, err := p.localNames()
		if err != nil {
			return err
		}
		result, err := p.result()
		if err != nil {
			return err
		}
		result.Archive = filepath.Join(s.out, p.name+".tar")
		for _, tag := range names {
			result.References = append(result.References, tag.Name())
		}
		if !known(s.out, result) {
			if err := archive.Write(result.Archive, p.image, names); err != nil {
				return err
			}
		}
		report.Images = append(report.Images, result)
	}
	return errors.Join(report.write(s.out), report.print(os.Stdout), s.layers.Prune(unused))
}

// produce makes both images, and with --verify each a second time.
func produce(ctx context.Context, s settings) ([]product, error) {
	if s.refresh {
		key, err := userland.Key()
		if err != nil {
			return nil, err
		}
		if err := s.layers.Forget(key); err != nil {
			return nil, err
		}
	}
	products, err := makeOnce(ctx, s, filepath.Join(s.out, "bin"))
	if err != nil || !s.verify {
		return products, err
	}
	scratch, err := os.MkdirTemp(s.out, "verify-*")
	if err != nil {
		return nil, err
	}
	say("verify: building everything once more")
	s.layers = layer.Cache{Dir: filepath.Join(scratch, "layers")}
	if err := os.Mkdir(s.layers.Dir, 0o755); err != nil {
		return nil, err
	}
	again, err := makeOnce(ctx, s, filepath.Join(scratch, "bin"))
	if err == nil {
		err = compare(products, again)
	}
	return products, errors.Join(err, os.RemoveAll(scratch))
}

func makeOnce(ctx context.Context, s settings, bin string) ([]product, error) {
	own, err := berth.Build{Root: s.root, List: s.list, Bin: bin, Layers: s.layers, Version: s.version, Partial: s.partial, Say: say}.Image(ctx)
	if err != nil {
		return nil, err
	}
	workspace, err := userland.Image(ctx, s.layers, say)
	if err != nil {
		return nil, err
	}
	return []product{{"berth", own}, {"workspace", workspace}}, nil
}

// compare fails when the second build of an image has another digest.
func compare(first, second []product) error {
	for i := range first {
		one, err := first[i].image.Digest()
		if err != nil {
			return err
		}
		two, err := second[i].image.Digest()
		if err != nil {
			return err
		}
		if one != two {
			return fmt.Errorf("%s is not reproducible: built twice, it is %s and %s (newer packages since the first? then --refresh --verify)", first[i].name, one, two)
		}
		say("verify: %s is %s both times", first[i].name, one)
	}
	return nil
}

// localNames are the names under which a node gets the image. The tag is the start of its digest, so that another
// image never has the same name.
func (p product) localNames() ([]name.Tag, error) {
	tag, err := p.tag()
	if err != nil {
		return nil, err
	}
	all := []string{"berth.local/" + p.name + ":" + tag}
	if p.name == "workspace" {
		all = append(all, samples()...)
	}
	var names []name.Tag
	for _, one := range all {
		parsed, err := name.NewTag(one, name.StrictValidation)
		if err != nil {
			return nil, err
		}
		names = append(names, parsed)
	}
	return names, nil
}

func (p product) tag() (string, error) {
	digest, err := p.image.Digest()
	if err != nil {
		return "", err
	}
	return digest.Hex[:12], nil
}

// known tells whether the archive of that very image and names is there from the build before.
func known(out string, wanted result) bool {
	before, err := readReport(out)
	if err != nil {
		return false
	}
	if _, err := os.Stat(wanted.Archive); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return before.has(wanted)
}

func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}
