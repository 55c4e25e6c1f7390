// SPDX-License-Identifier: Apache-2.0

// Package agent is what berth-agent does in a workspace's pod. It owns how the agent comes into the pod (Install), how
// a new home claim gets the content of the image's home directory (Seed), and the first process of a container: what
// it runs, reaps, passes on and ends (Run), and how a probe learns that it is up (Ready).
//
// It knows nothing of Kubernetes: which container gets an agent, with which home and directory, is said on its command line
// by what renders the pod. It opens no port. Only in a prepared pod, which is nobody's yet, it talks to the API server, to
// hear whose it becomes (Hold).
package agent
