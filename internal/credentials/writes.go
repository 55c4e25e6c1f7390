// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// WriteKind is what a write of somebody's credentials does.
type WriteKind int

// The kinds of writes.
const (
	// WriteOther is of a credential that has no kind of its own.
	WriteOther WriteKind = iota
	// WritePassword gives a password, and ends what the old one led to.
	WritePassword
	// WriteKey makes a session or a token.
	WriteKey
	// EndKey ends one.
	EndKey
	// LinkExternal keeps what an external provider gave with a sign-in, and EndExternal forgets it.
	LinkExternal
	EndExternal
)

// Write is one credential that a write is about. It holds nothing of the credential itself.
type Write struct {
	Kind WriteKind
	// Name is the token's, the id of a session's key, that of the external provider, or that of the field.
	Name string
}

// OwnerOf is the id of the user whose credentials the Secret of the name holds; false when it holds nobody's.
func OwnerOf(secret string) (uuid.UUID, bool) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

// Writes tells what a write of the fields of a user's Secret does; nil removes a field. Keys that go because of a new
// password, or to make room for a new key, are part of that.
func Writes(fields map[string][]byte) []Write {
	if fields[passwordField] != nil {
		return []Write{{WritePassword, passwordField}}
	}
	var made, ended, others []Write
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		id, isKey := strings.CutPrefix(field, keyPrefix)
		provider, isExternal := strings.CutPrefix(field, externalPrefix)
		value := fields[field]
		switch {
		case field == sourceField: // how far a declared password was read
		case isKey && value == nil:
			ended = append(ended, Write{EndKey, id})
		case isKey:
			name := id
			if k, ok := readKey(field, value); ok && k.Name != "" {
				name = k.Name
			}
			made = append(made, Write{WriteKey, name})
		case isExternal && value == nil:
			others = append(others, Write{EndExternal, provider})
		case isExternal:
			others = append(others, Write{LinkExternal, provider})
		default:
			others = append(others, Write{WriteOther, field})
		}
	}
	if len(made) > 0 {
		ended = nil
	}
	return slices.Concat(made, ended, others)
}
