// SPDX-License-Identifier: Apache-2.0

// Package query reads the search language of the API: key:value terms, quotes, and bare words. It owns the grammar, what
// is said about a query that is wrong, and which workspaces match. It finds nothing itself.
package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/fault"
)

// field is the query's own name among the request's parameters.
const field = "q"

// maxQuery bounds a query's bytes.
const maxQuery = 4096

// terms are the values by key, in lower case.
type terms struct {
	values map[string][]string
	read   map[string]bool
	wrong  []fault.Field
}

// split reads the grammar: terms apart by blanks, a key and a value apart by a colon, quotes around what holds either.
// What has no key is given to bare, with its quotes; bare adds it under a key, or says what is wrong with it.
func split(text string, bare func(word string, add func(key, value string)) string) *terms {
	t := &terms{values: map[string][]string{}, read: map[string]bool{}}
	if len(text) > maxQuery {
		t.refuse(field, "is longer than %d bytes", maxQuery)
		return t
	}
	add := func(key, value string) { t.values[key] = append(t.values[key], value) }
	for _, word := range cut(strings.ToLower(text), isBlank) {
		parts := cut(word, func(r rune) bool { return r == ':' })
		switch colons := strings.Count(unquoted(word), ":"); {
		case colons == 0:
			if problem := bare(word, add); problem != "" {
				t.refuse(field, "%s", problem)
			}
		case strings.HasPrefix(word, ":") || strings.HasSuffix(word, ":"):
			t.refuse(field, "Query element %q cannot start or end with ':'", word)
		case colons > 1 || len(parts) != 2:
			t.refuse(field, "Query element %q can only contain 1 ':'", word)
		default:
			add(strings.Trim(parts[0], `"`), strings.Trim(parts[1], `"`))
		}
	}
	return t
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// cut splits text at delimiters outside quotes and drops what is empty.
func cut(text string, delimiter func(rune) bool) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && delimiter(r)
	})
}

// unquoted is the text without its quoted parts.
func unquoted(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, `"`) {
		if i%2 == 0 {
			out.WriteString(part)
		}
	}
	return out.String()
}

func (t *terms) refuse(path, format string, args ...any) {
	t.wrong = append(t.wrong, fault.Field{Path: path, Detail: fmt.Sprintf(format, args...)})
}

// one is the value of a key that may stand once; "" when it does not.
func (t *terms) one(key string) string {
	t.read[key] = true
	values := t.values[key]
	if len(values) > 1 {
		t.refuse(key, "Query param %q provided more than once, found %d times", key, len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// list is the values of a key, apart by commas.
func (t *terms) list(key string) []string {
	var items []string
	for _, item := range strings.Split(t.one(key), ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// pairs are the values of a key that may stand more than once: a name, or a name and what it is, apart by the first "=".
func (t *terms) pairs(key string) []Pair {
	t.read[key] = true
	var found []Pair
	for _, text := range t.values[key] {
		name, value, both := strings.Cut(text, "=")
		if name == "" {
			t.refuse(key, `Query param %q must be a name, or a name and a value: %s:cpu, %s:"cpu=4"`, key, key, key)
			continue
		}
		pair := Pair{Name: name}
		if both {
			value = strings.Trim(value, `"`)
			pair.Value = &value
		}
		found = append(found, pair)
	}
	return found
}

// choice is the value of a key that is one of some.
func (t *terms) choice(key string, of ...string) string {
	value := t.one(key)
	if value != "" && !slices.Contains(of, value) {
		t.refuse(key, "Query param %q has invalid values: %q is none of %s", key, value, strings.Join(of, ", "))
		return ""
	}
	return value
}

// boolean is the value of a key that is true or false; nil when it does not stand there.
func (t *terms) boolean(key string) *bool {
	value := t.one(key)
	if value == "" {
		return nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		t.refuse(key, "Query param %q must be a valid boolean: true or false", key)
		return nil
	}
	return &b
}

// uuids are the values of a key that is a list of ids.
func (t *terms) uuids(key string) []uuid.UUID {
	var found []uuid.UUID
	for _, item := range t.list(key) {
		id, err := uuid.Parse(item)
		if err != nil || len(item) != len(uuid.Nil.String()) {
			t.refuse(key, "Query param %q must be a comma-separated list of UUIDs; %q is none", key, item)
			continue
		}
		found = append(found, id)
	}
	return found
}

// uuid is the value of a key that is an id; the nil UUID when it does not stand there.
func (t *terms) uuid(key string) uuid.UUID {
	value := t.one(key)
	if value == "" {
		return uuid.Nil
	}
	id, err := uuid.Parse(value)
	if err != nil || len(value) != len(uuid.Nil.String()) {
		t.refuse(key, "Query param %q must be a valid UUID of 36 characters", key)
		return uuid.Nil
	}
	return id
}

// instant is the value of a key that is a time of the layout; the zero time when it does not stand there.
func (t *terms) instant(key, layout, want string) time.Time {
	value := strings.ToUpper(t.one(key))
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(layout, value)
	if err != nil {
		t.refuse(key, "Query param %q must be %s", key, want)
		return time.Time{}
	}
	return at.UTC()
}

// err is nil when the query was right, else one fault with everything that was not.
func (t *terms) err() error {
	unread := make([]string, 0, len(t.values))
	for key := range t.values {
		if !t.read[key] {
			unread = append(unread, key)
		}
	}
	slices.Sort(unread)
	for _, key := range unread {
		t.refuse(key, "Query param %q is not a valid query param", key)
	}
	if len(t.wrong) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Invalid search query.", Fields: t.wrong}
}
