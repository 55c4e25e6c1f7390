// SPDX-License-Identifier: Apache-2.0

// Package fault holds the one error that a rule of Berth gives when it refuses something. The API server writes it as
// {message, detail, validations}; the controllers make it a condition. What is no fault is an error of ours or of the
// cluster: people see a plain sentence, and the cause goes to the log.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what was wrong, as far as the asker must know.
type Kind int

const (
	// Invalid: the input must be changed.
	Invalid Kind = iota + 1
	// Unauthenticated: nobody known asks.
	Unauthenticated
	// NotFound: it does not exist, or the asker may not know that it does.
	NotFound
	// Forbidden: the asker may see it and not do this to it.
	Forbidden
	// Conflict: it stands against what is there; the same input may be right later.
	Conflict
	// TooLarge: the input exceeds a bound.
	TooLarge
	// Unavailable: it cannot be answered now; try again.
	Unavailable
)

// String names the kind for logs.
func (k Kind) String() string {
	names := [...]string{Invalid: "invalid", Unauthenticated: "unauthenticated", NotFound: "not found", Forbidden: "forbidden",
		Conflict: "conflict", TooLarge: "too large", Unavailable: "unavailable"}
	if k < Invalid || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Field says which input was wrong, and what would be right.
type Field struct {
	// Path is the input's name where it was given: a path such as spec.parameters.cpu, or a key of a body or query.
	Path string
	// Detail is what is wrong with it and what would be right.
	Detail string
}

// Error is a refusal by a rule.
type Error struct {
	// Kind is what was wrong.
	Kind Kind
	// Reason is the condition's reason in the cluster, CamelCase; empty means the controller's own choice.
	Reason string
	// Message is a sentence for the person.
	Message string
	// Detail is more for who wants to know; it may be empty.
	Detail string
	// Fields are the inputs that were wrong.
	Fields []Field
	// Cause is for the log, and never shown.
	Cause error
}

// Error is the message with its fields, for logs and conditions.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	parts := make([]string, 0, len(e.Fields))
	for _, f := range e.Fields {
		parts = append(parts, f.Path+": "+f.Detail)
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New is a fault of the kind with a message made as by fmt.Sprintf.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// On is an Invalid fault about one input.
func On(path, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	return &Error{Kind: Invalid, Message: path + ": " + detail, Fields: []Field{{Path: path, Detail: detail}}}
}

// Because gives a copy of the fault with the reason that a condition shows.
func (e *Error) Because(reason string) *Error {
	c := *e
	c.Reason = reason
	return &c
}

// As finds the fault in an error's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Cause is what a log learns of an error: what caused it, where people are told something else.
func Cause(err error) string {
	if f, ok := As(err); ok && f.Cause != nil {
		return f.Cause.Error()
	}
	return err.Error()
}

// Is tells whether an error is a fault of the kind.
func Is(err error, kind Kind) bool {
	e, ok := As(err)
	return ok && e.Kind == kind
}

// Join makes one Invalid fault of several, so that a person sees everything at once; nil when there is none. A single
// fault is given back as it is.
func Join(message string, faults ...*Error) *Error {
	var fields []Field
	var only *Error
	n := 0
	for _, f := range faults {
		if f == nil {
			continue
		}
		n++
		only = f
		fields = append(fields, f.Fields...)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return only
	}
	return &Error{Kind: Invalid, Reason: only.Reason, Message: message, Fields: fields}
}
