// SPDX-License-Identifier: Apache-2.0

// Package httpapi is how every endpoint is declared and served. A package that serves something lists Routes; each Route
// says who is let in (its Door), what is asked (its Action), what a success is (its Status) and what is done (its
// Endpoint). From one list come both doors: /api/v2 with a session token, and the Kubernetes aggregation layer with the
// caller's Kubernetes identity.
//
// A handler is a function of typed input to typed output and has no ResponseWriter, so it cannot forget a header, a
// status or a check. The package owns decoding and its bounds, paging, the one error writer, headers, the request log,
// metrics and time limits. It does not know who calls (apiserver/authn), what anybody may (internal/authz) or what an
// object looks like on the wire (apiserver/view).
package httpapi
