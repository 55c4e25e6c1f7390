// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/fault"
)

// MaxBody is how many bytes the JSON body of a request may have.
const MaxBody = 1 << 20

// read gives a handler its input, as its type says: nothing, the query, the body as it is, or the JSON body.
func read[In any](w http.ResponseWriter, r *http.Request) (In, error) {
	var in In
	switch v := any(&in).(type) {
	case *None:
		return in, nil
	case *Query:
		*v = NewQuery(r.URL.Query())
		return in, nil
	case *Upload:
		var err error
		*v, err = readUpload(w, r)
		return in, err
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
	var read bytes.Buffer
	decoder := json.NewDecoder(io.TeeReader(http.MaxBytesReader(w, r.Body, MaxBody), &read))
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = orElse(err, errors.New("something follows the first JSON value"))
	}
	return unreadable(err, read.Bytes(), into)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// unreadable says what is wrong with a body without repeating any of it, since a body may hold a password.
func unreadable(err error, body []byte, into any) error {
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
	f.Fields = notIDs(body, reflect.TypeOf(into).Elem())
	return f
}

// notIDs names the keys whose ids are none. encoding/json does not: an id refuses its text itself, and knows no key.
func notIDs(body []byte, in reflect.Type) []fault.Field {
	var values map[string]json.RawMessage
	if in.Kind() != reflect.Struct || json.Unmarshal(body, &values) != nil {
		return nil
	}
	var fields []fault.Field
	for _, field := range reflect.VisibleFields(in) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		for name, value := range values {
			var id *uuid.UUID
			isID := field.Type == reflect.TypeOf(id) || field.Type == reflect.TypeOf(id).Elem()
			if isID && strings.EqualFold(name, key) && json.Unmarshal(value, &id) != nil {
				fields = append(fields, fault.Field{Path: key, Detail: "must be a UUID of 36 characters, such as " + uuid.Nil.String()})
			}
		}
	}
	return fields
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
