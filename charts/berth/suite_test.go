// SPDX-License-Identifier: Apache-2.0

// Package berth_test proves the chart: what it renders (the same bytes each time, least privilege, restricted pods, the
// CRDs and policies of config), and what a real kube-apiserver makes of an installation. Whether the installed processes
// work is for the tests on a real node.
package berth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

func TestChart(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The chart in a cluster")
}

// chart is the chart's folder, seen from this package.
const chart = "."

// kubeVersion is what charts are rendered for where no cluster is asked.
const kubeVersion = "1.37.2"

// helm is the program: HELM names it, else it is the one beside the control plane's programs.
func helm() (string, error) {
	if named := os.Getenv("HELM"); named != "" {
		return named, nil
	}
	assets := os.Getenv(cluster.AssetsVariable)
	if assets == "" {
		return "", errors.New("neither HELM nor " + cluster.AssetsVariable + " is set; run the tests by `make test`")
	}
	return filepath.Join(assets, "helm"), nil
}

// run starts helm with a home of its own and gives back what it printed.
func run(ctx context.Context, t testing.TB, args ...string) (string, error) {
	t.Helper()
	program, err := helm()
	if err != nil {
		return "", err
	}
	home := t.TempDir()
	command := exec.CommandContext(ctx, program, args...)
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return out.String(), nil
}

// render is what the chart sends with the values, given as --set takes them.
func render(t testing.TB, set ...string) string {
	t.Helper()
	args := []string{"template", "berth", chart, "--namespace", "berth-system", "--kube-version", kubeVersion}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	out, err := run(t.Context(), t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// objects are the objects of a YAML stream.
func objects(t testing.TB, stream string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(stream), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); err != nil {
			return all
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// folder are the objects of all files of a folder of config.
func folder(t testing.TB, name string) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cluster.Root(), "config", name, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("config/%s: %d files, %v", name, len(files), err)
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, objects(t, string(text))...)
	}
	return all
}

// of are the objects of a kind.
func of(all []*unstructured.Unstructured, kind string) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, o := range all {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	return found
}

// as turns an object into its Go type.
func as[T any](t testing.TB, o *unstructured.Unstructured) *T {
	t.Helper()
	into := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return into
}
