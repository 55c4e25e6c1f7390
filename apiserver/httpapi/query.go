// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/fault"
)

// Query reads what stands behind the ? of a request and gathers what is wrong with it. Ask for everything first, then
// for Err. A value that is wrong reads as its default.
type Query struct {
	values url.Values
	wrong  *[]fault.Field
}

// Page is the part of a list that is asked for.
type Page struct {
	// Limit is the most items that are wished; 0 means all.
	Limit int
	// Offset is how many items are left out first.
	Offset int
	// AfterID is the item behind which the page begins, in place of an offset; the nil UUID when it is not given.
	AfterID uuid.UUID
}

// NewQuery reads the values.
func NewQuery(values url.Values) Query { return Query{values: values, wrong: &[]fault.Field{}} }

// Has tells whether the parameter is there, if only without a value.
func (q Query) Has(name string) bool { return q.values.Has(name) }

// String is the parameter's value; "" when it is not there.
func (q Query) String(name string) string { return q.values.Get(name) }

// Page reads limit, offset and after_id.
func (q Query) Page() Page {
	return Page{Limit: q.Count("limit"), Offset: q.Count("offset"), AfterID: q.UUID("after_id")}
}

// Count is the parameter as a whole number, zero or more; 0 when it is not there.
func (q Query) Count(name string) int {
	return parsed(q, name, "must be a valid integer, zero or more", func(text string) (int, bool) {
		n, err := strconv.ParseInt(text, 10, 32)
		return int(n), err == nil && n >= 0
	})
}

// ID is the parameter as the number of a line, zero or more; 0 when it is not there. Some clients send a time in
// milliseconds, which is more than any line's.
func (q Query) ID(name string) int64 {
	return parsed(q, name, "must be a valid integer, zero or more", func(text string) (int64, bool) {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && n >= 0
	})
}

// Bool is the parameter as true or false; false when it is not there.
func (q Query) Bool(name string) bool {
	return parsed(q, name, "must be a valid boolean: true or false", func(text string) (bool, bool) {
		b, err := strconv.ParseBool(text)
		return b, err == nil
	})
}

// UUID is the parameter as an id; the nil UUID when it is not there.
func (q Query) UUID(name string) uuid.UUID {
	return parsed(q, name, "must be a valid UUID of 36 characters", func(text string) (uuid.UUID, bool) {
		id, err := parseUUID(text)
		return id, err == nil
	})
}

// Time is the parameter as an RFC 3339 time; the zero time when it is not there.
func (q Query) Time(name string) time.Time {
	return parsed(q, name, "must be a valid RFC 3339 time, such as 2026-01-31T12:00:00Z", func(text string) (time.Time, bool) {
		t, err := time.Parse(time.RFC3339Nano, text)
		return t, err == nil
	})
}

func parsed[T any](q Query, name, want string, parse func(string) (T, bool)) T {
	var none T
	text := q.values.Get(name)
	if text == "" {
		return none
	}
	value, ok := parse(text)
	if !ok {
		*q.wrong = append(*q.wrong, fault.Field{Path: name, Detail: fmt.Sprintf("Query param %q %s", name, want)})
		return none
	}
	return value
}

// Err is nil when all that was asked for could be read, else one fault that names everything that could not.
func (q Query) Err() error {
	if q.wrong == nil || len(*q.wrong) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Message: "Query parameters have invalid values.", Fields: *q.wrong}
}
