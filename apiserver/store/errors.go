// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// asFault makes an error of the Kubernetes API the fault that it is to a person. What is the server's own trouble, a
// missing right above all, stays an error.
func asFault(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	status := statusOf(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable(err, "The server has not yet seen the latest changes. Try again.")
	case apierrors.IsNotFound(err):
		return notFound()
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return &fault.Error{Kind: fault.Conflict, Message: "The organization's namespace is being deleted; nothing can be made in it.", Cause: err}
	case apierrors.IsConflict(err):
		return &fault.Error{Kind: fault.Conflict, Message: "Somebody else changed this at the same time. Try again.", Cause: err}
	case apierrors.IsAlreadyExists(err):
		return &fault.Error{Kind: fault.Conflict, Message: "An object of this name exists already.", Cause: err}
	case apierrors.IsInvalid(err):
		return invalid(status, err)
	case apierrors.IsForbidden(err) && strings.Contains(status.Message, "exceeded quota"):
		return &fault.Error{Kind: fault.Forbidden, Message: "The organization's quota in the cluster is used up.", Detail: quotaDetail(status.Message), Cause: err}
	case apierrors.IsForbidden(err) && strings.Contains(status.Message, "ValidatingAdmissionPolicy"):
		return &fault.Error{Kind: fault.Forbidden, Message: "A policy of the cluster forbids this.", Detail: policyDetail(status.Message), Cause: err}
	case apierrors.IsRequestEntityTooLargeError(err):
		return &fault.Error{Kind: fault.TooLarge, Message: "The object would be larger than the cluster can store.", Cause: err}
	case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err), apierrors.IsServiceUnavailable(err):
		return unavailable(err, "The cluster can't answer now. Try again.")
	}
	return err
}

func unavailable(cause error, message string) error {
	return &fault.Error{Kind: fault.Unavailable, Message: message, Cause: cause}
}

func statusOf(err error) metav1.Status {
	var s apierrors.APIStatus
	if errors.As(err, &s) {
		return s.Status()
	}
	return metav1.Status{}
}

// invalid names the inputs of a refusal by the schema as the wire calls them.
func invalid(status metav1.Status, cause error) error {
	f := &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Cause: cause}
	if status.Details != nil {
		for _, c := range status.Details.Causes {
			if c.Field == "" { // a policy of the cluster, which names no field
				f.Detail = policyDetail(c.Message)
				continue
			}
			f.Fields = append(f.Fields, fault.Field{Path: wireField(c.Field), Detail: c.Message})
		}
	}
	return f
}

// onWire gives a refusal's fields the names that a request about the object calls them by.
func onWire(err error, about v1alpha1.Object) error {
	if f, ok := fault.As(err); ok {
		for i := range f.Fields {
			if _, user := about.(*v1alpha1.User); user && f.Fields[i].Path == "spec.displayName" {
				f.Fields[i].Path = "name" // what people are called, not what they type
				continue
			}
			f.Fields[i].Path = wireField(f.Fields[i].Path)
		}
	}
	return err
}

// wireField is how a request calls a field of an object. A field that no request has keeps its path.
func wireField(path string) string {
	for prefix, name := range map[string]string{
		"metadata.name":                      "name",
		"spec.name":                          "name",
		"spec.username":                      "username",
		"spec.email":                         "email",
		"spec.avatarURL":                     "avatar_url",
		"spec.themePreference":               "theme_preference",
		"spec.quietHours":                    "schedule",
		"spec.passwordSecret":                "password",
		"spec.roles":                         "roles",
		"spec.memberships":                   "roles",
		"spec.suspended":                     "status",
		"spec.members":                       "add_users",
		"spec.quota":                         "quota_allowance",
		"spec.everyone.quota":                "quota_allowance",
		"spec.everyone.avatarURL":            "avatar_url",
		"spec.autostop":                      "ttl_ms",
		"spec.autostart":                     "schedule",
		"spec.updates":                       "automatic_updates",
		"spec.message":                       "message",
		"spec.displayName":                   "display_name",
		"spec.description":                   "description",
		"spec.icon":                          "icon",
		"spec.requireActiveVersion":          "require_active_version",
		"spec.deprecated":                    "deprecation_message",
		"spec.deprecationMessage":            "deprecation_message",
		"spec.rollout.pin":                   "id",
		"spec.lifecycle.autostopAfter":       "default_ttl_ms",
		"spec.lifecycle.autostopMax":         "max_ttl_ms",
		"spec.lifecycle.failureStopAfter":    "failure_ttl_ms",
		"spec.lifecycle.dormantAfter":        "time_til_dormant_ms",
		"spec.lifecycle.deleteDormantAfter":  "time_til_dormant_autodelete_ms",
		"spec.lifecycle.autostopRequirement": "autostop_requirement",
		"spec.lifecycle.autostartDays":       "autostart_requirement",
		"spec.lifecycle.userAutostart":       "allow_user_autostart",
		"spec.lifecycle.userAutostop":        "allow_user_autostop",
		"spec.lifecycle.userCancel":          "allow_user_cancel_workspace_jobs",
	} {
		if path == prefix || strings.HasPrefix(path, prefix+".") {
			return name
		}
	}
	if name, ok := strings.CutPrefix(path, "spec.parameters."); ok {
		return name
	}
	return path
}

// quotaDetail is the part of a quota's refusal that says what was asked and what is left.
func quotaDetail(message string) string { return after(message, "exceeded quota: ") }

// policyDetail is the part of a policy's refusal that its author wrote.
func policyDetail(message string) string { return after(message, "denied request: ") }

func after(message, mark string) string {
	if _, rest, ok := strings.Cut(message, mark); ok {
		return rest
	}
	return ""
}
