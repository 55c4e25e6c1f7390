// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/internal/version"
)

func (s *session) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the plug-in's version",
		Args:  cobra.NoArgs,
		RunE: s.run(func(context.Context, []string) error {
			_, err := fmt.Fprintln(s.Out, version.Version)
			return err
		}),
	}
}
