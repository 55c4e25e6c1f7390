// SPDX-License-Identifier: Apache-2.0

// Command kubectl-berth is the plug-in for kubectl: `kubectl berth …`. Under the name kubectl_complete-berth it completes
// command lines for kubectl, which looks for a program of that name.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/berth-dev/berth/internal/plugin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	arguments := os.Args[1:]
	if strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl_complete-berth") {
		arguments = append([]string{"__complete"}, arguments...)
	}
	code := plugin.Run(ctx, arguments, genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	stop()
	os.Exit(code)
}
