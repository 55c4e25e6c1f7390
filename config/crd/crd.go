// SPDX-License-Identifier: Apache-2.0

// Package crd holds the definitions of Berth's kinds, as they are installed, for those who must know them without a
// cluster. `make generate` writes the definitions; this file is all that is written by hand here.
package crd

import "embed"

// Files are the definitions, one file a kind.
//
//go:embed *.yaml
var Files embed.FS
