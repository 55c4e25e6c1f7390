// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/berth-dev/berth/apiserver/httpapi"
)

// aggregatedFile holds the ClusterRole of the aggregated API, below config/rbac.
const aggregatedFile = "aggregated-api.yaml"

// aggregatedHead is all of that ClusterRole but its rules. The manager knows it by name: it owns the APIService.
const aggregatedHead = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: berth-aggregated-api
rules:
`

// reserved are first segments that the kube-apiserver does not read as a resource.
var reserved = []string{"namespaces", "watch", "proxy"}

// aggregatedRole is the right to ask what the table offers at the aggregated door, and nothing else: a rule for each
// resource, as the kube-apiserver takes a path apart before it lets a request through.
func aggregatedRole(routes []httpapi.Route) (string, error) {
	verbs := map[string]map[string]bool{}
	for _, r := range routes {
		path := strings.TrimPrefix(r.Path, httpapi.SessionPrefix)
		if !r.Door.Aggregated() || path == "" { // the group's own root is discovery, which everybody may read
			continue
		}
		resource, verb, err := attributes(r.Method, path)
		if err != nil {
			return "", fmt.Errorf("route %s: %w", r, err)
		}
		if verbs[resource] == nil {
			verbs[resource] = map[string]bool{}
		}
		verbs[resource][verb] = true
	}
	if len(verbs) == 0 {
		return aggregatedHead[:len(aggregatedHead)-1] + " []\n", nil
	}
	var out strings.Builder
	out.WriteString(aggregatedHead)
	for _, resource := range slices.Sorted(maps.Keys(verbs)) {
		fmt.Fprintf(&out, "- apiGroups: [%s]\n  resources: [%s]\n  verbs: [%s]\n",
			httpapi.Group, resource, strings.Join(slices.Sorted(maps.Keys(verbs[resource])), ", "))
	}
	return out.String(), nil
}

// attributes are the resource, with its subresource, and the verb that the kube-apiserver authorizes for a path below
// the group's version: the first segment is the resource, the second a name, the third a subresource, and what follows
// is not looked at.
func attributes(method, path string) (resource, verb string, err error) {
	segments := strings.Split(path, "/")
	resource = segments[0]
	if slices.Contains(reserved, resource) || strings.HasPrefix(resource, "{") {
		return "", "", fmt.Errorf("the aggregated door can't offer a path that starts with %q", resource)
	}
	named := len(segments) > 1
	if len(segments) > 2 {
		if strings.HasPrefix(segments[2], "{") {
			return "", "", fmt.Errorf("%s stands where a subresource does, so RBAC could not name it", segments[2])
		}
		resource += "/" + segments[2]
	}
	switch method {
	case http.MethodGet:
		verb = either(named, "get", "list")
	case http.MethodPost:
		verb = "create"
	case http.MethodPut:
		verb = "update"
	case http.MethodPatch:
		verb = "patch"
	case http.MethodDelete:
		verb = either(named, "delete", "deletecollection")
	default:
		return "", "", fmt.Errorf("method %s has no verb", method)
	}
	return resource, verb, nil
}

func either(condition bool, yes, no string) string {
	if condition {
		return yes
	}
	return no
}
