// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"runtime"
	"time"

	"github.com/coder/websocket"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// Agent is an agent that calls. Everything about it follows from its credentials, but for which of the agents of its own
// pod it is.
type Agent struct {
	// Name is its name in the version.
	Name string
	// Slot is the prepared workspace whose pod it is, or was before it was claimed; nil where the pod was never one's.
	Slot *v1alpha1.WarmWorkspace
	// Workspace is whose pod it is; nil while Slot is nobody's.
	Workspace *v1alpha1.Workspace
}

// String is the agent as the log names it.
func (a *Agent) String() string {
	switch {
	case a.Workspace != nil:
		return "agent " + a.Name + " of " + a.Workspace.Namespace + "/" + a.Workspace.Name
	case a.Slot != nil:
		return "agent " + a.Name + " of " + a.Slot.Namespace + "/" + a.Slot.Name
	}
	return "agent " + a.Name
}

// AgentAuthenticator finds out which agent calls at the session door. Where prepared is false, it must be a workspace's:
// the agents of a pod that nobody has claimed are refused like strangers.
type AgentAuthenticator interface {
	Agent(r *http.Request, prepared bool) (*Agent, error)
}

type agentKey struct{}

// AgentSocket serves a websocket to an agent. allow is asked before the switch, and what it refuses is answered in plain
// HTTP. serve has the socket until it returns: nil closes it in good order, a fault with its message. Its context ends when
// the agent is gone, and, with a fault.Unavailable as its cause, when the server stops.
func AgentSocket(allow func(context.Context, *Agent) error, serve func(context.Context, *Agent, *Socket) error) Endpoint {
	e := Endpoint{agent: true, raw: true, serve: func(w http.ResponseWriter, r *http.Request, _ int) error {
		a, ok := r.Context().Value(agentKey{}).(*Agent)
		if !ok {
			return errors.New("an agent's endpoint without an agent")
		}
		if err := allow(r.Context(), a); err != nil {
			return err
		}
		opened, err := openSocket(w, r)
		if err != nil {
			return err
		}
		s, ctx := newSocket(r.Context(), opened)
		defer s.end(nil)
		err = serve(ctx, a, s)
		if cause := context.Cause(ctx); cause != nil {
			err = cause // nothing could be told any more, or the server stops
		}
		var sent *sendError
		_, told := fault.As(err)
		switch {
		case err == nil:
			return s.socket.close(websocket.StatusNormalClosure, "")
		case told || errors.As(err, &sent):
			return s.socket.fail(err)
		}
		// for the log; what the client does with the close is no news any more
		return errors.Join(err, s.socket.conn.Close(websocket.StatusInternalError, "the server failed"))
	}}
	_, e.file, e.line, _ = runtime.Caller(1)
	return e
}

// AgentAnswer serves an answer to an agent, which may take as long as the agent waits for it. The context ends with the
// agent's patience, and, with a fault.Unavailable as its cause, when the server stops.
func AgentAnswer[Out any](fn func(context.Context, *Agent, Query) (Out, error)) Endpoint {
	e := Endpoint{agent: true, raw: true, out: bodyType(reflect.TypeFor[Out]()), serve: func(w http.ResponseWriter, r *http.Request, status int) error {
		a, ok := r.Context().Value(agentKey{}).(*Agent)
		if !ok {
			return errors.New("an agent's endpoint without an agent")
		}
		ctx, end := context.WithCancelCause(r.Context())
		defer end(nil)
		if door, ok := ctx.Value(watchKey{}).(watch); ok && door.stopping != nil {
			go func() {
				select {
				case <-door.stopping:
					end(errStopping)
				case <-ctx.Done():
				}
			}()
		}
		out, err := fn(ctx, a, NewQuery(r.URL.Query()))
		if err != nil {
			return err
		}
		return reply(w, r, status, out)
	}}
	_, e.file, e.line, _ = runtime.Caller(1)
	return e
}

// Socket is a websocket to an agent, which says nothing on it but that it has taken what it was sent.
type Socket struct {
	socket *socket
	taken  chan struct{}
	end    context.CancelCauseFunc
}

// longestWord is how long an agent's word may be, in bytes. Nothing of it is read.
const longestWord = 1 << 10

// newSocket begins to listen to the agent.
func newSocket(parent context.Context, opened *socket) (*Socket, context.Context) {
	ctx, end := context.WithCancelCause(parent)
	s := &Socket{socket: opened, taken: make(chan struct{}, 1), end: end}
	opened.conn.SetReadLimit(longestWord)
	go func() {
		for {
			if _, _, err := opened.conn.Read(parent); err != nil {
				end(&sendError{err})
				return
			}
			select {
			case s.taken <- struct{}{}:
			default:
			}
		}
	}()
	if w, ok := parent.Value(watchKey{}).(watch); ok && w.stopping != nil {
		go func() {
			select {
			case <-w.stopping:
				end(errStopping)
			case <-ctx.Done():
			}
		}()
	}
	return s, ctx
}

// Send sends a value as one message. It is an error when the agent does not take it in time.
func (s *Socket) Send(ctx context.Context, value any) error {
	if err := s.socket.send(ctx, value); err != nil {
		return &sendError{err}
	}
	return nil
}

// Ping asks whether the agent is there, and waits for the answer.
func (s *Socket) Ping(ctx context.Context) error {
	if err := s.socket.ping(ctx); err != nil {
		return &sendError{err}
	}
	return nil
}

// Taken gets a value when the agent says that it has taken what it was sent.
func (s *Socket) Taken() <-chan struct{} { return s.taken }

// Beat is how often a socket that nothing is sent on is to be pinged.
const Beat = beat

// AgentPatience is how long an agent may take to answer.
const AgentPatience = sendTimeout

// TooOften refuses an agent that comes too often, until the time is over.
func TooOften(wait time.Duration) error {
	return &Refusal{Fault: fault.New(fault.Unavailable, "The agent connects too often."), Status: http.StatusTooManyRequests, RetryAfter: wait}
}
