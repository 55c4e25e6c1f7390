// SPDX-License-Identifier: Apache-2.0

// Package ids gives everything on the wire its UUID. An object's id is its spec.id, or its uid until the manager has
// set that; what is no object of its own has a UUID of version 5 over its parent's id. No id follows from a name that a
// person may choose freely in another's tenancy: each derives from an id above it.
package ids

import (
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Of is the id of an object: spec.id where it is set, else metadata.uid. The nil UUID stands for an object that has
// neither, as one that was never stored.
func Of(o v1alpha1.Object) uuid.UUID {
	if id, err := uuid.Parse(string(o.WireID())); err == nil {
		return id
	}
	id, err := uuid.Parse(string(o.GetUID()))
	if err != nil {
		return uuid.Nil
	}
	return id
}

// Build is the id of a workspace's build of the number.
func Build(workspace uuid.UUID, number int64) uuid.UUID {
	return derive(workspace, "build", strconv.FormatInt(number, 10))
}

// File is the id of an archive with the hash that a User uploaded.
func File(uploader uuid.UUID, hash string) uuid.UUID { return derive(uploader, "file", hash) }

// VersionFile is the id of the archive that a version's content can be had as: the one that was uploaded, else one that
// is written when somebody asks for it. Another content has another id.
func VersionFile(v *v1alpha1.TemplateVersion) uuid.UUID {
	if s := v.Spec.Source; s != nil {
		if id, err := uuid.Parse(string(s.File)); err == nil {
			return id
		}
	}
	return uuid.NewSHA1(Of(v), []byte("file\x00"+v.Status.ContentHash))
}

// Job is the id of the work behind a build, a version's check or a dry run.
func Job(of uuid.UUID) uuid.UUID { return derive(of, "job") }

// Resource is the id of an object of a build, by kind and by its name in the version.
func Resource(build uuid.UUID, kind, name string) uuid.UUID {
	return derive(build, "resource", kind, name)
}

// Agent is the id of a build's agent.
func Agent(build uuid.UUID, name string) uuid.UUID { return derive(build, "agent", name) }

// App is the id of an agent's app.
func App(agent uuid.UUID, name string) uuid.UUID { return derive(agent, "app", name) }

// Script is the id of an agent's script, and of the log source that its lines come from.
func Script(agent uuid.UUID, name string) uuid.UUID { return derive(agent, "script", name) }

// derive hashes parts under a parent's id. A NUL keeps "a","b" and "ab" apart; no part holds one.
func derive(parent uuid.UUID, parts ...string) uuid.UUID {
	text := []byte{}
	for _, p := range parts {
		text = append(text, p...)
		text = append(text, 0)
	}
	return uuid.NewSHA1(parent, text)
}
