// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"fmt"
	"net/http"
	"runtime"
)

// Redirection leads a browser elsewhere.
type Redirection struct {
	// To is where: a path of this site, or a URL.
	To string
	// Cookies go with the answer, also where it is an error.
	Cookies []*http.Cookie
}

// Redirect serves a route that leads browsers elsewhere, or refuses. Its Route declares the action.
func Redirect(fn func(*http.Request) (Redirection, error)) Endpoint {
	e := Endpoint{leads: true, serve: func(w http.ResponseWriter, r *http.Request, status int) error {
		out, err := fn(r)
		return out.send(w, r, status, err)
	}}
	_, e.file, e.line, _ = runtime.Caller(1)
	return e
}

// send answers with it, or gives back the error that there was.
func (out Redirection) send(w http.ResponseWriter, r *http.Request, status int, err error) error {
	for _, c := range out.Cookies {
		http.SetCookie(w, c)
	}
	if err != nil {
		return err
	}
	if out.To == "" {
		return fmt.Errorf("%s %s leads nowhere", r.Method, r.URL.Path)
	}
	w.Header().Set("Location", out.To)
	w.WriteHeader(status)
	return nil
}
