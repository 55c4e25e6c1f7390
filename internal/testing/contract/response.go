// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// CheckResponse compares one answer with the facts and returns all that is wrong with it; nothing when all is right.
//
// A status below 400 must be one that callers of the endpoint expect, with the media type and the body that belong to it.
// A status of 400 or more may be any, but its body must be {message, detail?, validations?} in JSON; which refusal is
// right for a request is for the caller to know. A path that the contract lacks may only be refused. An event stream may be given as far as it was read.
func (f *Facts) CheckResponse(method, path string, status int, header http.Header, data []byte) []error {
	e, ok := f.Endpoint(method, path)
	if !ok {
		e = Endpoint{Method: method, Path: sessionPath(path)}
	}
	var errs []error
	switch {
	case status >= 400 && status != e.Status:
		errs = f.checkRefusal(e, header, data)
	case !ok:
		errs = append(errs, errors.New("not in the contract, so nothing but a refusal is right"))
	case !e.Succeeds(status):
		errs = append(errs, fmt.Errorf("status %d, want %d", status, e.Status))
	case status == http.StatusSwitchingProtocols:
	case status >= 300 && status < 400:
		errs = checkRedirect(status, header, data)
	default:
		errs = f.checkSuccess(e, status, header, data)
	}
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %d: %w", e, status, err)
	}
	return errs
}

// CheckRequest compares a request's body with the facts. A request may leave out, or send as null, whatever the contract
// does not require; it must not hold what the contract does not know.
func (f *Facts) CheckRequest(method, path string, data []byte) []error {
	e, ok := f.Endpoint(method, path)
	switch {
	case !ok:
		return []error{fmt.Errorf("%s %s is not in the contract", method, path)}
	case e.request.media == "" && len(data) > 0:
		return []error{fmt.Errorf("%s takes no body", e)}
	case e.request.term == nil:
		return nil
	}
	return f.checkJSON(e.request.term, data, true)
}

// CheckJSON compares an answer's JSON, or part of one, with a named schema.
func (f *Facts) CheckJSON(schema string, data []byte) []error {
	if f.schemas[schema] == nil {
		return []error{fmt.Errorf("no schema %s", schema)}
	}
	return f.checkJSON(&term{kind: kindRef, name: schema}, data, false)
}

func (f *Facts) checkJSON(t *term, data []byte, request bool) []error {
	c := &check{facts: f, request: request}
	c.json(t, data)
	return c.errs
}

func (f *Facts) checkSuccess(e Endpoint, status int, header http.Header, data []byte) []error {
	if status == http.StatusNoContent || e.response.media == "" && e.response.term == nil {
		return checkEmpty(status, data)
	}
	if err := checkMedia(e.response.media, header); err != nil {
		return []error{err}
	}
	switch {
	case e.response.term == nil:
		return nil
	case e.response.media == "text/event-stream":
		return f.checkEvents(e.response.term, data)
	}
	return f.checkJSON(e.response.term, data, false)
}

// checkEmpty wants no bytes where the status forbids them. A 200 whose body the contract does not describe may have one,
// as no caller reads it.
func checkEmpty(status int, data []byte) []error {
	if len(data) > 0 && status == http.StatusNoContent {
		return []error{fmt.Errorf("%d bytes of body, want none", len(data))}
	}
	return nil
}

func checkRedirect(status int, header http.Header, data []byte) []error {
	if status == http.StatusNotModified {
		if len(data) > 0 {
			return []error{fmt.Errorf("%d bytes of body, want none", len(data))}
		}
		return nil
	}
	if header.Get("Location") == "" {
		return []error{errors.New("no Location header")}
	}
	return nil
}

func (f *Facts) checkRefusal(e Endpoint, header http.Header, data []byte) []error {
	if !strings.HasPrefix(e.Path, sessionPrefix+"/") {
		return nil // SCIM has an error shape of its own, and what browsers open may answer with a page
	}
	if err := checkMedia("application/json", header); err != nil {
		return []error{err}
	}
	if errs := f.checkJSON(&term{kind: kindRef, name: "codersdk.Response"}, data, false); len(errs) > 0 {
		return errs
	}
	var refusal struct{ Message string }
	if err := json.Unmarshal(data, &refusal); err != nil {
		return []error{err}
	}
	if refusal.Message == "" {
		return []error{errors.New("$.message: empty, want a sentence for the person")}
	}
	return nil
}

func checkMedia(want string, header http.Header) error {
	if want == "*/*" {
		return nil
	}
	have, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type %q: %w", header.Get("Content-Type"), err)
	}
	if have != want {
		return fmt.Errorf("content type %s, want %s", have, want)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("charset %s, want utf-8", charset)
	}
	return nil
}

// checkEvents reads an event stream as known clients do: an event line, then at most one data line, then an empty line.
// An event that is not complete yet is left alone.
func (f *Facts) checkEvents(t *term, data []byte) []error {
	var errs []error
	for i, event := range strings.SplitAfter(string(data), "\n\n") {
		whole, complete := strings.CutSuffix(event, "\n\n")
		if !complete {
			break
		}
		for _, err := range f.checkEvent(t, whole) {
			errs = append(errs, fmt.Errorf("event %d: %w", i, err))
		}
	}
	return errs
}

func (f *Facts) checkEvent(t *term, event string) []error {
	first, rest, _ := strings.Cut(event, "\n")
	name, ok := strings.CutPrefix(first, "event: ")
	if !ok {
		return []error{fmt.Errorf("begins with %q, want an event line", first)}
	}
	payload, hasData := strings.CutPrefix(rest, "data: ")
	if rest != "" && !hasData || strings.Contains(payload, "\n") {
		return []error{fmt.Errorf("%q, want one data line", rest)}
	}
	switch name {
	case "ping":
		return nil
	case "data":
		return f.checkJSON(t, []byte(payload), false)
	case "error":
		return f.checkJSON(&term{kind: kindRef, name: "codersdk.Response"}, []byte(payload), false)
	}
	return []error{fmt.Errorf("unknown event %q", name)}
}
