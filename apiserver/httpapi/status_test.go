// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/fault"
)

// kubectl shows the message of a metav1.Status and of nothing else; Coder's clients read theirs from the same body.
func TestRefusalsAtTheAggregatedDoorAreKubernetesToo(t *testing.T) {
	limit := fault.On("limit", "must be zero or more")
	for name, c := range map[string]struct {
		err         error
		wantReason  metav1.StatusReason
		wantDetails *metav1.StatusDetails
	}{
		"input":           {err: fault.New(fault.Invalid, "bad"), wantReason: metav1.StatusReasonBadRequest},
		"one input":       {err: limit, wantReason: metav1.StatusReasonInvalid, wantDetails: causes("limit", "must be zero or more")},
		"unauthenticated": {err: fault.New(fault.Unauthenticated, "who?"), wantReason: metav1.StatusReasonUnauthorized},
		"forbidden":       {err: fault.New(fault.Forbidden, "no"), wantReason: metav1.StatusReasonForbidden},
		"not found":       {err: fault.New(fault.NotFound, "where?"), wantReason: metav1.StatusReasonNotFound},
		"conflict": {err: &fault.Error{Kind: fault.Conflict, Message: "taken", Fields: []fault.Field{{Path: "name", Detail: "taken"}}},
			wantReason: metav1.StatusReasonConflict, wantDetails: causes("name", "taken")},
		"too large":   {err: fault.New(fault.TooLarge, "big"), wantReason: metav1.StatusReasonRequestEntityTooLarge},
		"unavailable": {err: fault.New(fault.Unavailable, "later"), wantReason: metav1.StatusReasonServiceUnavailable, wantDetails: &metav1.StatusDetails{RetryAfterSeconds: 1}},
		"too many": {err: &Refusal{Status: http.StatusTooManyRequests, RetryAfter: 1500 * time.Millisecond, Fault: fault.New(fault.Unavailable, "slow")},
			wantReason: metav1.StatusReasonTooManyRequests, wantDetails: &metav1.StatusDetails{RetryAfterSeconds: 2}},
		"gone":            {err: &Refusal{Status: http.StatusGone, Fault: fault.New(fault.NotFound, "was")}, wantReason: metav1.StatusReasonGone},
		"any other error": {err: errors.New("secret"), wantReason: metav1.StatusReasonInternalError},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, failing(c.err))
			front, back := ask(s.session, "GET", "/api/v2/fail", ""), ask(s.aggregated, "GET", AggregatedPrefix+"fail", "")
			var status metav1.Status
			if err := json.Unmarshal(back.Body.Bytes(), &status); err != nil {
				t.Fatal(err)
			}
			want := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Message: message(t, front).Message, Reason: c.wantReason, Details: c.wantDetails, Code: int32(front.Code)}
			if diff := cmp.Diff(want, status); diff != "" || back.Code != front.Code {
				t.Errorf("%d (-want +have):\n%s", back.Code, diff)
			}

			var coders, both map[string]any
			if err := errors.Join(json.Unmarshal(front.Body.Bytes(), &coders), json.Unmarshal(back.Body.Bytes(), &both)); err != nil {
				t.Fatal(err)
			}
			for key, value := range coders {
				if key != "detail" && !cmp.Equal(value, both[key]) { // a detail may name the request, which is another one
					t.Errorf("%s is %v, and %v at the session door", key, both[key], value)
				}
				delete(both, key)
			}
			if _, ok := coders["kind"]; ok {
				t.Errorf("the session door's refusal is more than Coder's: %s", front.Body)
			}
			delete(both, "details")
			wantMore := map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
				"reason": string(c.wantReason), "code": float64(front.Code)}
			if diff := cmp.Diff(wantMore, both); diff != "" {
				t.Errorf("beside Coder's fields (-want +have):\n%s", diff)
			}
		})
	}
}

func causes(field, detail string) *metav1.StatusDetails {
	return &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: detail}}}
}
