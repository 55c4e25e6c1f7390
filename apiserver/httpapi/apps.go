// SPDX-License-Identifier: Apache-2.0

package httpapi

import "net/http"

// Apps are the hosts of apps.
type Apps interface {
	// Covers tells whether a request for the host is for an app, if for anything.
	Covers(host string) bool
	// Enter lets in a browser that brings what opens the app of its host. It is false where a request brings nothing.
	Enter(r *http.Request) (out Redirection, brought bool, err error)
}

// appsRoute is what the log, the metrics and the limits call every request for an app.
const appsRoute = "(apps)"

// enter answers at the hosts of apps, at which there is nothing of the API, by any path. Apps themselves are not served yet.
func (d *door) enter(w http.ResponseWriter, r *http.Request) {
	traceOf(r).route = appsRoute
	if d.kubernetes || r.Method != http.MethodGet {
		d.fail(w, r, unknownRoute())
		return
	}
	if err := d.limiter.take(w.Header(), r, Route{Method: r.Method, Path: appsRoute, PerMinute: DefaultPerMinute}, nil); err != nil {
		d.fail(w, r, err)
		return
	}
	d.bound(w)
	out, brought, err := d.apps.Enter(r)
	traceOf(r).leads = brought
	if err == nil && !brought {
		err = unknownRoute()
	}
	if err := out.send(w, r, http.StatusTemporaryRedirect, err); err != nil {
		d.fail(w, r, err)
	}
}
