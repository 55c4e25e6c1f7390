// SPDX-License-Identifier: Apache-2.0

package contract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/testing/contract"
)

var jsonHeader = http.Header{"Content-Type": {"application/json; charset=utf-8"}}

const list = "/api/v2/workspaces"

func rightBody(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/workspaces.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRightBodyPasses(t *testing.T) {
	facts := contract.Seed(t)
	for _, err := range facts.CheckResponse("GET", list, 200, jsonHeader, rightBody(t)) {
		t.Error(err)
	}
}

// TestEveryMutationIsCaught breaks a right body in every place, one at a time. What may be absent or null is listed here
// by hand, so that the facts don't judge themselves.
func TestEveryMutationIsCaught(t *testing.T) {
	mayBeAbsent := []string{"autostart_schedule", "ttl_ms", "deadline", "max_deadline", "started_at", "completed_at",
		"worker_id", "metadata", "agents", "first_connected_at", "latency", "url",
		"organization_name", "owner_avatar_url", "favorite"}
	mayBeNull := []string{"autostart_schedule", "ttl_ms", "deadline", "max_deadline", "deleting_at", "dormant_at",
		"environment_variables", "organization_name", "owner_avatar_url", "favorite"}
	facts := contract.Seed(t)
	broken := 0
	expectCaught := func(what string, root any) {
		broken++
		data, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		if errs := facts.CheckResponse("GET", list, 200, jsonHeader, data); len(errs) == 0 {
			t.Errorf("not caught: %s", what)
		}
	}
	var root any
	if err := json.Unmarshal(rightBody(t), &root); err != nil {
		t.Fatal(err)
	}
	walkObjects(root, "$", func(path string, object map[string]any, isMap bool) {
		for _, key := range slices.Sorted(maps.Keys(object)) {
			right := object[key]
			at := path + "." + key
			if !isMap && !slices.Contains(mayBeAbsent, key) {
				delete(object, key)
				expectCaught(at+" missing", root)
			}
			if right != nil && !slices.Contains(mayBeNull, key) {
				object[key] = nil
				expectCaught(at+" null", root)
			}
			for _, wrong := range wrongFor(right) {
				object[key] = wrong
				expectCaught(fmt.Sprintf("%s = %v", at, wrong), root)
			}
			object[key] = right
		}
		if !isMap {
			object["no_such_key"] = 1
			expectCaught(path+" has an unknown key", root)
			delete(object, "no_such_key")
		}
	})
	if broken < 300 {
		t.Errorf("only %d mutations: the right body is too small", broken)
	}
	expectCaught("nothing at all", nil)
	expectCaught("a list", []any{root})
}

// wrongFor makes values that cannot stand in place of right.
func wrongFor(right any) []any {
	switch right := right.(type) {
	case string:
		wrong := []any{1, true, []any{}, map[string]any{}}
		switch {
		case len(right) == 36 && strings.Count(right, "-") == 4:
			wrong = append(wrong, "", "no-uuid", strings.ToUpper(right), strings.ReplaceAll(right, "-", ""))
		case strings.HasSuffix(right, "Z") && strings.Contains(right, "T"):
			wrong = append(wrong, "", "yesterday", strings.TrimSuffix(right, "Z"), strings.TrimSuffix(right, "Z")+"+01:00")
		case slices.Contains([]string{"never", "start", "initiator", "running", "succeeded", "connected", "ready",
			"blocking", "healthy", "vscode"}, right):
			wrong = append(wrong, "nonsense", strings.ToUpper(right))
		}
		return wrong
	case float64:
		wrong := []any{"1", true, []any{}}
		if right == float64(int64(right)) {
			wrong = append(wrong, 1.5)
		}
		return wrong
	case bool:
		return []any{"true", 1}
	case []any:
		wrong := []any{"x", map[string]any{}, []any{nil}}
		if len(right) > 0 {
			wrong = append(wrong, []any{[]any{}}, []any{1})
		}
		return wrong
	case map[string]any:
		return []any{"x", []any{}, 1}
	}
	return []any{"x", 1, []any{}}
}

// walkObjects calls fn for every object below v; isMap tells those whose keys are data.
func walkObjects(v any, path string, fn func(path string, object map[string]any, isMap bool)) {
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			walkObjects(item, fmt.Sprintf("%s[%d]", path, i), fn)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walkObjects(v[key], path+"."+key, fn)
		}
		isMap := strings.HasSuffix(path, ".tags") || strings.HasSuffix(path, ".environment_variables") ||
			strings.HasSuffix(path, ".latency")
		fn(path, v, isMap)
	}
}

func TestCheckResponse(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html"}}
	location := http.Header{"Location": {"/"}}
	events := http.Header{"Content-Type": {"text/event-stream"}}
	const watch = "/api/v2/workspaceagents/0f6d1cc5-3d5c-4c5c-9b5e-0c8c53a6f011/watch-metadata"
	const fact = `[{"result":{"collected_at":"0001-01-01T00:00:00Z","age":0,"value":"","error":""},` +
		`"description":{"display_name":"Load","key":"load","script":"uptime","interval":10,"timeout":1}}]`
	for name, test := range map[string]struct {
		method, path string
		status       int
		header       http.Header
		body         string
		wantError    string // "" for none
	}{
		"unknown path":               {"GET", "/api/v2/nothing", 200, jsonHeader, `{}`, "not in the contract"},
		"unknown path refused":       {"GET", "/api/v2/nothing", 404, jsonHeader, `{"message":"There is nothing here."}`, ""},
		"unknown path in plain text": {"GET", "/apis/codersdk.berth.dev/v2/nothing", 404, http.Header{"Content-Type": {"text/plain"}}, `404`, "content type"},
		"unclean path redirected":    {"GET", "/api/v2//workspaces", 301, location, ``, "not in the contract"},
		"unknown method":             {"PUT", list, 200, jsonHeader, `{}`, "not in the contract"},
		"wrong success":              {"POST", "/api/v2/users/login", 200, jsonHeader, `{"session_token":"x"}`, "want 201"},
		"right success":              {"POST", "/api/v2/users/login", 201, jsonHeader, `{"session_token":"x"}`, ""},
		"clients expect 201":         {"POST", "/api/v2/workspaces/x/builds", 200, jsonHeader, `{}`, "want 201"},
		"no content type":            {"GET", "/api/v2/users/first", 200, nil, `{"message":"x"}`, "content type"},
		"wrong content type":         {"GET", "/api/v2/users/first", 200, html, `{"message":"x"}`, "content type"},
		"other charset":              {"GET", "/api/v2/users/first", 200, http.Header{"Content-Type": {"application/json; charset=latin1"}}, `{"message":"x"}`, "charset"},
		"no JSON":                    {"GET", "/api/v2/users/first", 200, jsonHeader, `message`, "not JSON"},
		"two values":                 {"GET", "/api/v2/users/first", 200, jsonHeader, `{"message":"x"}{}`, "more than one"},
		"null for a list":            {"GET", "/api/v2/users/me/organizations", 200, jsonHeader, `null`, "null"},
		"an empty list":              {"GET", "/api/v2/users/me/organizations", 200, jsonHeader, `[]`, ""},
		"deprecated: only []":        {"GET", "/api/v2/templateversions/x/schema", 200, jsonHeader, `[1]`, "want nothing"},
		"refusal":                    {"GET", list, 400, jsonHeader, `{"message":"Limit is wrong.","validations":[{"field":"limit","detail":"must be a number"}]}`, ""},
		"refusal without message":    {"GET", list, 400, jsonHeader, `{"detail":"x"}`, "$.message: missing"},
		"refusal without words":      {"GET", list, 400, jsonHeader, `{"message": ""}`, "empty"},
		"refusal as text":            {"GET", list, 500, http.Header{"Content-Type": {"text/plain"}}, `oops`, "content type"},
		"refusal of Kubernetes":      {"GET", list, 403, jsonHeader, `{"kind":"Status","message":"x"}`, "$.kind: unknown"},
		"half a validation":          {"GET", list, 400, jsonHeader, `{"message":"x","validations":[{"field":"limit"}]}`, "detail: missing"},
		"null validations":           {"GET", list, 400, jsonHeader, `{"message":"x","validations":null}`, "validations: null"},
		"204 without body":           {"PUT", "/api/v2/workspaces/x/ttl", 204, nil, ``, ""},
		"204 with body":              {"PUT", "/api/v2/workspaces/x/ttl", 204, nil, `{}`, "want none"},
		"redirect":                   {"GET", "/api/v2/users/oidc/callback", 307, location, ``, ""},
		"redirect to nowhere":        {"GET", "/api/v2/users/oidc/callback", 307, nil, ``, "Location"},
		"redirect unasked":           {"GET", list, 302, location, ``, "want 200"},
		"not modified":               {"PATCH", "/api/v2/templates/x", 304, nil, ``, ""},
		"not modified with body":     {"PATCH", "/api/v2/templates/x", 304, nil, `{}`, "want none"},
		"websocket":                  {"GET", "/api/v2/workspaceagents/x/pty", 101, nil, ``, ""},
		"websocket not asked":        {"GET", list, 101, nil, ``, "want 200"},
		"websocket when followed":    {"GET", "/api/v2/workspacebuilds/x/logs", 101, nil, ``, ""},
		"events":                     {"GET", watch, 200, events, "event: ping\n\nevent: data\ndata: " + fact + "\n\nevent: da", ""},
		"event that is no list":      {"GET", watch, 200, events, "event: data\ndata: {}\n\n", "want []"},
		"event with id":              {"GET", watch, 200, events, "id: 1\nevent: ping\n\n", "event line"},
		"event on two lines":         {"GET", watch, 200, events, "event: data\ndata: [\ndata: ]\n\n", "one data line"},
		"event of another name":      {"GET", watch, 200, events, "event: patch\ndata: []\n\n", "unknown event"},
		"events as JSON":             {"GET", watch, 200, jsonHeader, fact, "content type"},
		"a page":                     {"GET", "/cli-auth", 200, html, `<p>`, ""},
		"a map of numbers":           {"POST", "/api/v2/authcheck", 200, jsonHeader, `{"read":1}`, `$["read"]: integer`},
		"capital keys":               {"GET", "/api/v2/deployment/stats", 200, jsonHeader, `{"workspaces":{"connection_latency_ms":{"p50":1}}}`, "p50: unknown"},
		"both shapes in one":         {"PATCH", "/api/v2/workspaceproxies/x", 200, jsonHeader, `{"proxy":{},"proxy_token":"","name":1}`, "$.name: integer"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := contract.Seed(t).CheckResponse(test.method, test.path, test.status, test.header, []byte(test.body))
			wantErrors(t, errs, test.wantError)
		})
	}
}

func TestCheckRequest(t *testing.T) {
	const login, build = "/api/v2/users/login", "/api/v2/workspaces/x/builds"
	for name, test := range map[string]struct {
		method, path, body string
		wantError          string
	}{
		"whole":                  {"POST", login, `{"email":"ada@example.org","password":"x"}`, ""},
		"required is absent":     {"POST", login, `{"email":"ada@example.org"}`, "password: missing"},
		"required is null":       {"POST", login, `{"email":"ada@example.org","password":null}`, "password: null"},
		"misspelt":               {"POST", login, `{"email":"a@b","password":"x","pasword":"x"}`, "unknown"},
		"optional is absent":     {"POST", build, `{"transition":"start"}`, ""},
		"optional is null":       {"POST", build, `{"transition":"start","rich_parameter_values":null}`, ""},
		"create means start":     {"POST", build, `{"transition":"create"}`, ""},
		"unknown transition":     {"POST", build, `{"transition":"restart"}`, "none of"},
		"state in base64":        {"POST", build, `{"transition":"start","state":"e30="}`, ""},
		"state as numbers":       {"POST", build, `{"transition":"start","state":[123,125]}`, ""},
		"keys in any case":       {"POST", "/api/v2/workspaceagents/me/app-health", `{"Healths":{"x":"healthy"}}`, ""},
		"no body wanted":         {"POST", "/api/v2/users/logout", `{}`, "takes no body"},
		"null turns it off":      {"PUT", "/api/v2/workspaces/x/ttl", `{"ttl_ms":null}`, ""},
		"a number, not a string": {"PUT", "/api/v2/workspaces/x/ttl", `{"ttl_ms":"1h"}`, "ttl_ms: string"},
		"unknown endpoint":       {"POST", "/api/v2/nothing", `{}`, "not in the contract"},
	} {
		t.Run(name, func(t *testing.T) {
			wantErrors(t, contract.Seed(t).CheckRequest(test.method, test.path, []byte(test.body)), test.wantError)
		})
	}
}

// wantErrors wants no error, or one that holds text.
func wantErrors(t *testing.T, errs []error, text string) {
	t.Helper()
	if text == "" {
		for _, err := range errs {
			t.Error(err)
		}
		return
	}
	for _, err := range errs {
		if strings.Contains(err.Error(), text) {
			return
		}
	}
	t.Errorf("errors %v, want one with %q", errs, text)
}
