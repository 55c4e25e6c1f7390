// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// concrete fills in the names of a path at the aggregated door.
func concrete(path string) string {
	return httpapi.AggregatedPrefix + regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimPrefix(path, httpapi.SessionPrefix), "x")
}

func TestAttributes(t *testing.T) {
	for name, c := range map[string]struct {
		method, path           string
		wantResource, wantVerb string
		wantErr                bool
	}{
		"a list":                      {"GET", "workspaces", "workspaces", "list", false},
		"one by id":                   {"GET", "workspaces/{workspace}", "workspaces", "get", false},
		"a fixed name":                {"GET", "users/first", "users", "get", false},
		"a subresource":               {"PUT", "workspaces/{workspace}/ttl", "workspaces/ttl", "update", false},
		"below a subresource":         {"GET", "users/{user}/workspace/{workspacename}/builds/{buildnumber}", "users/workspace", "get", false},
		"creating below":              {"POST", "workspaces/{workspace}/builds", "workspaces/builds", "create", false},
		"deleting one":                {"DELETE", "templates/{template}", "templates", "delete", false},
		"deleting all":                {"DELETE", "templates", "templates", "deletecollection", false},
		"changing":                    {"PATCH", "templates/{template}", "templates", "patch", false},
		"a namespace by its name":     {"GET", "namespaces/{x}", "", "", true},
		"a name where none can stand": {"GET", "users/{user}/{thing}", "", "", true},
		"no resource":                 {"GET", "{thing}", "", "", true},
		"a method without a verb":     {"TRACE", "workspaces", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			resource, verb, err := attributes(c.method, c.path)
			if resource != c.wantResource || verb != c.wantVerb || (err != nil) != c.wantErr {
				t.Errorf("%s, %s, %v", resource, verb, err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(asked(t, c.method, concrete("/api/v2/"+c.path)), resource+" "+verb); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// asked is the resource and verb that the kube-apiserver's own parser reads from a request; empty where it reads none.
func asked(t *testing.T, method, path string) string {
	t.Helper()
	parser := request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	info, err := parser.NewRequestInfo(httptest.NewRequestWithContext(t.Context(), method, path, nil))
	if err != nil {
		t.Fatal(err)
	}
	if path == httpapi.AggregatedPrefix && !info.IsResourceRequest {
		return ""
	}
	if !info.IsResourceRequest || info.APIGroup != httpapi.Group || info.Namespace != "" {
		t.Fatalf("%s %s is no request for a resource of ours: %+v", method, path, info)
	}
	resource := info.Resource
	if info.Subresource != "" {
		resource += "/" + info.Subresource
	}
	return resource + " " + info.Verb
}

// What is authorized in front of us is what the whole path says: kube-apiserver and we take each route apart alike.
func TestAdvisory_V35_EveryRouteIsAuthorizedAsWhatItIs(t *testing.T) {
	for _, r := range apiserver.Routes(apiserver.Deps{}) {
		if !r.Door.Aggregated() || r.Path == httpapi.SessionPrefix {
			continue
		}
		resource, verb, err := attributes(r.Method, strings.TrimPrefix(r.Path, httpapi.SessionPrefix))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(asked(t, r.Method, concrete(r.Path)), resource+" "+verb); diff != "" {
			t.Errorf("%s: %s", r, diff)
		}
	}
}

// A person without any right of their own may ask each route of the table at a real kube-apiserver, and nothing else.
func TestTheRoleOpensTheTableAndNothingElse(t *testing.T) {
	env, err := cluster.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	routes := apiserver.Routes(apiserver.Deps{})
	text, err := aggregatedRole(routes)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(text), &role); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:authenticated"}}}
	binding.Name = role.Name
	if err := env.Client.Create(t.Context(), &role); err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "oidc:ada", Groups: []string{"system:authenticated"}}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	// without an APIService the kube-apiserver knows no such path: 404 is said to whoever is let through, 403 to others
	status := func(method, path string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(config.Host, "/")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	offered := map[string]bool{}
	for _, r := range routes {
		if r.Door.Aggregated() || r.Path == httpapi.SessionPrefix {
			offered[asked(t, r.Method, concrete(r.Path))] = true
		}
	}
	for _, r := range routes {
		want := http.StatusForbidden
		if offered[asked(t, r.Method, concrete(r.Path))] {
			want = http.StatusNotFound
		}
		if got := status(r.Method, concrete(r.Path)); got != want {
			t.Errorf("%s: %d, want %d", r, got, want)
		}
	}
	for _, refused := range []string{
		"GET secrets", "DELETE workspaces", "DELETE organizations/x", "PUT users/x/keys", "POST users/x/keys", "GET namespaces/x/secrets",
		"GET watch/workspaces", "GET workspaces?watch=true", "GET workspaces/x/../../secrets", "PATCH workspaces%2fx/secrets",
	} {
		method, path, _ := strings.Cut(refused, " ")
		if got := status(method, httpapi.AggregatedPrefix+path); got != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", refused, got)
		}
	}
}
