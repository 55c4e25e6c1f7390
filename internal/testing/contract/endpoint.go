// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Auth says who may call an endpoint.
type Auth string

// Who may call.
const (
	// AuthNone is everybody.
	AuthNone Auth = "none"
	// AuthSession is a person with a session.
	AuthSession Auth = "session"
	// AuthAgent is a workspace's agent.
	AuthAgent Auth = "agent"
	// AuthProxy is a workspace proxy.
	AuthProxy Auth = "proxy"
	// AuthSCIM is the identity provider.
	AuthSCIM Auth = "scim"
	// AuthApp is whoever the app is shared with.
	AuthApp Auth = "app"
	// AuthSessionOrPSK is a person with a session, or a provisioner with the deployment's key.
	AuthSessionOrPSK Auth = "session-or-psk"
)

// Endpoint is one method at one path.
type Endpoint struct {
	// Method is an HTTP method, or ANY.
	Method string
	// Path holds {names} where a request has values, and ends in * where anything may follow.
	Path string
	// Tag is the chapter of the API's reference that the endpoint stands in.
	Tag string
	// Auth says who may call.
	Auth Auth
	// Status is the status of the usual success.
	Status int
	// Also lists other statuses that callers know from here: further successes and named refusals.
	Also []int
	// Upgrade is true when the answer is a websocket and nothing else.
	Upgrade bool

	request, response body
	pattern           *regexp.Regexp
}

// body is a media type and, where the bytes have a shape, that shape. The zero value is no body.
type body struct {
	media string
	term  *term
}

// String is how the endpoint is called in messages.
func (e Endpoint) String() string { return e.Method + " " + e.Path }

// Succeeds reports whether status is a success that callers of e expect.
func (e Endpoint) Succeeds(status int) bool {
	return status == e.Status || status < 400 && slices.Contains(e.Also, status)
}

// Endpoints lists all endpoints, sorted by path.
func (f *Facts) Endpoints() []Endpoint { return slices.Clone(f.endpoints) }

// AggregatedPrefix is where the Kubernetes API server offers what the session door offers below /api/v2. Paths that
// start with it are looked up as if they came through the session door.
const AggregatedPrefix = "/apis/codersdk.berth.dev/v2"

const sessionPrefix = "/api/v2"

// Endpoint finds what a method and a path mean. The path may be the contract's own spelling, with {names}, as route
// tables have it, or that of a request; of several that fit, the one with the fewest names is meant.
func (f *Facts) Endpoint(method, path string) (Endpoint, bool) {
	path = sessionPath(path)
	var best Endpoint
	for _, e := range f.endpoints {
		if e.Method != method && e.Method != "ANY" {
			continue
		}
		if e.Path == path {
			return e, true
		}
		if e.pattern.MatchString(path) && (best.Path == "" || holes(e.Path) < holes(best.Path)) {
			best = e
		}
	}
	return best, best.Path != ""
}

// sessionPath is the path without its query, as it is called at the session door.
func sessionPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if rest, ok := strings.CutPrefix(path, AggregatedPrefix); ok {
		return sessionPrefix + rest
	}
	return path
}

func holes(path string) int { return strings.Count(path, "{") + strings.Count(path, "*") }

var hole = regexp.MustCompile(`\\\{[^/]*?\\\}`)

// addEndpoint reads one line of endpoints.tsv.
func (f *Facts) addEndpoint(line string) error {
	cells := strings.Split(line, "\t")
	if len(cells) != 7 {
		return fmt.Errorf("want 7 cells, have %d", len(cells))
	}
	e := Endpoint{Method: cells[0], Path: cells[1], Tag: cells[2], Auth: Auth(cells[3])}
	for i, text := range strings.Split(cells[4], ",") {
		status, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		if i == 0 {
			e.Status = status
		} else {
			e.Also = append(e.Also, status)
		}
	}
	var err error
	if e.request, err = parseBody(cells[5]); err != nil {
		return err
	}
	if e.Upgrade = cells[6] == "upgrade"; !e.Upgrade {
		if e.response, err = parseBody(cells[6]); err != nil {
			return err
		}
	}
	pattern := hole.ReplaceAllString(regexp.QuoteMeta(e.Path), `[^/]+`)
	pattern = strings.TrimSuffix(pattern, `\*`)
	if strings.HasSuffix(e.Path, "*") {
		pattern += ".*"
	}
	if e.pattern, err = regexp.Compile("^" + pattern + "$"); err != nil {
		return err
	}
	f.endpoints = append(f.endpoints, e)
	return nil
}

func parseBody(cell string) (body, error) {
	if cell == "-" {
		return body{}, nil
	}
	media, shape, hasShape := strings.Cut(cell, " ")
	b := body{media: media}
	if !hasShape {
		return b, nil
	}
	var err error
	b.term, err = parseTerm(shape)
	return b, err
}
