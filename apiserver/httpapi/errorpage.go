// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
)

// errorPage is what a browser shows its person where it was led and is not led on. It has neither style nor script, since
// nothing on it may load or run anything.
var errorPage = template.Must(template.New("error").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title></head>
<body>
<h1>{{.Title}}</h1>
<p>{{.Message}}</p>
{{with .Detail}}<p>{{.}}</p>
{{end}}{{range .Validations}}<p>{{.Field}}: {{.Detail}}</p>
{{end}}<p>Request {{.Request}}</p>
</body>
</html>
`))

// pagePolicy is the Content-Security-Policy of a page: that of every answer, and no way out by a form or a base.
const pagePolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// writePage writes a refusal as a page.
func writePage(w http.ResponseWriter, status int, body codersdk.Response, request string) error {
	var page bytes.Buffer
	err := errorPage.Execute(&page, struct {
		codersdk.Response
		Title, Request string
	}{body, http.StatusText(status), request})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	if _, err := w.Write(page.Bytes()); err != nil {
		return &sendError{err}
	}
	return nil
}

// wantsPage tells whether a client would rather show a page than read JSON: it names text/html, as browsers do of what they
// are led to, and JSON no sooner.
func wantsPage(r *http.Request) bool {
	page, data := 0.0, 0.0
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := params["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		switch kind {
		case "text/html":
			page = max(page, weight)
		case "application/json":
			data = max(data, weight)
		}
	}
	return page > data
}
