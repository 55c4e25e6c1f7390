// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/fault"
)

// Reply is an answer that needs more than its body: a cookie, or a second success status.
type Reply[T any] struct {
	// Body is what is sent.
	Body T
	// Status replaces the Route's status where it is not 0.
	Status int
	// Header is added to the answer's.
	Header http.Header
}

type replier interface {
	bodyType() reflect.Type
	parts() (body any, status int, header http.Header)
}

func (Reply[T]) bodyType() reflect.Type { return reflect.TypeFor[T]() }

func (r Reply[T]) parts() (any, int, http.Header) { return r.Body, r.Status, r.Header }

// Refusal is an error whose status none of the fault's kinds says, such as 410 or 429.
type Refusal struct {
	// Fault is what is said.
	Fault *fault.Error
	// Status is the answer's status.
	Status int
	// RetryAfter is when asking again makes sense, in whole seconds; zero says nothing.
	RetryAfter time.Duration
}

// Error is the fault's text.
func (r *Refusal) Error() string { return r.Fault.Error() }

// Unwrap gives the fault.
func (r *Refusal) Unwrap() error { return r.Fault }

// reply writes a success.
func reply(w http.ResponseWriter, r *http.Request, status int, out any) error {
	if special, ok := out.(replier); ok {
		body, other, header := special.parts()
		for name, values := range header {
			w.Header()[name] = append(w.Header()[name], values...)
		}
		if other != 0 {
			status = other
		}
		out = body
	}
	if _, ok := out.(None); ok || status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return nil
	}
	if b, ok := out.(Blob); ok {
		return writeBlob(w, r, status, b)
	}
	return writeJSON(w, status, out)
}

func writeJSON(w http.ResponseWriter, status int, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(data)+1))
	w.WriteHeader(status)
	if _, err := w.Write(append(data, '\n')); err != nil {
		return &sendError{err}
	}
	return nil
}

// sendError says that the client did not take the answer: nothing more can be told to it.
type sendError struct{ error }

// refusal is what an error looks like to the client, and whether its cause belongs in the log.
func refusal(err error, requestID string) (status int, body codersdk.Response, retryAfter time.Duration) {
	f, isFault := fault.As(err)
	if !isFault {
		if errors.Is(err, context.DeadlineExceeded) {
			return http.StatusServiceUnavailable, codersdk.Response{Message: "The request took too long. Try again."}, time.Second
		}
		return http.StatusInternalServerError, codersdk.Response{
			Message: "An internal server error occurred.",
			Detail:  "The server's log says more, under request " + requestID + ".",
		}, 0
	}
	body = codersdk.Response{Message: f.Message, Detail: f.Detail}
	if body.Message == "" {
		body.Message = f.Error()
	}
	for _, field := range f.Fields {
		body.Validations = append(body.Validations, codersdk.ValidationError{Field: field.Path, Detail: field.Detail})
	}
	status = statusOf(f.Kind)
	if status == http.StatusServiceUnavailable {
		retryAfter = time.Second
	}
	var special *Refusal
	if errors.As(err, &special) {
		status, retryAfter = special.Status, special.RetryAfter
	}
	return status, body, retryAfter
}

func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
