// SPDX-License-Identifier: Apache-2.0

// Package provision makes a version's content of an uploaded archive. How an archive may be written is a Provisioner's:
// there is one, which reads Berth's own format, a template.yaml and a README.md. Another, such as one that has OpenTofu
// run, would be a second implementation beside it.
//
// It is pure and bounded: it parses, and asks no cluster. Whether the content compiles, renders and would be taken by the
// cluster is the manager's to find out.
package provision
