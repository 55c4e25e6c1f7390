// SPDX-License-Identifier: Apache-2.0

// Package kube is the little of the Kubernetes API that running a cluster takes:
// kubeconfig files, is it ready, read one object, apply manifests.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// WriteConfig writes a kubeconfig for the client certificate pki/name.crt, with
// everything inside, so that the file may be copied elsewhere.
func WriteConfig(path, cluster, server, pki, name string) error {
	var parts [3]string
	for i, file := range []string{"ca.crt", name + ".crt", name + ".key"} {
		content, err := os.ReadFile(filepath.Join(pki, file))
		if err != nil {
			return fmt.Errorf("kubeconfig: %w", err)
		}
		parts[i] = base64.StdEncoding.EncodeToString(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority-data: %[4]s
users:
- name: %[3]s
  user:
    client-certificate-data: %[5]s
    client-key-data: %[6]s
contexts:
- name: %[1]s
  context:
    cluster: %[1]s
    user: %[3]s
current-context: %[1]s
`, cluster, server, name, parts[0], parts[1], parts[2])
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	return os.Rename(temp, path)
}

// Client speaks to one cluster as its administrator.
type Client struct {
	// Server is the API's URL.
	Server string
	// Kubectl and Config are the paths of the program and its kubeconfig.
	Kubectl, Config string

	http *http.Client
}

// NewClient reads the administrator's certificate from pki.
func NewClient(server, pki, kubectl, config string) (*Client, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("the administrator's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("the cluster's certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	// No proxy: the server is on this machine.
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return &Client{
		Server: server, Kubectl: kubectl, Config: config,
		http: &http.Client{Transport: transport},
	}, nil
}

// Get reads the object at the path, such as /api/v1/nodes/node1, into out; a nil
// out only asks whether the answer is 200.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := c.Open(ctx, path)
	if err != nil {
		return err
	}
	defer stream.Close() //nolint:errcheck // read to its end below
	body, err := io.ReadAll(io.LimitReader(stream, 16<<20))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// Open gives the body of an answer of 200, which for a watch lasts as long as
// ctx. It is closed by the caller.
func (c *Client) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Server+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return nil, errors.Join(fmt.Errorf("GET %s: %s: %s", path, response.Status, firstLine(body)), err, response.Body.Close())
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line
}

// Condition is nil if the object's condition of that type is True; otherwise the
// error has the condition's message.
func (c *Client) Condition(ctx context.Context, path, kind string) error {
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := c.Get(ctx, path, &object); err != nil {
		return err
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type != kind {
			continue
		}
		if condition.Status == "True" {
			return nil
		}
		return fmt.Errorf("%s is %s: %s: %s", kind, condition.Status, condition.Reason, condition.Message)
	}
	return fmt.Errorf("there is no condition %s yet", kind)
}

// Available is nil once a Deployment has all of its pods, of its newest
// template, ready.
func (c *Client) Available(ctx context.Context, path string) error {
	var d struct {
		Metadata struct{ Generation int64 }
		Spec     struct{ Replicas int }
		Status   struct {
			ObservedGeneration                       int64
			Replicas, UpdatedReplicas, ReadyReplicas int
		}
	}
	if err := c.Get(ctx, path, &d); err != nil {
		return err
	}
	s := d.Status
	if s.ObservedGeneration >= d.Metadata.Generation && s.UpdatedReplicas == d.Spec.Replicas && s.ReadyReplicas == d.Spec.Replicas && s.Replicas == d.Spec.Replicas {
		return nil
	}
	return fmt.Errorf("%d of %d pods are ready", s.ReadyReplicas, d.Spec.Replicas)
}

// Apply applies the manifests on the server's side.
func (c *Client) Apply(ctx context.Context, manifests []byte) error {
	cmd := exec.CommandContext(ctx, c.Kubectl, "--kubeconfig", c.Config, "apply", "--server-side", "--force-conflicts", "--field-manager", "berth-cluster", "-f", "-")
	cmd.Stdin = bytes.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("applying manifests: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
