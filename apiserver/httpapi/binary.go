// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/internal/fault"
)

// MaxUpload is how many bytes an Upload may have.
const MaxUpload = 10 << 20

// Upload is a body that is no JSON; as In, it is read whole.
type Upload struct {
	// Type is the Content-Type that the client gave.
	Type string
	// Data is the body.
	Data []byte
}

// Blob is an answer that is no JSON; as Out, it is written as it is. What its ETag stands for never changes, so a client
// that has it gets 304.
type Blob struct {
	// Type is the Content-Type.
	Type string
	// ETag is the entity's tag, without quotes.
	ETag string
	// Data is the body.
	Data []byte
}

// readUpload reads a body, and no more of it than is allowed.
func readUpload(w http.ResponseWriter, r *http.Request) (Upload, error) {
	if r.ContentLength > MaxUpload {
		w.Header().Set("Connection", "close") // so that nobody sends the rest
		return Upload{}, uploadTooLarge()
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxUpload))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return Upload{}, uploadTooLarge()
	case err != nil:
		f := fault.New(fault.Invalid, "The request's body ended early.")
		f.Cause = err
		return Upload{}, f
	}
	return Upload{Type: r.Header.Get("Content-Type"), Data: data}, nil
}

func uploadTooLarge() error {
	f := fault.New(fault.TooLarge, "Request body too large.")
	f.Detail = "A file may have 10 MiB at most."
	return f
}

// writeBlob writes a success that is no JSON.
func writeBlob(w http.ResponseWriter, r *http.Request, status int, b Blob) error {
	h := w.Header()
	tag := strconv.Quote(b.ETag)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	if has(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", b.Type)
	h.Set("Content-Length", strconv.Itoa(len(b.Data)))
	w.WriteHeader(status)
	if _, err := w.Write(b.Data); err != nil {
		return &sendError{err}
	}
	return nil
}

// has tells whether an If-None-Match names the tag.
func has(header, tag string) bool {
	for _, one := range strings.Split(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
