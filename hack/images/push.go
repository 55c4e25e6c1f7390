// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// push makes the images and pushes them below the repository, with the credentials that docker and podman keep. A
// registry on this machine may speak plain HTTP.
func push(ctx context.Context, s settings, to string) error {
	below, err := parseTarget(to)
	if err != nil {
		return err
	}
	products, err := produce(ctx, s)
	if err != nil {
		return err
	}
	report := report{}
	for _, p := range products {
		tag, err := p.tag()
		if err != nil {
			return err
		}
		result, err := p.result()
		if err != nil {
			return err
		}
		repository, err := name.NewRepository(below + "/" + p.name)
		if err != nil {
			return err
		}
		say("%s: pushing to %s", p.name, repository)
		if err := remote.Write(repository.Tag(tag), p.image, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("push %s: %w", p.name, err)
		}
		result.References = []string{repository.Digest(result.Digest).Name()}
		report.Images = append(report.Images, result)
	}
	return errors.Join(report.write(s.out), report.print(os.Stdout), s.layers.Prune(unused))
}

// parseTarget checks --to before anything is built for it.
func parseTarget(to string) (string, error) {
	if to == "" {
		return "", errors.New("push needs --to, the repository that gets the images, such as registry.example/team")
	}
	to = strings.TrimSuffix(to, "/")
	if host, _, _ := strings.Cut(to, "/"); !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "", fmt.Errorf("--to %s: must begin with the registry's host, such as registry.example/team", to)
	}
	if _, err := name.NewRepository(to + "/berth"); err != nil {
		return "", fmt.Errorf("--to %s: %w", to, err)
	}
	return to, nil
}
