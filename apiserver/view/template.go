// SPDX-License-Identifier: Apache-2.0

package view

import (
	"maps"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/schedule"
)

// TemplateParts is a template with what its answer joins. The fields are those of store.TemplateParts.
type TemplateParts struct {
	Template     *v1alpha1.Template
	Organization *v1alpha1.Organization
	// Active is the version that new starts take.
	Active *v1alpha1.TemplateVersion
	// Creator is the User who made it through the API; nil when a manifest did.
	Creator *v1alpha1.User
	// BuildTimes is how long its builds took, and ActiveUsers how many people used it lately; nil where nobody asked, or it
	// is not known.
	BuildTimes  codersdk.TemplateBuildTimeStats
	ActiveUsers *int
}

// Template shows a template.
func Template(p TemplateParts) codersdk.Template {
	t, l := p.Template, lifecycle(p.Template)
	by := creator(p.Creator)
	limit := millis(l.AutostopMax)
	return codersdk.Template{
		ID:                             ids.Of(t),
		CreatedAt:                      v1alpha1.CreatedAt(t),
		UpdatedAt:                      updatedAt(t),
		OrganizationID:                 ids.Of(p.Organization),
		OrganizationName:               p.Organization.WireName(),
		OrganizationDisplayName:        string(p.Organization.Spec.DisplayName),
		Name:                           t.WireName(),
		DisplayName:                    string(t.Spec.DisplayName),
		Provisioner:                    codersdk.ProvisionerTypeTerraform,
		ActiveVersionID:                ids.Of(p.Active),
		ActiveUserCount:                activeUsers(p.ActiveUsers),
		BuildTimeStats:                 buildTimes(p.BuildTimes),
		Description:                    t.Spec.Description,
		Deprecated:                     t.Spec.Deprecated || t.Spec.DeprecationMessage != "",
		DeprecationMessage:             t.Spec.DeprecationMessage,
		Icon:                           string(t.Spec.Icon),
		DefaultTTLMillis:               millis(l.AutostopAfter),
		UseMaxTTL:                      limit > 0 && l.AutostopRequirement == nil,
		MaxTTLMillis:                   limit,
		AutostopRequirement:            autostopRequirement(l.AutostopRequirement),
		AutostartRequirement:           codersdk.TemplateAutostartRequirement{DaysOfWeek: autostartDays(l.AutostartDays)},
		CreatedByID:                    by.ID,
		CreatedByName:                  by.Username,
		AllowUserAutostart:             l.UserAutostart != v1alpha1.PermissionForbid,
		AllowUserAutostop:              l.UserAutostop != v1alpha1.PermissionForbid,
		AllowUserCancelWorkspaceJobs:   l.UserCancel != v1alpha1.PermissionForbid,
		FailureTTLMillis:               millis(l.FailureStopAfter),
		TimeTilDormantMillis:           millis(l.DormantAfter),
		TimeTilDormantAutoDeleteMillis: millis(l.DeleteDormantAfter),
		RequireActiveVersion:           t.Spec.RequireActiveVersion,
	}
}

func millis(d v1alpha1.Duration) int64 { return schedule.Duration(d).Milliseconds() }

// activeUsers is -1 as long as nobody knows.
func activeUsers(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

// buildTimes has the three keys that clients look for, with or without numbers.
func buildTimes(measured codersdk.TemplateBuildTimeStats) codersdk.TemplateBuildTimeStats {
	times := codersdk.TemplateBuildTimeStats{
		codersdk.WorkspaceTransitionStart:  {},
		codersdk.WorkspaceTransitionStop:   {},
		codersdk.WorkspaceTransitionDelete: {},
	}
	maps.Copy(times, measured)
	return times
}

func autostopRequirement(r *v1alpha1.AutostopRequirement) codersdk.TemplateAutostopRequirement {
	wire := codersdk.TemplateAutostopRequirement{DaysOfWeek: []string{}, Weeks: 1}
	if r == nil {
		return wire
	}
	wire.DaysOfWeek = days(r.DaysOfWeek)
	if r.Weeks != nil {
		wire.Weeks = int64(*r.Weeks)
	}
	return wire
}

// autostartDays are all seven where the template names none.
func autostartDays(allowed []v1alpha1.Weekday) []string {
	if len(allowed) == 0 {
		return days(week())
	}
	return days(allowed)
}

func week() []v1alpha1.Weekday {
	return []v1alpha1.Weekday{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
}

// days writes days in lower case, Monday first.
func days(some []v1alpha1.Weekday) []string {
	wire := []string{}
	for _, d := range week() {
		if slices.Contains(some, d) {
			wire = append(wire, strings.ToLower(string(d)))
		}
	}
	return wire
}

// Example shows a template that comes with the server. There is no page about it elsewhere.
func Example(id string, t *v1alpha1.Template, readme string, tags []string) codersdk.TemplateExample {
	return codersdk.TemplateExample{
		ID:          id,
		Name:        string(t.Spec.DisplayName),
		Description: t.Spec.Description,
		Icon:        string(t.Spec.Icon),
		Tags:        append([]string{}, tags...),
		Markdown:    readme,
	}
}
