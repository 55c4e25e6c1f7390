// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"runtime"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// None stands for no body: as In, none is read; as Out, none is written.
type None struct{}

// Endpoint is what a Route does. It keeps the types of its bodies, so that they can be compared with the contract. The
// zero value does nothing, and its Route does not start.
type Endpoint struct {
	action  authz.Action
	caller  bool // it has no meaning without a known caller
	agent   bool // it is asked by agents
	raw     bool // it writes its answer itself, and may take long
	leads   bool // it leads browsers elsewhere, whose people see its refusals
	socket  bool // it answers an upgrade to a websocket
	in, out reflect.Type
	file    string
	line    int
	serve   func(w http.ResponseWriter, r *http.Request, status int) error
}

// Load finds the object that a request's path names, and what rights on it depend on. It does not ask who calls. An
// object that is not there is a fault.NotFound; On makes its answer the same as for one that the caller may not see.
type Load[T any] func(*http.Request) (T, authz.Object, error)

// ByID is a Load of the object whose id stands in the path under the name.
func ByID[T any](name string, find func(context.Context, uuid.UUID) (T, authz.Object, error)) Load[T] {
	return func(r *http.Request) (T, authz.Object, error) {
		id, err := PathUUID(r, name)
		if err != nil {
			var none T
			return none, authz.Object{}, err
		}
		return find(r.Context(), id)
	}
}

// ByName is a Load of the object whose name stands in the path under the name.
func ByName[T any](name string, find func(context.Context, string) (T, authz.Object, error)) Load[T] {
	return func(r *http.Request) (T, authz.Object, error) { return find(r.Context(), r.PathValue(name)) }
}

// allowed is the object that a request speaks of: a 404 when the caller may not see it, a 403 when it may not do this to it.
func (l Load[T]) allowed(r *http.Request, a authz.Action) (T, error) {
	object, rights, err := l(r)
	if fault.Is(err, fault.NotFound) {
		return object, notFound()
	}
	if err != nil {
		return object, err
	}
	return object, Allow(r.Context(), a, rights)
}

// On serves a route about one object: load finds it (404 when the caller may not see it), the action is checked against
// it (403), and only then is the input read and fn run. In is None, Query, Upload, or the type of a JSON body; Out is None,
// Blob, the type of a JSON body, or a Reply of it.
func On[T, In, Out any](load Load[T], a authz.Action, fn func(context.Context, T, In) (Out, error)) Endpoint {
	e := endpoint[In, Out](a, true)
	e.serve = func(w http.ResponseWriter, r *http.Request, status int) error {
		object, err := load.allowed(r, a)
		if err != nil {
			return err
		}
		in, err := read[In](w, r)
		if err != nil {
			return err
		}
		out, err := fn(r.Context(), object, in)
		if err != nil {
			return err
		}
		return reply(w, r, status, out)
	}
	return e
}

// Bytes serves what one object comes to as bytes of a media type, as a file; load and the action are as for On.
func Bytes[T any](load Load[T], a authz.Action, media string, fn func(context.Context, T) ([]byte, error)) Endpoint {
	e := endpoint[None, None](a, true)
	e.serve = func(w http.ResponseWriter, r *http.Request, status int) error {
		object, err := load.allowed(r, a)
		if err != nil {
			return err
		}
		data, err := fn(r.Context(), object)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.WriteHeader(status)
		if _, err := w.Write(data); err != nil {
			return &sendError{err}
		}
		return nil
	}
	return e
}

// Visible serves a route about whatever the caller may see, such as a list: fn itself leaves out the rest.
func Visible[In, Out any](fn func(context.Context, In) (Out, error)) Endpoint {
	e := endpoint[In, Out](authz.Read, true)
	e.serve = plain(fn)
	return e
}

// Plain serves a route about no object, such as the build information or the login. Its Route declares the action.
func Plain[In, Out any](fn func(context.Context, In) (Out, error)) Endpoint {
	e := endpoint[In, Out]("", false)
	e.serve = plain(fn)
	return e
}

// Raw serves a stream, an upload or a redirect: fn writes the answer itself. What it returns before it has written
// anything is answered as any error. Its Route declares the action, and fn checks it.
func Raw(fn func(http.ResponseWriter, *http.Request) error) Endpoint {
	e := Endpoint{raw: true, serve: func(w http.ResponseWriter, r *http.Request, _ int) error { return fn(w, r) }}
	_, e.file, e.line, _ = runtime.Caller(1)
	return e
}

func plain[In, Out any](fn func(context.Context, In) (Out, error)) func(http.ResponseWriter, *http.Request, int) error {
	return func(w http.ResponseWriter, r *http.Request, status int) error {
		in, err := read[In](w, r)
		if err != nil {
			return err
		}
		out, err := fn(r.Context(), in)
		if err != nil {
			return err
		}
		return reply(w, r, status, out)
	}
}

// endpoint is an Endpoint of the types, with the place of the caller's caller: the line of the table.
func endpoint[In, Out any](a authz.Action, caller bool) Endpoint {
	e := Endpoint{action: a, caller: caller, in: bodyType(reflect.TypeFor[In]()), out: bodyType(reflect.TypeFor[Out]())}
	_, e.file, e.line, _ = runtime.Caller(2)
	return e
}

// bodyType is the type that travels as JSON; nil when none does.
func bodyType(t reflect.Type) reflect.Type {
	switch t {
	case reflect.TypeFor[None](), reflect.TypeFor[Query](), reflect.TypeFor[Upload](), reflect.TypeFor[Blob]():
		return nil
	}
	if r, ok := reflect.Zero(t).Interface().(replier); ok {
		return bodyType(r.bodyType())
	}
	return t
}

// Allow checks a further action of the caller: nil when it is allowed, 404 when the caller may not see the object, and
// 403 otherwise.
func Allow(ctx context.Context, a authz.Action, o authz.Object) error {
	caller := authz.From(ctx)
	switch {
	case caller.Can(a, o):
		if a == authz.Create || caller.Can(authz.Read, o) {
			return nil
		}
		audit.From(ctx).Deny()
		return notFound()
	case caller.Can(authz.Read, o):
		audit.From(ctx).Deny()
		return fault.New(fault.Forbidden, "You may not %s this %s. Ask its administrator, or sign in as somebody else.", a, o.Kind)
	}
	audit.From(ctx).Deny()
	return notFound()
}

// notFound is the same for what is not there and for what the caller may not see.
func notFound() error {
	return fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
}
