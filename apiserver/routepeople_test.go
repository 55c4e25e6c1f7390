// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/given"
)

// peopleRows are the rows of the routes about users, their sign-ins elsewhere, groups, organizations and rights.
var peopleRows = map[string]row{
	// a session opens none of the provider's
	"GET /scim/v2/ServiceProviderConfig": {wants: everybody(401), path: fixed("/scim/v2/ServiceProviderConfig")},
	"GET /scim/v2/Users":                 {wants: everybody(401), path: fixed("/scim/v2/Users")},
	"POST /scim/v2/Users":                {wants: everybody(401), path: fixed("/scim/v2/Users"), body: always(json.RawMessage(`{}`))},
	"GET /scim/v2/Users/{id}":            {wants: everybody(401), path: ofProvisioned},
	"PUT /scim/v2/Users/{id}":            {wants: everybody(401), path: ofProvisioned, body: always(json.RawMessage(`{}`))},
	"PATCH /scim/v2/Users/{id}":          {wants: everybody(401), path: ofProvisioned, body: always(json.RawMessage(`{"active":false}`))},
	"DELETE /scim/v2/Users/{id}":         {wants: everybody(401), path: ofProvisioned},

	"GET /api/v2/users": {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/users?limit=1&q=role:owner")},
	"POST /api/v2/users": {wants: wants{201, 403, 403, 403, 401}, path: fixed("/api/v2/users"), body: func(w *world) any {
		name, id := unique("made"), ids.Of(w.organization)
		return codersdk.CreateUserRequest{Username: name, Email: name + "@example.org", UserLoginType: codersdk.LoginTypeNone, OrganizationID: &id}
	}},
	// the deployment has no hosts for apps, which everybody is told who is signed in
	"GET /api/v2/applications/host":          {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/applications/host")},
	"GET /api/v2/applications/auth-redirect": {wants: wants{400, 400, 400, 400, 401}, path: fixed("/api/v2/applications/auth-redirect?redirect_uri=https://app.example.org/")},
	// everybody may know what there is; who is told more decides over licences, of which there are none
	"GET /api/v2/entitlements":                   {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/entitlements")},
	"GET /api/v2/licenses":                       {wants: hidden(200), path: fixed("/api/v2/licenses")},
	"POST /api/v2/licenses":                      {wants: hidden(400), path: fixed("/api/v2/licenses"), body: always(codersdk.AddLicenseRequest{License: "x"})},
	"POST /api/v2/licenses/refresh-entitlements": {wants: hidden(201), path: fixed("/api/v2/licenses/refresh-entitlements")},
	"DELETE /api/v2/licenses/{id}":               {wants: hidden(404), path: fixed("/api/v2/licenses/1")},

	"GET /api/v2/users/roles":             {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/users/roles")},
	"DELETE /api/v2/users/{user}":         {wants: hidden(200), path: ofLeaver("")},
	"PUT /api/v2/users/{user}/profile":    {wants: mine(200), path: ofMember("/profile"), body: func(w *world) any { return json.RawMessage(`{"username":"` + w.member.Name + `","name":"A Member"}`) }},
	"PUT /api/v2/users/{user}/appearance": {wants: mine(200), path: ofMember("/appearance"), body: always(json.RawMessage(`{"theme_preference":"dark"}`))},
	"PUT /api/v2/users/{user}/password":   {wants: mine(400), path: ofMember("/password"), body: always(json.RawMessage(`{"password":"short"}`))},
	// the provider is not set up here, which the person is told; nobody else may begin it
	"POST /api/v2/users/{user}/convert-login":  {wants: wants{403, 400, 404, 404, 401}, path: ofMember("/convert-login"), body: always(json.RawMessage(`{"to_type":"oidc","password":"a long enough one"}`))},
	"GET /api/v2/users/{user}/roles":           {wants: mine(200), path: ofMember("/roles")},
	"PUT /api/v2/users/{user}/roles":           {wants: administered(200), path: ofMember("/roles"), body: always(json.RawMessage(`{"roles":[]}`))},
	"PUT /api/v2/users/{user}/status/suspend":  {wants: hidden(200), path: ofLeaver("/status/suspend")},
	"PUT /api/v2/users/{user}/status/activate": {wants: administered(200), path: ofMember("/status/activate")},
	"GET /api/v2/users/{user}/login-type":      {wants: mine(200), path: ofMember("/login-type")},
	"GET /api/v2/users/{user}/quiet-hours":     {wants: mine(200), path: ofMember("/quiet-hours")},
	"PUT /api/v2/users/{user}/quiet-hours":     {wants: mine(200), path: ofMember("/quiet-hours"), body: always(json.RawMessage(`{"schedule":"CRON_TZ=Europe/Zurich 30 22 * * *"}`))},
	"GET /api/v2/users/{user}/organizations/{organizationname}": {wants: mine(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/users/" + w.member.Name + "/organizations/" + w.organization.Name
	}},
	"GET /api/v2/users/{user}/organizations": {wants: mine(200), path: ofMember("/organizations")},

	"GET /api/v2/organizations/{organization}/groups": {wants: shared(200), path: ofOrganization("/groups")},
	"POST /api/v2/organizations/{organization}/groups": {wants: managed(201), path: ofOrganization("/groups"), body: func(*world) any {
		return codersdk.CreateGroupRequest{Name: unique("made")}
	}},
	"GET /api/v2/organizations/{organization}/groups/{groupName}": {wants: shared(200), path: ofOrganization("/groups/everyone")},
	"GET /api/v2/groups/{group}": {wants: shared(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/groups/" + ids.Of(w.organization).String()
	}},
	"PATCH /api/v2/groups/{group}":  {wants: managed(200), path: ofGroup, body: always(json.RawMessage(`{"display_name":"Another one"}`))},
	"DELETE /api/v2/groups/{group}": {wants: managed(200), path: ofGroup},

	"POST /api/v2/organizations": {wants: wants{201, 403, 403, 403, 401}, path: fixed("/api/v2/organizations"), body: func(*world) any {
		return codersdk.CreateOrganizationRequest{Name: unique("made")}
	}},
	"GET /api/v2/organizations/{organization}/members/roles": {wants: shared(200), path: ofOrganization("/members/roles")},
	"PUT /api/v2/organizations/{organization}/members/{user}/roles": {wants: administered(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/organizations/" + w.organization.Name + "/members/" + w.member.Name + "/roles"
	}, body: always(json.RawMessage(`{"roles":[]}`))},

	"GET /api/v2/templates/{template}/acl": {wants: shared(200), path: ofTemplate("/acl")},
	"PATCH /api/v2/templates/{template}/acl": {wants: managed(200), path: ofTemplate("/acl"), body: func(w *world) any {
		return codersdk.UpdateTemplateACL{UserPerms: map[string]codersdk.TemplateRole{ids.Of(w.peer).String(): codersdk.TemplateRoleUse}}
	}},
	"GET /api/v2/templates/{template}/acl/available": {wants: shared(200), path: ofTemplate("/acl/available")},

	"POST /api/v2/authcheck": {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/authcheck"),
		body: always(json.RawMessage(`{"checks":{"mine":{"action":"read","object":{"resource_type":"workspace","owner_id":"me"}}}}`))},
	// the deployment has no provider, so that nobody finds one
	"GET /api/v2/external-auth":                        {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/external-auth")},
	"GET /api/v2/external-auth/{externalauth}":         {wants: wants{404, 404, 404, 404, 401}, path: fixed("/api/v2/external-auth/github")},
	"DELETE /api/v2/external-auth/{externalauth}":      {wants: wants{404, 404, 404, 404, 401}, path: fixed("/api/v2/external-auth/github")},
	"GET /api/v2/external-auth/{externalauth}/device":  {wants: wants{404, 404, 404, 404, 401}, path: fixed("/api/v2/external-auth/github/device")},
	"POST /api/v2/external-auth/{externalauth}/device": {wants: wants{404, 404, 404, 404, 401}, path: fixed("/api/v2/external-auth/github/device"), body: always(codersdk.ExternalAuthDeviceExchange{DeviceCode: "x"})},
	"GET /external-auth/{externalauth}/callback":       {wants: wants{404, 404, 404, 404, 401}, path: fixed("/external-auth/github/callback")},
	"GET /gitauth/{externalauth}/callback":             {wants: wants{404, 404, 404, 404, 401}, path: fixed("/gitauth/github/callback")},
}

// callbacks are where other sites lead browsers back to, which can be by a GET only: identity providers, which change
// something for who comes back with the state of a sign-in that was begun in the same browser, and apps, whose host then gets
// a session, and no page to read it.
var callbacks = []string{"/api/v2/applications/auth-redirect", "/api/v2/users/oidc/callback", "/api/v2/users/oauth2/github/callback",
	"/external-auth/{externalauth}/callback", "/gitauth/{externalauth}/callback"}

// own are the routes about nothing but what the caller has, whoever that is.
var own = []string{"GET /api/v2/applications/auth-redirect", "DELETE /api/v2/external-auth/{externalauth}", "POST /api/v2/external-auth/{externalauth}/device",
	"GET /external-auth/{externalauth}/callback", "GET /gitauth/{externalauth}/callback"}

// ofGroup is a new group for each request.
func ofGroup(w *world, _ *v1alpha1.Workspace) string {
	ctx := context.Background()
	g := given.Group(w.organization.Name, unique("group"))
	Expect(env.Client.Create(ctx, g)).To(Succeed())
	path := "/api/v2/groups/" + ids.Of(g).String()
	Eventually(func() int {
		return ask(ctx, w.owner.session, "GET", path, nil).Status
	}).WithTimeout(30 * time.Second).Should(Equal(http.StatusOK))
	return path
}

// ofLeaver is a new account for each request.
func ofLeaver(rest string) func(*world, *v1alpha1.Workspace) string {
	return func(w *world, _ *v1alpha1.Workspace) string {
		ctx := context.Background()
		u := given.User(unique("leaver"), func(u *v1alpha1.User) {
			u.Spec.Memberships = []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(w.organization.Name)}}
		})
		Expect(env.Client.Create(ctx, u)).To(Succeed())
		Eventually(func() int {
			return ask(ctx, w.owner.session, "GET", "/api/v2/users/"+u.Name, nil).Status
		}).WithTimeout(30 * time.Second).Should(Equal(http.StatusOK))
		return "/api/v2/users/" + u.Name + rest
	}
}

// ofProvisioned is the member's account as an identity provider asks for it.
func ofProvisioned(w *world, _ *v1alpha1.Workspace) string {
	return "/scim/v2/Users/" + ids.Of(w.member.User).String()
}
