// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
)

// moving has what of a route's answer is another a moment later.
var moving = map[string]func(body map[string]any){
	"GET /api/v2/entitlements": func(body map[string]any) {
		if features, ok := body["features"].(map[string]any); ok {
			delete(features, "user_limit") // people become active and dormant meanwhile
		}
		delete(body, "refreshed_at")
	},
}

// settledOf is an answer's body without what moves.
func settledOf(route httpapi.Route, body []byte) []byte {
	GinkgoHelper()
	forget, ok := moving[route.String()]
	if !ok {
		return body
	}
	var read map[string]any
	Expect(json.Unmarshal(body, &read)).To(Succeed(), string(body))
	forget(read)
	data, err := json.Marshal(read)
	Expect(err).NotTo(HaveOccurred())
	return data
}

// withoutStatus is a body of the aggregated door without what makes a refusal a metav1.Status: the session door's body.
func withoutStatus(a answer) []byte {
	GinkgoHelper()
	if a.Status < http.StatusBadRequest {
		return a.Body
	}
	var status metav1.Status
	a.JSON(&status)
	Expect(status.Kind).To(Equal("Status"), string(a.Body))
	Expect(int(status.Code)).To(Equal(a.Status), string(a.Body))
	var body map[string]any
	a.JSON(&body)
	for _, key := range []string{"kind", "apiVersion", "metadata", "status", "reason", "details", "code"} {
		delete(body, key)
	}
	data, err := json.Marshal(body)
	Expect(err).NotTo(HaveOccurred())
	return data
}

func send(ctx context.Context, w *world, d door, route httpapi.Route, r row, ws *v1alpha1.Workspace) answer {
	GinkgoHelper()
	var body any
	if r.body != nil {
		body = r.body(w)
	}
	if r.media != "" {
		d = d.with("Content-Type", r.media)
	}
	return ask(ctx, d, route.Method, r.path(w, ws), body)
}
