// SPDX-License-Identifier: Apache-2.0

package apphost

import (
	"net/url"
	"strings"
	"testing"
)

const access = "https://berth.example.org"

func wildcard(t *testing.T, text, access string) Wildcard {
	t.Helper()
	w, err := Parse(text, access)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		text, access string
		names        []string
		wantHost     string
		wantError    string
	}{
		"none":                         {text: "", access: access},
		"a host":                       {text: "*.apps.example.org", access: access, wantHost: "apps.example.org"},
		"in capitals":                  {text: "*.Apps.Example.org", access: access, wantHost: "apps.example.org"},
		"a port":                       {text: "*.apps.example.org:8443", access: access, wantHost: "apps.example.org:8443"},
		"the scheme's own port":        {text: "*.apps.example.org:443", access: access, wantHost: "apps.example.org"},
		"another scheme's port":        {text: "*.apps.example.org:80", access: access, wantHost: "apps.example.org:80"},
		"below the server's own name":  {text: "*.berth.example.org", access: access, wantHost: "berth.example.org"},
		"one label, of a trial":        {text: "*.localhost:8080", access: "http://localhost:8080", wantHost: "localhost:8080"},
		"no star":                      {text: "apps.example.org", access: access, wantError: "want *.HOST"},
		"a scheme":                     {text: "https://*.apps.example.org", access: access, wantError: "want *.HOST"},
		"a path":                       {text: "*.apps.example.org/", access: access, wantError: "want *.HOST"},
		"two stars":                    {text: "*.*.example.org", access: access, wantError: "want *.HOST"},
		"a star alone":                 {text: "*.", access: access, wantError: "want *.HOST"},
		"no port behind its colon":     {text: "*.apps.example.org:", access: access, wantError: "want *.HOST"},
		"a port that is none":          {text: "*.apps.example.org:70000", access: access, wantError: "want *.HOST"},
		"an address":                   {text: "*.127.0.0.1", access: access, wantError: "want *.HOST"},
		"a name that is none":          {text: "*.apps_.example.org", access: access, wantError: "want *.HOST"},
		"an empty label":               {text: "*.apps..org", access: access, wantError: "want *.HOST"},
		"a name that is too long":      {text: "*." + strings.Repeat("a.", 100) + "org", access: access, wantError: "want *.HOST"},
		"no access URL":                {text: "*.apps.example.org", wantError: "access URL, which"},
		"over the server's own name":   {text: "*.example.org", access: access, wantError: "berth.example.org is the server's own"},
		"over its name in the cluster": {text: "*.berth-system.svc", access: access, names: []string{"berth-apiserver.berth-system.svc"}, wantError: "is the server's own"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Parse(c.text, c.access, c.names...)
			if c.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantError) {
					t.Fatalf("%v, want one that says %q", err, c.wantError)
				}
				return
			}
			if err != nil || w.Host() != c.wantHost {
				t.Errorf("%q, %v, want %q", w.Host(), err, c.wantHost)
			}
		})
	}
}

// What could be read as an app's host in any spelling is never the API's; only the one spelling is an app's.
func TestHosts(t *testing.T) {
	w := wildcard(t, "*.apps.example.org:8443", access)
	for host, c := range map[string]struct {
		wantCovered bool
		wantApp     string
	}{
		"a--b--c.apps.example.org":                    {true, "a--b--c.apps.example.org:8443"},
		"A--b.Apps.example.org:8443":                  {true, "a--b.apps.example.org:8443"},
		"a.apps.example.org:443":                      {true, ""},
		"a.apps.example.org:x":                        {true, ""},
		"a.apps.example.org:1:2":                      {true, ""},
		"a.apps.example.org:":                         {true, ""},
		"a.apps.example.org.":                         {true, ""},
		"a.apps.example.org..:1":                      {true, ""},
		"a.b.apps.example.org":                        {true, ""},
		".apps.example.org":                           {true, ""},
		"a_b.apps.example.org":                        {true, ""},
		"-.apps.example.org":                          {true, ""},
		strings.Repeat("a", 64) + ".apps.example.org": {true, ""},
		"apps.example.org":                            {false, ""},
		"aapps.example.org":                           {false, ""},
		"a.apps.example.org.evil.test":                {false, ""},
		"berth.example.org":                           {false, ""},
		"":                                            {false, ""},
	} {
		app, ok := w.App(host)
		if w.Covers(host) != c.wantCovered || app != c.wantApp || ok != (c.wantApp != "") {
			t.Errorf("%q: covered %v, app %q, want %v and %q", host, w.Covers(host), app, c.wantCovered, c.wantApp)
		}
		if (Wildcard{}).Covers(host) {
			t.Errorf("%q is an app's where there are none", host)
		}
		if app, ok := (Wildcard{}).App(host); ok {
			t.Errorf("%q is the app %q where there are none", host, app)
		}
	}
}

// An open redirect would hand what opens an app to whoever made the link.
func TestURLLeadsToAppsOnly(t *testing.T) {
	w, plain := wildcard(t, "*.apps.example.org", access), wildcard(t, "*.apps.example.org:8080", "http://berth.example.org:8080")
	for text, want := range map[string]string{
		"https://a.apps.example.org":               "https://a.apps.example.org/",
		"https://a.apps.example.org:443/x?y=%20#z": "https://a.apps.example.org/x?y=%20",
		"HTTPS://A.apps.EXAMPLE.org/x%2fy":         "https://a.apps.example.org/x%2fy",
		"https://a.apps.example.org//evil.test":    "https://a.apps.example.org//evil.test",
		"http://a.apps.example.org/":               "",
		"//a.apps.example.org/":                    "",
		"/x":                                       "",
		"":                                         "",
		"javascript://a.apps.example.org/%0aalert(1)":               "",
		"https:a.apps.example.org":                                  "",
		"https:///a.apps.example.org/":                              "",
		"https://a.apps.example.org:8443/":                          "",
		"https://a.apps.example.org:0443/":                          "",
		"https://a.apps.example.org:/":                              "",
		"https://apps.example.org/":                                 "",
		"https://berth.example.org/":                                "",
		"https://a.b.apps.example.org/":                             "",
		"https://a.apps.example.org./":                              "",
		"https://aapps.example.org/":                                "",
		"https://a.apps.example.org.evil.test/":                     "",
		"https://evil.test/a.apps.example.org":                      "",
		"https://evil.test?a.apps.example.org":                      "",
		"https://evil.test#a.apps.example.org":                      "",
		"https://evil.test#.apps.example.org":                       "",
		"https://evil.test/.apps.example.org":                       "",
		`https://evil.test\.apps.example.org/`:                      "",
		`https://evil.test\@a.apps.example.org/`:                    "",
		"https://evil.test%2f.apps.example.org/":                    "",
		"https://evil.test%00.apps.example.org/":                    "",
		"https://ada@a.apps.example.org/":                           "",
		"https://a.apps.example.org@evil.test/":                     "",
		"https://a.apps.example.org:pw@evil.test/":                  "",
		"https://\ta.apps.example.org/":                             "",
		" https://a.apps.example.org/":                              "",
		"https://a.apps.example.org/ x":                             "",
		"https://a.apps.example.org/\r\nX: y":                       "",
		"https://а.apps.example.org/":                               "", // a Cyrillic letter
		"https://[::1].apps.example.org/":                           "",
		"https://a.apps.example.org/" + strings.Repeat("x", maxURL): "",
	} {
		u, ok := w.URL(text)
		if ok != (want != "") || ok && u.String() != want {
			t.Errorf("%q: %v %v, want %q", text, u, ok, want)
		}
		if _, ok := (Wildcard{}).URL(text); ok {
			t.Errorf("%q leads somewhere where there are no apps", text)
		}
	}
	for text, want := range map[string]bool{"http://a.apps.example.org:8080/": true, "http://a.apps.example.org/": false, "https://a.apps.example.org:8080/": false} {
		if _, ok := plain.URL(text); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
}

func TestPageIsOfItsHost(t *testing.T) {
	w := wildcard(t, "*.apps.example.org", access)
	for asked, want := range map[string]string{
		"/x%2fy?a=b":    "https://a.apps.example.org/x%2fy?a=b",
		"//evil.test/x": "https://a.apps.example.org//evil.test/x",
		"/\\evil.test":  "https://a.apps.example.org/%5Cevil.test",
	} {
		path, query, _ := strings.Cut(asked, "?")
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		u := w.Page("a.apps.example.org", &url.URL{Path: unescaped, RawPath: path, RawQuery: query})
		if got := u.String(); got != want {
			t.Errorf("%s: %s, want %s", asked, got, want)
		}
	}
}

func TestWith(t *testing.T) {
	for query, want := range map[string]string{
		"":                  "k=v%26",
		"a=1&b=%20;c":       "a=1&b=%20;c&k=v%26",
		"k=old&a&%6b=older": "a&k=v%26",
		"a=k&&k":            "a=k&k=v%26",
		"%zz=1":             "%zz=1&k=v%26",
	} {
		if got := With(query, "k", "v&"); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
		if got, want := With(query, "k", ""), strings.TrimSuffix(strings.TrimSuffix(want, "k=v%26"), "&"); got != want {
			t.Errorf("%q without: %q, want %q", query, got, want)
		}
	}
}
