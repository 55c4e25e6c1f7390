// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
)

// Tail is a part of a log.
type Tail[Line any] struct {
	// Lines are those that were asked for, oldest first; never nil.
	Lines []Line
	// Last is the id of the last of them; 0 when there is none.
	Last int64
	// Ended is true when no more lines will come.
	Ended bool
}

// Logged serves the log of one object: the lines whose ids lie between ?after and ?before as a JSON list, or, with
// ?follow, as a websocket that sends the lines after ?after and goes on until the log has ended, one line a frame. tail
// gives the lines of the object as it is, with ids above after and below before; a before of 0 sets no end. Its Route is
// SessionDirect.
func Logged[T, Line any](load Load[T], a authz.Action, tail func(object T, after, before int64) Tail[Line], changes Changes[T]) Endpoint {
	e := streaming(a, reflect.TypeFor[[]Line](), func(w http.ResponseWriter, r *http.Request) error {
		s, err := begin(load, a, r)
		if err != nil {
			return err
		}
		q := NewQuery(r.URL.Query())
		after, before := q.ID("after"), q.ID("before")
		if err := q.Err(); err != nil {
			return err
		}
		if !follows(q) {
			return writeJSON(w, http.StatusOK, tail(s.first, after, before).Lines)
		}
		if q.Has("before") {
			f := fault.New(fault.Invalid, "Query parameters have invalid values.")
			f.Fields = []fault.Field{{Path: "before", Detail: `Query param "before" can't be used together with "follow"`}}
			return f
		}
		changed, stop := changes(s.first)
		defer stop()
		socket, err := openSocket(w, r)
		if err != nil {
			return err
		}
		ctx, end := s.guard(socket.context(r.Context()))
		defer end(nil)
		return socket.follow(ctx, changed, func(ctx context.Context) ([]any, bool, error) {
			object, err := s.lately(ctx)
			if err != nil {
				return nil, fault.Is(err, fault.NotFound), err
			}
			part := tail(object, after, 0)
			if part.Last > after {
				after = part.Last
			}
			lines := make([]any, 0, len(part.Lines))
			for _, line := range part.Lines {
				lines = append(lines, line)
			}
			return lines, part.Ended, nil
		})
	})
	e.socket = true
	return e
}

// follows tells whether a log is to be followed: the parameter may stand there without a value.
func follows(q Query) bool {
	return q.Has("follow") && q.String("follow") != "false" && q.String("follow") != "0"
}

// socket is a websocket that only sends.
type socket struct {
	conn   *websocket.Conn
	closed context.Context // ends when the client closes
}

// openSocket makes the request a websocket. What is wrong is answered in plain HTTP, before any switch.
func openSocket(w http.ResponseWriter, r *http.Request) (*socket, error) {
	site := ""
	if watch, ok := r.Context().Value(watchKey{}).(watch); ok {
		site = watch.site
	}
	if err := checkSocket(r, site); err != nil {
		return nil, err
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		f := fault.New(fault.Invalid, "This is a websocket. Ask with an upgrade to it; a log can be had without follow too.")
		return nil, &Refusal{Fault: f, Status: http.StatusUpgradeRequired}
	}
	// The origin was judged above, by a stricter rule. Compression is left out: some clients can't take it.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"*"}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, &sendError{err} // it has answered already
	}
	return &socket{conn: conn}, nil
}

// context ends with the parent, or when the client closes. What the client sends is not expected and ends it as well.
func (s *socket) context(parent context.Context) context.Context {
	s.closed = s.conn.CloseRead(parent)
	return s.closed
}

// follow sends what next gives, at once and whenever there was a change, until next says that this was all.
func (s *socket) follow(ctx context.Context, changed <-chan struct{}, next func(context.Context) (frames []any, last bool, err error)) error {
	alive := time.NewTicker(beat)
	defer alive.Stop()
	for {
		frames, last, err := next(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return s.fail(cause)
		}
		for _, frame := range frames {
			if err := s.send(ctx, frame); err != nil {
				return s.fail(err)
			}
		}
		switch {
		case last:
			return s.close(websocket.StatusNormalClosure, "")
		case err != nil:
			return errors.Join(err, s.close(websocket.StatusInternalError, "the log can't be read"))
		}
		select {
		case <-ctx.Done():
			return s.fail(context.Cause(ctx))
		case <-changed:
		case <-alive.C:
			if err := s.ping(ctx); err != nil {
				return s.fail(err)
			}
		}
	}
}

// send sends a value as one frame of text.
func (s *socket) send(ctx context.Context, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	ctx, done := sending(ctx)
	defer done()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

func (s *socket) ping(ctx context.Context) error {
	ctx, done := sending(ctx)
	defer done()
	return s.conn.Ping(ctx)
}

// sending bounds what is sent in time. A frame that is on its way outlives its stream's end by a moment: the library cuts
// the connection when a write's context ends, and the client would never read why its stream ended.
func sending(ctx context.Context) (context.Context, func()) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(endGrace, cancel) })
	return limited, func() { stop(); cancel() }
}

// fail closes the socket before its log has ended. A caller who may not go on is told so; a client that is gone is told
// nothing.
func (s *socket) fail(why error) error {
	f, ok := fault.As(why)
	switch {
	case !ok:
		return errors.Join(&sendError{why}, s.conn.CloseNow())
	case f.Kind == fault.Unavailable:
		return s.close(websocket.StatusGoingAway, f.Message)
	}
	return s.close(websocket.StatusPolicyViolation, f.Message)
}

// close ends the socket in good order. A client that does not answer in time is left.
func (s *socket) close(code websocket.StatusCode, reason string) error {
	const most = 123 // of the protocol
	if err := s.conn.Close(code, reason[:min(len(reason), most)]); err != nil {
		return &sendError{err}
	}
	return nil
}
