// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// dormantAfter is how long after it was last seen an account counts as dormant.
const dormantAfter = 90 * 24 * time.Hour

// User shows an account that belongs to the organizations.
func User(u *v1alpha1.User, organizations []*v1alpha1.Organization, now time.Time) codersdk.User {
	shown := codersdk.User{
		ID:              ids.Of(u),
		Username:        u.WireName(),
		Name:            u.Spec.DisplayName,
		Email:           u.Spec.Email,
		AvatarURL:       u.Spec.AvatarURL,
		CreatedAt:       born(u),
		Status:          UserStatus(u, now),
		LoginType:       LoginType(u.Spec.LoginType),
		ThemePreference: u.Spec.ThemePreference,
		OrganizationIDs: make([]uuid.UUID, 0, len(organizations)),
		Roles:           make([]codersdk.Role, 0, len(u.Spec.Roles)),
	}
	if seen := u.Status.LastSeenAt; seen != nil {
		shown.LastSeenAt = seen.UTC()
	}
	for _, o := range organizations {
		shown.OrganizationIDs = append(shown.OrganizationIDs, ids.Of(o))
	}
	for _, role := range u.Spec.Roles {
		shown.Roles = append(shown.Roles, SiteRole(role))
	}
	slices.SortFunc(shown.Roles, func(a, b codersdk.Role) int { return strings.Compare(a.Name, b.Name) })
	return shown
}

// Organization shows an organization.
func Organization(o *v1alpha1.Organization) codersdk.Organization {
	return codersdk.Organization{ID: ids.Of(o), Name: o.WireName(), CreatedAt: born(o), UpdatedAt: changed(o)}
}

// UserStatus is how an account stands now.
func UserStatus(u *v1alpha1.User, now time.Time) codersdk.UserStatus {
	switch seen := u.Status.LastSeenAt; {
	case u.Spec.Suspended:
		return codersdk.UserStatusSuspended
	case seen == nil || !now.Before(seen.Add(dormantAfter)):
		return codersdk.UserStatusDormant
	}
	return codersdk.UserStatusActive
}

// LoginType shows how an account signs in.
func LoginType(t v1alpha1.LoginType) codersdk.LoginType {
	switch t {
	case v1alpha1.LoginTypePassword:
		return codersdk.LoginTypePassword
	case v1alpha1.LoginTypeOIDC:
		return codersdk.LoginTypeOIDC
	case v1alpha1.LoginTypeGitHub:
		return codersdk.LoginTypeGithub
	}
	return codersdk.LoginTypeNone
}

// born is when an object was made: the annotation is finer than a second and outlives a restore.
func born(o metav1.Object) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, o.GetAnnotations()[v1alpha1.AnnotationCreatedAt]); err == nil {
		return t.UTC()
	}
	return o.GetCreationTimestamp().UTC()
}

// changed is when an organization last became what it is, as far as its conditions tell.
func changed(o *v1alpha1.Organization) time.Time {
	latest := born(o)
	for _, c := range o.Status.Conditions {
		if t := c.LastTransitionTime.UTC(); t.After(latest) {
			latest = t
		}
	}
	return latest
}
