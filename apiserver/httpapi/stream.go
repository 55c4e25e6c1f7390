// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"time"

	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

const (
	// beat is how often a stream shows that it lives.
	beat = 15 * time.Second
	// recheck is how often it is asked whether the caller may still be there.
	recheck = time.Second
	// sendTimeout is how long a client may take to take what is sent.
	sendTimeout = 10 * time.Second
	// endGrace is how long what is being sent may still take when its stream has ended.
	endGrace = 500 * time.Millisecond
	// lookEvery and lookFor are how an object is looked for that was there a moment ago.
	lookEvery, lookFor = 50 * time.Millisecond, 2 * time.Second
)

// Changes tells when what a stream shows may have changed: it gives a channel that gets a value then, and what ends that.
// Nothing is lost when several changes become one value.
type Changes[T any] func(T) (changed <-chan struct{}, stop func())

// errStopping ends streams when the server stops; clients connect anew, to another replica.
var errStopping = fault.New(fault.Unavailable, "The server is stopping. Connect again.")

// stream is one that is being served: about an object that is loaded anew whenever it is looked at.
type stream[T any] struct {
	load   Load[T]
	action authz.Action
	r      *http.Request
	first  T
}

// begin checks the caller before anything of a stream is sent, as On does.
func begin[T any](load Load[T], a authz.Action, r *http.Request) (*stream[T], error) {
	object, err := load.allowed(r, a)
	if err != nil {
		return nil, err
	}
	return &stream[T]{load: load, action: a, r: r, first: object}, nil
}

// again loads the object as it is now.
func (s *stream[T]) again(ctx context.Context) (T, error) {
	object, _, err := s.load(s.r.WithContext(ctx))
	return object, err
}

// lately loads the object as it is now. One that is not there is looked for a while longer: what is remembered of an object
// that went may reach this process a moment after the news that it went.
func (s *stream[T]) lately(ctx context.Context) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	for {
		object, err := s.again(ctx)
		if !fault.Is(err, fault.NotFound) {
			return object, err
		}
		select {
		case <-ctx.Done():
			return object, err
		case <-time.After(lookEvery):
		}
	}
}

// guard gives a context that ends, with the reason as its cause, when the caller's session does, when the caller may not
// see the object any more, or when the server stops. Once a stream is begun no request is there whose caller would be
// asked for, so it asks by itself.
func (s *stream[T]) guard(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, end := context.WithCancelCause(ctx)
	w, ok := ctx.Value(watchKey{}).(watch)
	if !ok {
		return ctx, end
	}
	go func() {
		tick := time.NewTicker(recheck)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.stopping:
				end(errStopping)
				return
			case <-tick.C:
				if err := s.still(ctx, w); err != nil {
					end(err)
					return
				}
			}
		}
	}()
	return ctx, end
}

// still tells why the caller may not go on. That the object is gone is no reason: its stream ends by itself.
func (s *stream[T]) still(ctx context.Context, w watch) error {
	caller, err := w.authenticate(s.r)
	if _, known := fault.As(err); known {
		return err
	}
	if err != nil || caller == nil {
		return nil // nothing is known; the next time tells
	}
	now := authz.NewContext(ctx, caller)
	_, rights, err := s.load(s.r.WithContext(now))
	if err != nil {
		return nil
	}
	return Allow(now, s.action, rights)
}

// watch is what a door gives a stream to ask by itself.
type watch struct {
	authenticate func(*http.Request) (*authz.Caller, error)
	stopping     <-chan struct{}
	site         string // as in Config
}

type watchKey struct{}

// streaming is an endpoint that writes its answer itself and declares the bodies of it.
func streaming(a authz.Action, out reflect.Type, serve func(http.ResponseWriter, *http.Request) error) Endpoint {
	e := Endpoint{action: a, caller: true, raw: true, out: out, serve: func(w http.ResponseWriter, r *http.Request, _ int) error {
		err := serve(w, r)
		if errors.Is(err, context.Canceled) {
			return nil // the client left
		}
		return err
	}}
	_, e.file, e.line, _ = runtime.Caller(2)
	return e
}
