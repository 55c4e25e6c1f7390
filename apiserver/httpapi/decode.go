// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/fault"
)

// MaxBody is how many bytes the JSON body of a request may have.
const MaxBody = 1 << 20

// read gives a handler its input, as its type says: nothing, the query, or the JSON body.
func read[In any](w http.ResponseWriter, r *http.Request) (In, error) {
	var in In
	switch v := any(&in).(type) {
	case *None:
		return in, nil
	case *Query:
		*v = NewQuery(r.URL.Query())
		return in, nil
	}
	return in, decode(w, r, &in)
}

// decode reads one JSON value, and nothing behind it, as encoding/json does: keys without regard to case, unknown ones
// ignored.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	if r.ContentLength > MaxBody {
		w.Header().Set("Connection", "close") // so that nobody sends the rest
		return tooLarge()
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = orElse(err, errors.New("something follows the first JSON value"))
	}
	return unreadable(err)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// unreadable says what is wrong with a body without repeating any of it, since a body may hold a password.
func unreadable(err error) error {
	const message = "Request body must be valid JSON."
	var long *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &long):
		return tooLarge()
	case errors.As(err, &kind):
		f := fault.New(fault.Invalid, message)
		f.Detail = "A value is of the wrong JSON type."
		if kind.Field != "" {
			f.Fields = []fault.Field{{Path: kind.Field, Detail: "must be " + jsonKind(kind) + ", not " + kind.Value}}
		}
		return f
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, message)
	}
	f := fault.New(fault.Invalid, message)
	f.Cause = err
	return f
}

func jsonKind(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "bool":
		return "true or false"
	case "string", "array":
		return "a string"
	case "slice":
		return "a list"
	case "struct", "map":
		return "an object"
	}
	return "a number in range"
}

func tooLarge() error {
	f := fault.New(fault.TooLarge, "Request body too large.")
	f.Detail = "A body may have 1 MiB at most."
	return f
}

// PathUUID is the id that stands in the request's path under the name; what is no UUID is an Invalid fault.
func PathUUID(r *http.Request, name string) (uuid.UUID, error) {
	id, err := parseUUID(r.PathValue(name))
	if err != nil {
		f := fault.New(fault.Invalid, "Invalid UUID %q.", shorten(r.PathValue(name)))
		f.Fields = []fault.Field{{Path: name, Detail: "must be a UUID of 36 characters, such as " + uuid.Nil.String()}}
		return uuid.Nil, f
	}
	return id, nil
}

// parseUUID takes the one common spelling, so that no id has two.
func parseUUID(text string) (uuid.UUID, error) {
	if len(text) != 36 {
		return uuid.Nil, errors.New("a UUID has 36 characters")
	}
	return uuid.Parse(text)
}

// shorten bounds foreign text in a message.
func shorten(text string) string {
	const limit = 64
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
