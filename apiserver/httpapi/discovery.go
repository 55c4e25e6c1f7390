// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/authz"
)

// discovery answers what Kubernetes asks of every aggregated server. It lists no resource: nothing here can be listed,
// watched or collected the Kubernetes way, and a namespace that is being deleted must have nothing to ask us for.
func discovery() []Route {
	version := metav1.GroupVersionForDiscovery{GroupVersion: Group + "/" + GroupVersion, Version: GroupVersion}
	group := metav1.APIGroup{
		TypeMeta:                   metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"},
		Name:                       Group,
		Versions:                   []metav1.GroupVersionForDiscovery{version},
		PreferredVersion:           version,
		ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
	}
	answer := func(path string, body any) Route {
		return Route{Method: http.MethodGet, Path: path, Tag: "Discovery", Door: Anyone, Action: authz.Read, Status: http.StatusOK,
			Do: Plain(func(context.Context, None) (any, error) { return body, nil })}
	}
	return []Route{
		answer("/apis", metav1.APIGroupList{
			TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{group},
		}),
		answer("/apis/"+Group, group),
		answer("/apis/"+Group+"/"+GroupVersion, metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
			GroupVersion: version.GroupVersion,
			APIResources: []metav1.APIResource{},
		}),
	}
}
