// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// patience is how long a completion may ask the cluster: a person waits for it with a key held down.
const patience = 2 * time.Second

// names gives the names that may stand at a place of a command line.
type names func(context.Context, *connection) ([]string, error)

// complete completes one argument with names from the cluster. Where the cluster does not answer it offers none.
func (s *session) complete(of names) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && c.Flags().Lookup("template") == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(c.Context(), patience)
		defer cancel()
		connection, err := s.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		found, err := of(ctx, connection)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

func workspaceNames(ctx context.Context, c *connection) ([]string, error) {
	var all v1alpha1.WorkspaceList
	err := c.List(ctx, &all, client.InNamespace(c.namespace))
	var found []string
	for _, w := range all.Items {
		found = append(found, w.Name)
	}
	return found, err
}

func templateNames(ctx context.Context, c *connection) ([]string, error) {
	var all v1alpha1.TemplateList
	err := c.List(ctx, &all, client.InNamespace(c.home(ctx)))
	var found []string
	for _, t := range all.Items {
		found = append(found, t.Name)
	}
	return found, err
}
