// SPDX-License-Identifier: Apache-2.0

// Package manifest judges manifests of Berth's kinds before any cluster has seen them, and says in which line of which
// file something is wrong: whether the kind's definition takes them, and for a template whether its content compiles and
// renders. It owns positions and findings, and how findings are written. What is right about a content is package
// render's to say; what only a cluster knows (quota, admission, what a name refers to) is not asked here.
//
//	documents, findings := manifest.Read("go-dev.yaml", text)
//	findings = append(findings, checker.Check(&documents[0], manifest.Given{})...)
package manifest
