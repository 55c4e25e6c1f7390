// SPDX-License-Identifier: Apache-2.0

// Package render turns the content of a template version and the choices of one workspace into what runs: a pod, its
// volume claims, and what they cost. It owns the ${…} expressions of a content, the check of a content before it is
// promoted, what a rendered pod may name, how the agent gets into a pod, and the names of a workspace's objects.
//
//	compiled, problems := render.Compile(&version.Spec.Content) // everything that is wrong, at once
//	input, placeholders := compiled.Sample()                    // the content's own defaults
//	workload, refusal := compiled.Render(input)                 // pure: the same input gives the same bytes
//
// It decides nothing about a parameter's value (package parameters does), and it talks to nobody: whether a Secret that
// a pod names may be mounted, and whether the cluster admits the pod, is for its caller to ask.
package render
