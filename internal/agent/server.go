// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/berth-dev/berth/api/agentsdk"
)

const (
	// connecting bounds a connection up to its beginning.
	connecting = 20 * time.Second
	// beat is how often the server is asked whether it is there, and beatLimit how long it may take to say so.
	beat      = 20 * time.Second
	beatLimit = 10 * time.Second
	// soonest and latest bound how long is waited before the next try; each failure doubles it. Chance spreads the agents of a
	// server that went.
	soonest = 500 * time.Millisecond
	latest  = 15 * time.Second
	// longestWait is how long a server may have an agent wait.
	longestWait = time.Minute
	// confirming is for how long an agent tries to say that it has its secret. It goes on without: the workspace is started
	// anew in another pod then.
	confirming = 2 * time.Minute
)

// server is the API server, as the agent of a prepared pod knows it. Nothing of the token, the secret or the variables that
// pass through it is ever written to stderr.
type server struct {
	hold   string // the URL of the stream
	token  string
	client *http.Client
	stderr io.Writer
	said   string // the last that was written to stderr
}

func newServer(h Hold, stderr io.Writer) (*server, error) {
	base, err := url.Parse(h.URL)
	if err != nil || base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%s must be https://HOST[:PORT]", URLVariable)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(h.CA)) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", CAVariable)
	}
	hold := base.JoinPath(agentsdk.HoldPath)
	hold.RawQuery = url.Values{agentsdk.AgentParameter: {h.Name}}.Encode()
	return &server{
		hold: hold.String(), token: h.Token, stderr: stderr,
		client: &http.Client{
			// no proxy and no redirect: the token is for this one server
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				DialContext:         (&net.Dialer{Timeout: connecting}).DialContext,
				TLSHandshakeTimeout: connecting,
				IdleConnTimeout:     time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// await holds a stream to the server, again and again, until take has taken what the claim says, and until the server knows
// that.
func (s *server) await(ctx context.Context, take func([]agentsdk.EnvVar) error) {
	var secret string
	delay := soonest
	var until time.Time // when to give up; zero is never
	for ctx.Err() == nil && (until.IsZero() || time.Now().Before(until)) {
		began := time.Now()
		err := s.stream(ctx, secret, func(claim agentsdk.Claim) error {
			if err := take(claim.Env); err != nil {
				return err
			}
			secret, until = claim.Secret, time.Now().Add(confirming)
			return nil
		})
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			return
		}
		s.say(err)
		if time.Since(began) > latest {
			delay = soonest
		}
		wait := delay/2 + rand.N(delay/2)
		var refused *refusal
		if errors.As(err, &refused) {
			wait += min(refused.after, longestWait)
		}
		delay = min(2*delay, latest)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// stream is one connection. It ends without an error when the server closes it in good order after a claim, or when secret
// is one that the server knows.
func (s *server) stream(ctx context.Context, secret string, take func(agentsdk.Claim) error) error {
	header, err := s.credentials(secret)
	if err != nil {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	conn, response, err := websocket.Dial(dialing, s.hold, &websocket.DialOptions{
		HTTPClient: s.client, HTTPHeader: header, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return refusedBy(response, err)
	}
	defer conn.CloseNow() // after a good end it is closed already
	conn.SetReadLimit(longestClaim)
	stop := s.keepAlive(ctx, conn)
	defer stop()
	claimed := secret != ""
	for {
		_, text, err := conn.Read(ctx)
		if claimed && websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the connection to the API server ended: %w", err)
		}
		var claim agentsdk.Claim
		if err := json.Unmarshal(text, &claim); err != nil || claim.Secret == "" || claimed {
			return errors.New("the API server said something else than whose this pod is")
		}
		if err := take(claim); err != nil {
			return fmt.Errorf("the claim can't be taken: %w", err)
		}
		claimed = true
		if err := conn.Write(ctx, websocket.MessageText, []byte("{}")); err != nil {
			return fmt.Errorf("the connection to the API server ended: %w", err)
		}
	}
}

// credentials are the headers by which the server knows the agent.
func (s *server) credentials(secret string) (http.Header, error) {
	token, err := os.ReadFile(s.token)
	if err != nil {
		return nil, fmt.Errorf("the agent's token: %w", err)
	}
	header := http.Header{}
	header.Set(agentsdk.TokenHeader, strings.TrimSpace(string(token)))
	if secret != "" {
		header.Set(agentsdk.SecretHeader, secret)
	}
	return header, nil
}

// keepAlive ends the connection when the server does not answer any more.
func (s *server) keepAlive(ctx context.Context, conn *websocket.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			limited, done := context.WithTimeout(ctx, beatLimit)
			err := conn.Ping(limited)
			done()
			if err != nil {
				_ = conn.CloseNow() // who reads says why it ended
				return
			}
		}
	}()
	return cancel
}

// refusal is an answer of the server instead of a stream.
type refusal struct {
	status int
	after  time.Duration
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the API server answers %d %s", r.status, http.StatusText(r.status))
}

// refusedBy is why there is no stream. Nothing that the server wrote is repeated.
func refusedBy(response *http.Response, err error) error {
	if response == nil || response.StatusCode == 0 {
		return fmt.Errorf("the API server can't be reached: %w", err)
	}
	r := &refusal{status: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = time.Duration(seconds) * time.Second
	}
	return r
}

// say writes what is wrong, once.
func (s *server) say(err error) {
	if text := err.Error(); text != s.said {
		s.said = text
		fmt.Fprintln(s.stderr, "berth-agent: waiting until this pod is somebody's:", text)
	}
}
