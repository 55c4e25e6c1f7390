// SPDX-License-Identifier: Apache-2.0

// Package userland makes the workspace image: a small Debian with the tools that people expect in a shell, and a user
// without rights. It owns what is installed, what is left out again, and where the packages come from; it names no
// mirror, but uses this machine's.
package userland

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

// suite is the Debian release of the userland.
const suite = "bookworm"

// packages are what it holds beside Debian's essential ones.
const packages = "bash,bash-completion,ca-certificates,curl,git,less,openssh-client,procps,vim-tiny"

// The user whom a workspace's processes run as.
const (
	userName = "dev"
	userID   = 1000
	userHome = "/home/dev"
)

// recipe is all that decides what the userland looks like, but for the packages' versions.
//
//go:embed *.go all:home
var recipe embed.FS

// Image returns the workspace image. Its one layer is made when the cache has none of this recipe, which takes a
// minute and the packages' download; say tells the person so.
func Image(ctx context.Context, layers layer.Cache, say func(format string, arguments ...any)) (v1.Image, error) {
	key, err := Key()
	if err != nil {
		return nil, err
	}
	if !layers.Has(key) {
		say("workspace: installing Debian %s (%s), about a minute, once", suite, strings.ReplaceAll(packages, ",", " "))
	}
	made, err := layers.Layer(key, func(w *tar.Writer) error { return install(ctx, layers.Dir, w) })
	if err != nil {
		return nil, fmt.Errorf("make the workspace's userland: %w", err)
	}
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), made)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Created = v1.Time{Time: layer.Epoch()}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", userID, userID),
		WorkingDir: userHome,
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=" + userHome, "USER=" + userName, "SHELL=/bin/bash", "LANG=C.UTF-8",
		},
		Cmd:    []string{"/bin/bash"},
		Labels: map[string]string{"org.opencontainers.image.title": "Berth sample workspace"},
	}
	return mutate.ConfigFile(image, config)
}

// Key names the layer of this recipe in the cache. Newer versions of the packages do not change it: who wants them
// makes the cache forget the layer.
func Key() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.GOARCH) // a hash takes every write
	for _, folder := range []string{".", "home"} {
		files, err := recipe.ReadDir(folder)
		if err != nil {
			return "", err
		}
		for _, file := range files {
			if file.IsDir() || strings.HasSuffix(file.Name(), "_test.go") {
				continue
			}
			content, err := recipe.ReadFile(filepath.Join(folder, file.Name()))
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%s/%s %d\n%s", folder, file.Name(), len(content), content)
		}
	}
	return "userland-" + hex.EncodeToString(sum.Sum(nil)), nil
}

// install makes the userland in a temporary file below scratch, and writes what is to stay of it to w.
func install(ctx context.Context, scratch string, w *tar.Writer) (err error) {
	mode, err := prepare(ctx)
	if err != nil {
		return err
	}
	sources, err := aptSources(ctx)
	if err != nil {
		return err
	}
	settings, err := aptSettings(ctx)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp(scratch, "unfinished-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	whole := filepath.Join(folder, "userland.tar")

	arguments := []string{"--mode=" + mode, "--variant=minbase", "--format=tar", "--include=" + packages}
	for _, setting := range settings {
		arguments = append(arguments, "--aptopt="+setting)
	}
	arguments = append(arguments, suite, whole, "-")
	debootstrap := exec.CommandContext(ctx, "mmdebstrap", arguments...)
	debootstrap.Stdin = strings.NewReader(strings.Join(sources, "\n") + "\n")
	debootstrap.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", layer.Epoch().Unix()))
	// Asked to end it unmounts what it mounted; killed it would not.
	debootstrap.Cancel = func() error { return debootstrap.Process.Signal(syscall.SIGTERM) }
	debootstrap.WaitDelay = time.Minute
	said, err := debootstrap.CombinedOutput()
	if err != nil {
		return fmt.Errorf("mmdebstrap: %w; it ended with:\n%s", err, tail(string(said), 15))
	}
	return trim(whole, w)
}

// tail returns the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
