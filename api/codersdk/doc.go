// SPDX-License-Identifier: Apache-2.0

// Package codersdk holds the JSON bodies of the codersdk HTTP API (/api/v2) as Go types: one struct for each body or
// part of one, one string type for each closed list of values, a file for each resource.
//
// It owns names, JSON keys and what is left out or null on the wire. It does not own where a value comes from (that is
// apiserver/view), which value is legal (the rules under internal), or how a request is decoded. The one thing here that
// is not a plain declaration is NullTime, because encoding/json has no tag that says "null when zero".
//
// Conventions, the same in every file:
//
//   - A time is RFC 3339 in UTC. A plain time.Time that never happened is sent as the zero time. A *time.Time is left
//     out while nil. A NullTime is always there and is null while zero.
//   - An id is a UUID. "No id" is the nil UUID where the field is a plain uuid.UUID, and the field is left out where it
//     is a pointer.
//   - A list or a map without omitempty is sent as [] or {}, never as null. Go encodes a nil slice as null, so whoever
//     fills one of these structs sets every such field.
//   - A number in milliseconds is called …Millis, one in seconds …Seconds; durations in nanoseconds say so.
//
// internal/testing/contract compares every type here with the project's copy of the API's facts.
package codersdk
