// SPDX-License-Identifier: Apache-2.0

// Package plugin is kubectl-berth: Berth's commands for people, with kubectl's flags, each in a file of its name. It owns
// command lines, exit codes and what is shown in a terminal. It asks the cluster with the rights of whoever runs it, and
// decides nothing: what a command wishes it writes as any manifest would, and the manager acts. What needs no cluster is
// package manifest's, and the story of a workspace package diagnosis's.
package plugin
