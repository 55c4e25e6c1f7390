// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
)

// kubernetesStatus is a refusal at the aggregated door: the body of the session door, which Coder's clients read, and
// beside it the fields of a metav1.Status, without which kubectl shows "unknown" instead of the message.
type kubernetesStatus struct {
	codersdk.Response
	metav1.TypeMeta
	Metadata metav1.ListMeta       `json:"metadata"`
	Status   string                `json:"status"`
	Reason   metav1.StatusReason   `json:"reason"`
	Details  *metav1.StatusDetails `json:"details,omitempty"`
	Code     int                   `json:"code"`
}

func asKubernetesStatus(status int, body codersdk.Response, retryAfter time.Duration) kubernetesStatus {
	s := kubernetesStatus{
		Response: body,
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure,
		Reason:   statusReason(status),
		Code:     status,
	}
	if len(body.Validations) == 0 && retryAfter == 0 {
		return s
	}
	s.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(seconds(retryAfter))}
	for _, v := range body.Validations {
		s.Details.Causes = append(s.Details.Causes, metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: v.Field, Message: v.Detail})
	}
	if status == http.StatusBadRequest && len(s.Details.Causes) > 0 {
		s.Reason = metav1.StatusReasonInvalid // the one reason of which kubectl shows the fields
	}
	return s
}

// statusReason is the word that Kubernetes' clients know a status by.
func statusReason(status int) metav1.StatusReason {
	switch status {
	case http.StatusBadRequest:
		return metav1.StatusReasonBadRequest
	case http.StatusUnauthorized:
		return metav1.StatusReasonUnauthorized
	case http.StatusForbidden:
		return metav1.StatusReasonForbidden
	case http.StatusNotFound:
		return metav1.StatusReasonNotFound
	case http.StatusMethodNotAllowed:
		return metav1.StatusReasonMethodNotAllowed
	case http.StatusConflict:
		return metav1.StatusReasonConflict
	case http.StatusGone:
		return metav1.StatusReasonGone
	case http.StatusRequestEntityTooLarge:
		return metav1.StatusReasonRequestEntityTooLarge
	case http.StatusUnsupportedMediaType:
		return metav1.StatusReasonUnsupportedMediaType
	case http.StatusTooManyRequests:
		return metav1.StatusReasonTooManyRequests
	case http.StatusServiceUnavailable:
		return metav1.StatusReasonServiceUnavailable
	}
	return metav1.StatusReasonInternalError
}
