// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// profile writes a profile of the manager into a directory, where one is given, and with servers one of the kube-apiserver
// too. It is done when the group is.
func (p *plane) profile(ctx context.Context, dir, name, which string, servers bool) *errgroup.Group {
	group, ctx := errgroup.WithContext(ctx)
	if dir == "" {
		return group
	}
	group.Go(func() error {
		return fetch(ctx, http.DefaultClient, "http://"+p.manager.address+"/debug/pprof/"+which, into(dir, name))
	})
	if !servers {
		return group
	}
	group.Go(func() error {
		c, err := rest.HTTPClientFor(p.Config)
		if err != nil {
			return err
		}
		return fetch(ctx, c, strings.TrimSuffix(p.Config.Host, "/")+"/debug/pprof/"+which, into(dir, name+"-apiserver"))
	})
	return group
}

// into reads a profile into a file.
func into(dir, name string) func(io.Reader) error {
	return func(body io.Reader) error {
		f, err := os.Create(filepath.Join(dir, name+".pprof"))
		if err != nil {
			return err
		}
		_, err = io.Copy(f, body)
		return errors.Join(err, f.Close())
	}
}

// fetch asks for something and has the answer read.
func fetch(ctx context.Context, c *http.Client, address string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	return read(response.Body)
}
