// SPDX-License-Identifier: Apache-2.0

// Package view shows Kubernetes objects as the wire's JSON structs. Its functions are pure and total: every field is set,
// a list is empty and never null, and the present time is an argument. It reads what it is given and asks for nothing;
// which objects belong together is apiserver/store's to find, and whether anybody may see them is decided before.
//
// docs/field-map.md says where each field comes from; this package is that table as code.
package view

import (
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/ids"
)

// updatedAt is when an object's spec was last changed, as far as the cluster remembers.
func updatedAt(o metav1.Object) time.Time {
	created := v1alpha1.CreatedAt(o)
	if changed := gitops.Changed(o).UTC(); changed.After(created) {
		return changed
	}
	return created
}

// utc is the time of a status; nil when it is not there.
func utc(t *metav1.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	at := t.UTC()
	return &at
}

// orZero is the time, or the zero time.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// kubernetesName is who made what nobody made through the API: a manifest does not tell its author.
const kubernetesName = "kubernetes"

// kubernetesID is the id of who is no User.
var kubernetesID = uuid.NewSHA1(uuid.NameSpaceDNS, []byte(kubernetesName+".berth.dev"))

// creator is the User who made an object, or the fixed one that stands for manifests and that no list shows.
func creator(u *v1alpha1.User) codersdk.MinimalUser {
	if u == nil {
		return codersdk.MinimalUser{ID: kubernetesID, Username: kubernetesName}
	}
	return codersdk.MinimalUser{ID: ids.Of(u), Username: u.WireName(), AvatarURL: u.Spec.AvatarURL}
}
