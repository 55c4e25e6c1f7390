// SPDX-License-Identifier: Apache-2.0

// Command generate writes what `make generate` derives beyond controller-gen: the chart's copies of the CRDs, of the
// RBAC that the markers ask for and of the admission policies, the ClusterRole of the aggregated API from the route table,
// and what editors, kustomize and Argo CD know of our kinds. It reads config/ and the table, writes config/rbac/aggregated-api.yaml,
// config/kustomize, config/argocd and charts/berth, and removes from the chart's templates what has no source any more. It decides nothing: what the chart adds by hand stands in its other templates.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	if err := run(*root, apiserver.Routes(apiserver.Deps{})); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run writes everything below a repository's root.
func run(root string, routes []httpapi.Route) error {
	role, err := aggregatedRole(routes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "config", "rbac", aggregatedFile), []byte(role), 0o644); err != nil {
		return err
	}
	failures := []error{writeSchemas(root)}
	for _, c := range copies {
		failures = append(failures, c.write(root))
	}
	return errors.Join(failures...)
}
