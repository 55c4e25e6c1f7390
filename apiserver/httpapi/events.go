// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// Watched serves server-sent events about one object: its present state at once, and again whenever it is another. An
// event of the type ping comes at once and every 15 seconds. Where the caller may not go on, or the object went, an event
// of the type error says why and is the last one. Its Route is SessionDirect.
func Watched[T, Out any](load Load[T], a authz.Action, show func(context.Context, T) (Out, error), changes Changes[T]) Endpoint {
	return streaming(a, nil, func(w http.ResponseWriter, r *http.Request) error {
		s, err := begin(load, a, r)
		if err != nil {
			return err
		}
		changed, stop := changes(s.first)
		defer stop()
		ctx, end := s.guard(r.Context())
		defer end(nil)
		e := &events{w: w, control: http.NewResponseController(w), request: traceOf(r).id}
		e.begin()
		return e.run(ctx, changed, func(ctx context.Context) (any, error) {
			object, err := s.again(ctx)
			if err != nil {
				return nil, err
			}
			return show(ctx, object)
		})
	})
}

// events writes server-sent events in the one form that clients read: the type's line, then at most one line of data.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	request string
	last    []byte
}

// begin sends the head of the answer.
func (e *events) begin() {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // a proxy that gathers would hold events back
	e.w.WriteHeader(http.StatusOK)
}

// run sends until the context ends or next fails.
func (e *events) run(ctx context.Context, changed <-chan struct{}, next func(context.Context) (any, error)) error {
	alive := time.NewTicker(beat)
	defer alive.Stop()
	if err := e.ping(); err != nil {
		return err
	}
	for {
		value, err := next(ctx)
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if err != nil {
			return e.fail(err)
		}
		if err := e.data(value); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return e.fail(context.Cause(ctx))
		case <-changed:
		case <-alive.C:
			if err := e.ping(); err != nil {
				return err
			}
		}
	}
}

func (e *events) ping() error { return e.send([]byte("event: ping\n\n")) }

// data sends a value that is another than the last one.
func (e *events) data(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return e.fail(fmt.Errorf("encoding an event: %w", err))
	}
	if bytes.Equal(text, e.last) {
		return nil
	}
	e.last = text
	return e.send(fmt.Appendf(nil, "event: data\ndata: %s\n\n", text))
}

// fail says why nothing more comes.
func (e *events) fail(why error) error {
	_, body, _ := refusal(why, e.request)
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if err := e.send(fmt.Appendf(nil, "event: error\ndata: %s\n\n", text)); err != nil {
		return err
	}
	if _, ok := fault.As(why); ok {
		return nil
	}
	return why
}

// send writes an event at once. A client that does not take it in time is left.
func (e *events) send(text []byte) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(sendTimeout)) // a writer of a test may have none
	if _, err := e.w.Write(text); err != nil {
		return &sendError{err}
	}
	if err := e.control.Flush(); err != nil {
		return &sendError{err}
	}
	return nil
}
