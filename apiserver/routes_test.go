// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/testing/contract"
)

// besideContract are the routes that the contract does not have, each with why there is one.
var besideContract = map[string]string{
	"GET " + agentsdk.HoldPath:           "our agents wait in pods that are prepared for nobody yet, which the API that we speak does not know",
	"GET /scim/v2/ServiceProviderConfig": "identity providers ask for it first",
	"PUT /scim/v2/Users/{id}":            "some providers send whole users in place of changes",
	"DELETE /scim/v2/Users/{id}":         "some providers delete whom they have suspended before",
}

// Every route that is built has the contract's door, status and schemas; one of our own has a path that the contract leaves
// free.
func TestRoutesAgreeWithContract(t *testing.T) {
	facts := contract.Seed(t)
	for _, r := range apiserver.Routes(apiserver.Deps{}) {
		t.Run(r.String(), func(t *testing.T) {
			if besideContract[r.String()] != "" {
				if e, taken := facts.Endpoint(r.Method, r.Path); taken {
					t.Errorf("the contract has %s there", e)
				}
				return
			}
			auth := contract.AuthNone
			switch {
			case r.Door == httpapi.Provider:
				auth = contract.AuthSCIM
			case r.Door.NeedsCaller():
				auth = contract.AuthSession
			case r.Door.ForAgents():
				auth = contract.AuthAgent
			}
			for _, err := range facts.CheckRoute(contract.Route{
				Method: r.Method, Path: r.Path, Tag: r.Tag, Auth: auth, Status: r.Status, In: r.In(), Out: r.Out(),
			}) {
				t.Error(err)
			}
		})
	}
}

// whole are the chapters of the contract that are built to the last endpoint.
var whole = []string{"Applications", "Audit", "Authorization", "Builds", "Files", "Git", "Members", "Organizations", "Templates", "Users", "Workspaces"}

func TestWholeChaptersOfTheContract(t *testing.T) {
	built := map[string]bool{}
	facts := contract.Seed(t)
	for _, r := range apiserver.Routes(apiserver.Deps{}) {
		if e, ok := facts.Endpoint(r.Method, r.Path); ok {
			built[e.String()] = true
		}
	}
	for _, e := range facts.Endpoints() {
		if slices.Contains(whole, e.Tag) && !built[e.String()] {
			t.Errorf("%s of chapter %s has no route", e, e.Tag)
		}
	}
}

// A link or a picture on any page makes a browser send a GET; none of ours changes anything, but for callbacks.
func TestAdvisory_V23_NoGetChangesAnything(t *testing.T) {
	for _, r := range apiserver.Routes(apiserver.Deps{}) {
		if slices.Contains(callbacks, r.Path) {
			continue
		}
		if reads := r.Method == http.MethodGet; reads != (r.Asks() == authz.Read) {
			t.Errorf("%s asks for %s", r, r.Asks())
		}
	}
}

// wants are the statuses that each kind of person gets.
type wants struct{ owner, member, peer, stranger, nobody int }

// everybody gets the same.
func everybody(status int) wants { return wants{status, status, status, status, status} }

// mine is for what belongs to the member: others of the organization may not know of it.
func mine(status int) wants {
	return wants{owner: status, member: status, peer: 404, stranger: 404, nobody: 401}
}

// shared is for what all members of the organization see.
func shared(status int) wants {
	return wants{owner: status, member: status, peer: status, stranger: 404, nobody: 401}
}

// managed is for what members see and administrators change.
func managed(status int) wants {
	return wants{owner: status, member: 403, peer: 403, stranger: 404, nobody: 401}
}

// hidden is for what only administrators know of.
func hidden(status int) wants {
	return wants{owner: status, member: 404, peer: 404, stranger: 404, nobody: 401}
}

// administered is for what administrators decide over the member, who knows of it.
func administered(status int) wants {
	return wants{owner: status, member: 403, peer: 404, stranger: 404, nobody: 401}
}

// row is how one route is asked.
type row struct {
	wants
	// path is the request's path; the workspace is one of the member, a new one for each request where the route changes it.
	path func(w *world, ws *v1alpha1.Workspace) string
	body func(w *world) any
	// media is the body's Content-Type where it is no JSON.
	media string
}

// rowOf is a route's row; a route without one fails.
func rowOf(route httpapi.Route) row {
	if r, ok := rows[route.String()]; ok {
		return r
	}
	return peopleRows[route.String()]
}

// rows has one for each route, but for those of peopleRows.
var rows = map[string]row{
	"GET /healthz":                             {wants: everybody(200), path: fixed("/healthz")},
	"GET /api/v2/":                             {wants: everybody(200), path: fixed("/api/v2/")},
	"GET /api/v2/buildinfo":                    {wants: everybody(200), path: fixed("/api/v2/buildinfo")},
	"GET /api/v2/users/first":                  {wants: everybody(200), path: fixed("/api/v2/users/first")},
	"POST /api/v2/users/first":                 {wants: everybody(409), path: fixed("/api/v2/users/first"), body: always(codersdk.CreateFirstUserRequest{Email: "a@example.org", Username: "second", Password: "long enough"})},
	"POST /api/v2/users/login":                 {wants: everybody(401), path: fixed("/api/v2/users/login"), body: always(codersdk.LoginWithPasswordRequest{Email: "a@example.org", Password: "wrong"})},
	"GET /api/v2/users/authmethods":            {wants: everybody(200), path: fixed("/api/v2/users/authmethods")},
	"POST /api/v2/users/logout":                {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/users/logout")},
	"GET /api/v2/users/oidc/callback":          {wants: everybody(404), path: fixed("/api/v2/users/oidc/callback")},
	"GET /api/v2/users/oauth2/github/callback": {wants: everybody(404), path: fixed("/api/v2/users/oauth2/github/callback")},
	"GET /api/v2/users/{user}":                 {wants: mine(200), path: ofMember("")},
	"GET /api/v2/organizations/{organization}": {wants: shared(200), path: ofOrganization("")},

	"POST /api/v2/users/{user}/keys":       {wants: mine(201), path: ofMember("/keys")},
	"GET /api/v2/users/{user}/keys/tokens": {wants: mine(200), path: ofMember("/keys/tokens")},
	"POST /api/v2/users/{user}/keys/tokens": {wants: mine(201), path: ofMember("/keys/tokens"),
		body: func(*world) any { return codersdk.CreateTokenRequest{TokenName: unique("made")} }},
	"GET /api/v2/users/{user}/keys/tokens/tokenconfig": {wants: mine(200), path: ofMember("/keys/tokens/tokenconfig")},
	"GET /api/v2/users/{user}/keys/tokens/{keyname}": {wants: mine(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/users/" + w.member.Name + "/keys/tokens/" + w.token(context.Background(), "kept").Name
	}},
	"GET /api/v2/users/{user}/keys/{keyid}": {wants: mine(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/users/" + w.member.Name + "/keys/" + w.token(context.Background(), "kept").ID
	}},
	"DELETE /api/v2/users/{user}/keys/{keyid}": {wants: mine(204), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/users/" + w.member.Name + "/keys/" + w.token(context.Background(), unique("goes")).ID
	}},

	"GET /api/v2/users/{user}/gitsshkey": {wants: mine(200), path: ofMember("/gitsshkey")},
	"PUT /api/v2/users/{user}/gitsshkey": {wants: mine(200), path: ofMember("/gitsshkey")},
	// the log itself is not the same twice; what nobody does is
	"GET /api/v2/audit":               {wants: hidden(200), path: fixed("/api/v2/audit?q=resource_type:license")},
	"POST /api/v2/audit/testgenerate": {wants: hidden(204), path: fixed("/api/v2/audit/testgenerate"), body: always(json.RawMessage(`{"action":"stop","resource_type":"workspace"}`))},

	"GET /api/v2/workspace-quota/{user}": {wants: mine(200), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/workspace-quota/" + w.member.Name
	}},

	"GET /api/v2/organizations/{organization}/templates": {wants: shared(200), path: ofOrganization("/templates")},
	"POST /api/v2/organizations/{organization}/templates": {wants: hidden(201), path: ofOrganization("/templates"), body: func(w *world) any {
		return codersdk.CreateTemplateRequest{Name: unique("made"), VersionID: ids.Of(w.unbound(context.Background()))}
	}},
	"GET /api/v2/organizations/{organization}/templates/examples":       {wants: shared(200), path: ofOrganization("/templates/examples")},
	"GET /api/v2/organizations/{organization}/templates/{templatename}": {wants: shared(200), path: ofOrganization("/templates/go-dev")},
	"GET /api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}": {
		wants: shared(200), path: ofOrganization("/templates/go-dev/versions/go-dev-1")},
	"GET /api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}/previous": {
		wants: shared(200), path: ofOrganization("/templates/go-dev/versions/go-dev-1/previous")},
	"GET /api/v2/templates/{template}": {wants: shared(200), path: ofTemplate("")},
	"PATCH /api/v2/templates/{template}": {wants: managed(200), path: ofSpare, body: func(*world) any {
		return json.RawMessage(`{"description": "Another one"}`)
	}},
	"DELETE /api/v2/templates/{template}":       {wants: managed(200), path: ofSpare},
	"GET /api/v2/templates/{template}/daus":     {wants: shared(200), path: ofTemplate("/daus?tz_offset=2")},
	"GET /api/v2/templates/{template}/versions": {wants: shared(200), path: ofTemplate("/versions")},
	"PATCH /api/v2/templates/{template}/versions": {wants: managed(200), path: ofTemplate("/versions"), body: func(w *world) any {
		return codersdk.UpdateActiveTemplateVersion{ID: ids.Of(w.version)}
	}},
	"POST /api/v2/templates/{template}/versions/archive":              {wants: managed(200), path: ofTemplate("/versions/archive"), body: always(json.RawMessage(`{"all":false}`))},
	"GET /api/v2/templates/{template}/versions/{templateversionname}": {wants: shared(200), path: ofTemplate("/versions/go-dev-1")},
	"GET /api/v2/templateversions/{templateversion}":                  {wants: shared(200), path: ofVersion("")},
	"PATCH /api/v2/templateversions/{templateversion}":                {wants: managed(200), path: ofEarlier(""), body: always(json.RawMessage(`{"message":"Said later"}`))},
	"POST /api/v2/templateversions/{templateversion}/archive":         {wants: managed(200), path: ofEarlier("/archive")},
	"POST /api/v2/templateversions/{templateversion}/unarchive":       {wants: managed(200), path: ofEarlier("/unarchive")},
	"GET /api/v2/templateversions/{templateversion}/rich-parameters":  {wants: shared(200), path: ofVersion("/rich-parameters")},
	"GET /api/v2/templateversions/{templateversion}/logs":             {wants: shared(200), path: ofVersion("/logs")},
	"GET /api/v2/templateversions/{templateversion}/resources":        {wants: shared(200), path: ofVersion("/resources")},
	"GET /api/v2/templateversions/{templateversion}/variables":        {wants: shared(200), path: ofVersion("/variables")},
	"GET /api/v2/templateversions/{templateversion}/external-auth":    {wants: shared(200), path: ofVersion("/external-auth")},
	"GET /api/v2/templateversions/{templateversion}/parameters":       {wants: shared(200), path: ofVersion("/parameters")},
	"GET /api/v2/templateversions/{templateversion}/schema":           {wants: shared(200), path: ofVersion("/schema")},
	// its check has ended, which whoever may change it is told
	"PATCH /api/v2/templateversions/{templateversion}/cancel": {wants: wants{400, 403, 403, 404, 401}, path: ofVersion("/cancel")},
	// who may use the template may try it, and sees what the own trials came to
	"POST /api/v2/templateversions/{templateversion}/dry-run":                  {wants: shared(201), path: ofVersion("/dry-run"), body: always(json.RawMessage(`{"workspace_name":"dev"}`))},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}":           {wants: mine(200), path: ofDryRun("")},
	"PATCH /api/v2/templateversions/{templateversion}/dry-run/{jobID}/cancel":  {wants: mine(400), path: ofDryRun("/cancel")},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}/logs":      {wants: mine(200), path: ofDryRun("/logs")},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}/resources": {wants: mine(200), path: ofDryRun("/resources")},
	"POST /api/v2/organizations/{organization}/templateversions": {wants: wants{201, 403, 403, 404, 401}, path: ofOrganization("/templateversions"), body: func(w *world) any {
		return codersdk.CreateTemplateVersionRequest{StorageMethod: "file", Provisioner: "terraform", FileID: ids.VersionFile(w.version)}
	}},
	"POST /api/v2/files": {wants: wants{201, 403, 403, 403, 401}, path: fixed("/api/v2/files"), media: "application/x-tar", body: func(*world) any {
		tar, err := archive.Pack([]archive.File{{Name: unique("file"), Data: []byte("x")}})
		Expect(err).NotTo(HaveOccurred())
		return string(tar)
	}},
	"GET /api/v2/files/{fileID}": {wants: wants{200, 404, 404, 404, 401}, path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/files/" + ids.VersionFile(w.version).String()
	}},

	"GET /api/v2/workspaces":                                                  {wants: wants{200, 200, 200, 200, 401}, path: fixed("/api/v2/workspaces?q=name:dev")},
	"GET /api/v2/workspaces/{workspace}":                                      {wants: mine(200), path: ofWorkspace("")},
	"GET /api/v2/users/{user}/workspace/{workspacename}":                      {wants: mine(200), path: byName("")},
	"GET /api/v2/users/{user}/workspace/{workspacename}/builds/{buildnumber}": {wants: mine(200), path: byName("/builds/1")},
	"GET /api/v2/workspaces/{workspace}/builds":                               {wants: mine(200), path: ofWorkspace("/builds")},
	"GET /api/v2/workspacebuilds/{workspacebuild}":                            {wants: mine(200), path: ofBuild("")},
	// the first build has ended, which its owner is told
	"PATCH /api/v2/workspacebuilds/{workspacebuild}/cancel":   {wants: mine(400), path: ofBuild("/cancel")},
	"GET /api/v2/workspacebuilds/{workspacebuild}/logs":       {wants: mine(200), path: ofBuild("/logs")},
	"GET /api/v2/workspacebuilds/{workspacebuild}/parameters": {wants: mine(200), path: ofBuild("/parameters")},
	"GET /api/v2/workspacebuilds/{workspacebuild}/resources":  {wants: mine(200), path: ofBuild("/resources")},
	"GET /api/v2/workspacebuilds/{workspacebuild}/state":      {wants: mine(200), path: ofBuild("/state")},
	"POST /api/v2/organizations/{organization}/members/{user}/workspaces": {wants: mine(201), path: func(w *world, _ *v1alpha1.Workspace) string {
		return "/api/v2/organizations/" + w.organization.Name + "/members/" + w.member.Name + "/workspaces"
	}, body: func(w *world) any {
		return codersdk.CreateWorkspaceRequest{Name: unique("new"), TemplateID: ids.Of(w.template)}
	}},
	"PUT /api/v2/workspaces/{workspace}/ttl":               {wants: mine(204), path: ofWorkspace("/ttl"), body: always(json.RawMessage(`{"ttl_ms":7200000}`))},
	"PUT /api/v2/workspaces/{workspace}/autostart":         {wants: mine(204), path: ofWorkspace("/autostart"), body: always(json.RawMessage(`{"schedule":"30 9 * * 1-5"}`))},
	"PATCH /api/v2/workspaces/{workspace}":                 {wants: mine(400), path: ofWorkspace(""), body: always(codersdk.UpdateWorkspaceRequest{Name: "other"})},
	"PUT /api/v2/workspaces/{workspace}/autoupdates":       {wants: mine(204), path: ofWorkspace("/autoupdates"), body: always(json.RawMessage(`{"automatic_updates":"always"}`))},
	"PUT /api/v2/workspaces/{workspace}/dormant":           {wants: mine(200), path: ofWorkspace("/dormant"), body: always(json.RawMessage(`{"dormant":true}`))},
	"PUT /api/v2/workspaces/{workspace}/extend":            {wants: mine(409), path: ofWorkspace("/extend"), body: always(json.RawMessage(`{"deadline":"2026-11-23T09:00:00Z"}`))},
	"GET /api/v2/workspaces/{workspace}/watch":             {wants: mine(200), path: ofWorkspace("/watch")},
	"GET /api/v2/workspaces/{workspace}/resolve-autostart": {wants: mine(200), path: ofWorkspace("/resolve-autostart")},
	// agents' own: nobody is one by being a person
	"GET /api/v2/workspaceagents/me/external-auth": {wants: everybody(401), path: fixed("/api/v2/workspaceagents/me/external-auth?id=github")},
	"GET /api/v2/workspaceagents/me/gitauth":       {wants: everybody(401), path: fixed("/api/v2/workspaceagents/me/gitauth?id=github")},
	"GET " + agentsdk.HoldPath:                     {wants: everybody(401), path: fixed(agentsdk.HoldPath + "?agent=main")},
	"POST /api/v2/workspaces/{workspace}/builds":   {wants: mine(201), path: ofWorkspace("/builds"), body: always(json.RawMessage(`{"transition":"stop"}`))},
}

// actor is somebody who asks, and what each door is to answer.
type actor struct {
	name                        string
	session, aggregated         door
	wantSession, wantAggregated int
}

func (r row) actors(w *world, unlisted door, route httpapi.Route) []actor {
	actors := []actor{
		{"the owner", w.owner.session, w.owner.aggregated, r.owner, r.owner},
		{"the member", w.member.session, w.member.aggregated, r.member, r.member},
		{"a peer", w.peer.session, w.peer.aggregated, r.peer, r.peer},
		{"a stranger", w.stranger.session, w.stranger.aggregated, r.stranger, r.stranger},
		{"nobody", session(""), unlisted, r.nobody, r.nobody},
		// V 15: one who may read everything gets 403 on every write.
		{"an auditor", w.auditor.session, w.auditor.aggregated, r.owner, r.owner},
	}
	if route.Door.NeedsCaller() && route.Asks() != authz.Read && route.Asks() != authz.Authenticate && !slices.Contains(own, route.String()) {
		auditor := &actors[len(actors)-1]
		auditor.wantSession, auditor.wantAggregated = http.StatusForbidden, http.StatusForbidden
		if route.Asks() == authz.Use { // what every member may
			auditor.wantSession, auditor.wantAggregated = r.peer, r.peer
		}
	}
	if route.Door == httpapi.Provider {
		for i := range actors {
			actors[i].wantSession = http.StatusUnauthorized // a person's session is no provider's key
		}
	}
	if route.Door.NeedsCaller() {
		// Behind the kube-apiserver nobody is somebody whom no User lists: known, and without any right.
		actors[4].wantAggregated = http.StatusForbidden
	}
	return actors
}

var _ = Describe("Every route", Ordered, func() {
	var w *world
	var still *v1alpha1.Workspace
	var unlisted door

	BeforeAll(func(ctx SpecContext) {
		w = newWorld(ctx)
		w.appoint(ctx)
		still = w.workspace(ctx)
		config, err := env.AddUser("oidc:" + unique("eve"))
		Expect(err).NotTo(HaveOccurred())
		unlisted = aggregated(config)
		Eventually(func() int {
			return send(ctx, w, w.owner.session, httpapi.Route{Method: "GET"}, row{path: ofDryRun("")}, still).Status
		}).WithContext(ctx).WithTimeout(20 * time.Second).Should(Equal(http.StatusOK))
	})

	for _, route := range apiserver.Routes(apiserver.Deps{}) {
		It("answers each person alike at both doors: "+route.String(), func(ctx SpecContext) {
			r := rowOf(route)
			Expect(r.path).NotTo(BeNil(), "the route has no row in this test: say who may use it")
			reads := route.Method == http.MethodGet
			target := func() *v1alpha1.Workspace {
				if reads || r.nobody < 300 {
					return still
				}
				return w.workspace(ctx)
			}
			for _, a := range append(r.actors(w, unlisted, route), r.administrators(w, route)...) {
				if route.String() == "POST /api/v2/users/logout" && a.name != "nobody" {
					a.session = newPerson(ctx, w.organization.Name).session // it is not used afterwards
				}
				front := send(ctx, w, a.session, route, r, target())
				Expect(front.Status).To(Equal(a.wantSession), "%s at the session door: %s", a.name, front.Body)
				if !route.Door.Aggregated() {
					continue
				}
				back := send(ctx, w, a.aggregated, route, r, target())
				Expect(back.Status).To(Equal(a.wantAggregated), "%s at the aggregated door: %s", a.name, back.Body)
				if reads && a.wantSession == a.wantAggregated {
					if strings.Contains(front.Header.Get("Content-Type"), "json") {
						Expect(settledOf(route, withoutStatus(back))).To(MatchJSON(settledOf(route, front.Body)), a.name)
					} else {
						Expect(back.Body).To(Equal(front.Body), a.name)
					}
					Expect(back.Header.Get("Content-Type")).To(Equal(front.Header.Get("Content-Type")))
				}
			}
		})

		if !route.Door.Aggregated() && route.Path != "/healthz" {
			It("is not there at the aggregated door, where it would make or need a session: "+route.String(), func(ctx SpecContext) {
				a := send(ctx, w, aggregated(env.Config), route, rowOf(route), still)
				Expect(a.Status).To(Equal(http.StatusNotFound), string(a.Body))
			})
		}
	}
})
