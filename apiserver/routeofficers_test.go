// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
)

// appoint makes those who administer something.
func (w *world) appoint(ctx context.Context) {
	GinkgoHelper()
	w.templates = newPerson(ctx, w.organization.Name, role(v1alpha1.SiteRoleTemplateAdmin))
	w.people = newPerson(ctx, w.organization.Name, role(v1alpha1.SiteRoleUserAdmin))
	w.admin = newPerson(ctx, w.organization.Name, func(u *v1alpha1.User) {
		u.Spec.Memberships[0].Roles = []v1alpha1.OrganizationRole{v1alpha1.OrganizationRoleAdmin}
	})
}

// officers has what those who administer something get from each route that needs a caller, by what they administer. It
// concerns the member's things, as in rows.
var officers = map[string]struct{ templates, people, organization int }{
	"POST /api/v2/users/logout":                                         {200, 200, 200},
	"POST /api/v2/users/{user}/convert-login":                           {403, 403, 403},
	"GET /api/v2/users":                                                 {200, 200, 200},
	"POST /api/v2/users":                                                {403, 201, 403},
	"GET /api/v2/users/roles":                                           {200, 200, 200},
	"GET /api/v2/users/{user}":                                          {200, 200, 200},
	"DELETE /api/v2/users/{user}":                                       {403, 200, 403},
	"PUT /api/v2/users/{user}/profile":                                  {403, 200, 403},
	"PUT /api/v2/users/{user}/appearance":                               {403, 200, 403},
	"PUT /api/v2/users/{user}/password":                                 {403, 400, 403},
	"GET /api/v2/users/{user}/roles":                                    {200, 200, 200},
	"PUT /api/v2/users/{user}/roles":                                    {403, 200, 403},
	"PUT /api/v2/users/{user}/status/suspend":                           {403, 200, 403},
	"PUT /api/v2/users/{user}/status/activate":                          {403, 200, 403},
	"GET /api/v2/users/{user}/login-type":                               {200, 200, 200},
	"GET /api/v2/users/{user}/quiet-hours":                              {200, 200, 200},
	"PUT /api/v2/users/{user}/quiet-hours":                              {403, 200, 403},
	"GET /api/v2/users/{user}/organizations":                            {200, 200, 200},
	"GET /api/v2/users/{user}/organizations/{organizationname}":         {200, 200, 200},
	"POST /api/v2/users/{user}/keys":                                    {404, 404, 404},
	"GET /api/v2/users/{user}/keys/{keyid}":                             {404, 404, 404},
	"DELETE /api/v2/users/{user}/keys/{keyid}":                          {404, 404, 404},
	"GET /api/v2/users/{user}/keys/tokens":                              {404, 404, 404},
	"POST /api/v2/users/{user}/keys/tokens":                             {404, 404, 404},
	"GET /api/v2/users/{user}/keys/tokens/tokenconfig":                  {404, 404, 404},
	"GET /api/v2/users/{user}/keys/tokens/{keyname}":                    {404, 404, 404},
	"GET /api/v2/users/{user}/gitsshkey":                                {404, 404, 404},
	"PUT /api/v2/users/{user}/gitsshkey":                                {404, 404, 404},
	"GET /api/v2/external-auth":                                         {200, 200, 200},
	"GET /api/v2/external-auth/{externalauth}":                          {404, 404, 404},
	"DELETE /api/v2/external-auth/{externalauth}":                       {404, 404, 404},
	"GET /api/v2/external-auth/{externalauth}/device":                   {404, 404, 404},
	"POST /api/v2/external-auth/{externalauth}/device":                  {404, 404, 404},
	"GET /external-auth/{externalauth}/callback":                        {404, 404, 404},
	"GET /gitauth/{externalauth}/callback":                              {404, 404, 404},
	"POST /api/v2/organizations":                                        {403, 403, 403},
	"GET /api/v2/organizations/{organization}":                          {200, 200, 200},
	"GET /api/v2/organizations/{organization}/members/roles":            {200, 200, 200},
	"PUT /api/v2/organizations/{organization}/members/{user}/roles":     {404, 403, 200},
	"GET /api/v2/organizations/{organization}/groups":                   {200, 200, 200},
	"POST /api/v2/organizations/{organization}/groups":                  {403, 201, 201},
	"GET /api/v2/organizations/{organization}/groups/{groupName}":       {200, 200, 200},
	"GET /api/v2/groups/{group}":                                        {200, 200, 200},
	"PATCH /api/v2/groups/{group}":                                      {403, 200, 200},
	"DELETE /api/v2/groups/{group}":                                     {403, 200, 200},
	"POST /api/v2/authcheck":                                            {200, 200, 200},
	"GET /api/v2/audit":                                                 {404, 404, 404},
	"POST /api/v2/audit/testgenerate":                                   {404, 404, 404},
	"GET /api/v2/applications/host":                                     {200, 200, 200},
	"GET /api/v2/applications/auth-redirect":                            {400, 400, 400},
	"GET /api/v2/entitlements":                                          {200, 200, 200},
	"GET /api/v2/licenses":                                              {404, 404, 404},
	"POST /api/v2/licenses":                                             {404, 404, 404},
	"POST /api/v2/licenses/refresh-entitlements":                        {404, 404, 404},
	"DELETE /api/v2/licenses/{id}":                                      {404, 404, 404},
	"GET /api/v2/workspace-quota/{user}":                                {200, 200, 200},
	"GET /api/v2/organizations/{organization}/templates":                {200, 200, 200},
	"POST /api/v2/organizations/{organization}/templates":               {201, 404, 201},
	"GET /api/v2/organizations/{organization}/templates/examples":       {200, 200, 200},
	"GET /api/v2/organizations/{organization}/templates/{templatename}": {200, 200, 200},
	"GET /api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}":          {200, 200, 200},
	"GET /api/v2/organizations/{organization}/templates/{templatename}/versions/{templateversionname}/previous": {200, 200, 200},
	"GET /api/v2/templates/{template}":                                         {200, 200, 200},
	"PATCH /api/v2/templates/{template}":                                       {200, 403, 200},
	"DELETE /api/v2/templates/{template}":                                      {200, 403, 200},
	"GET /api/v2/templates/{template}/acl":                                     {200, 200, 200},
	"PATCH /api/v2/templates/{template}/acl":                                   {200, 403, 200},
	"GET /api/v2/templates/{template}/acl/available":                           {200, 200, 200},
	"GET /api/v2/templates/{template}/daus":                                    {200, 200, 200},
	"GET /api/v2/templates/{template}/versions":                                {200, 200, 200},
	"PATCH /api/v2/templates/{template}/versions":                              {200, 403, 200},
	"POST /api/v2/templates/{template}/versions/archive":                       {200, 403, 200},
	"GET /api/v2/templates/{template}/versions/{templateversionname}":          {200, 200, 200},
	"POST /api/v2/organizations/{organization}/templateversions":               {201, 403, 201},
	"GET /api/v2/templateversions/{templateversion}":                           {200, 200, 200},
	"PATCH /api/v2/templateversions/{templateversion}":                         {200, 403, 200},
	"POST /api/v2/templateversions/{templateversion}/archive":                  {200, 403, 200},
	"POST /api/v2/templateversions/{templateversion}/unarchive":                {200, 403, 200},
	"PATCH /api/v2/templateversions/{templateversion}/cancel":                  {400, 403, 400},
	"GET /api/v2/templateversions/{templateversion}/logs":                      {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/resources":                 {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/rich-parameters":           {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/variables":                 {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/external-auth":             {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/parameters":                {200, 200, 200},
	"GET /api/v2/templateversions/{templateversion}/schema":                    {200, 200, 200},
	"POST /api/v2/templateversions/{templateversion}/dry-run":                  {201, 201, 201},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}":           {200, 404, 200},
	"PATCH /api/v2/templateversions/{templateversion}/dry-run/{jobID}/cancel":  {400, 404, 400},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}/logs":      {200, 404, 200},
	"GET /api/v2/templateversions/{templateversion}/dry-run/{jobID}/resources": {200, 404, 200},
	"POST /api/v2/files":                                                      {201, 403, 201},
	"GET /api/v2/files/{fileID}":                                              {200, 404, 200},
	"GET /api/v2/workspaces":                                                  {200, 200, 200},
	"GET /api/v2/workspaces/{workspace}":                                      {200, 404, 200},
	"GET /api/v2/users/{user}/workspace/{workspacename}":                      {200, 404, 200},
	"POST /api/v2/organizations/{organization}/members/{user}/workspaces":     {403, 404, 201},
	"PUT /api/v2/workspaces/{workspace}/ttl":                                  {403, 404, 204},
	"PUT /api/v2/workspaces/{workspace}/autostart":                            {403, 404, 204},
	"PATCH /api/v2/workspaces/{workspace}":                                    {403, 404, 400},
	"PUT /api/v2/workspaces/{workspace}/autoupdates":                          {403, 404, 204},
	"PUT /api/v2/workspaces/{workspace}/dormant":                              {403, 404, 200},
	"PUT /api/v2/workspaces/{workspace}/extend":                               {403, 404, 409},
	"GET /api/v2/workspaces/{workspace}/resolve-autostart":                    {200, 404, 200},
	"GET /api/v2/workspaces/{workspace}/watch":                                {200, 404, 200},
	"GET /api/v2/workspaces/{workspace}/builds":                               {200, 404, 200},
	"POST /api/v2/workspaces/{workspace}/builds":                              {403, 404, 201},
	"GET /api/v2/workspacebuilds/{workspacebuild}":                            {200, 404, 200},
	"PATCH /api/v2/workspacebuilds/{workspacebuild}/cancel":                   {403, 404, 400},
	"GET /api/v2/workspacebuilds/{workspacebuild}/logs":                       {200, 404, 200},
	"GET /api/v2/workspacebuilds/{workspacebuild}/parameters":                 {200, 404, 200},
	"GET /api/v2/workspacebuilds/{workspacebuild}/resources":                  {200, 404, 200},
	"GET /api/v2/workspacebuilds/{workspacebuild}/state":                      {200, 404, 200},
	"GET /api/v2/users/{user}/workspace/{workspacename}/builds/{buildnumber}": {200, 404, 200},
}

// administrators are those who administer something, and what a route is to answer.
func (r row) administrators(w *world, route httpapi.Route) []actor {
	GinkgoHelper()
	want, there := officers[route.String()]
	if own := route.Door.NeedsCaller() && route.Door != httpapi.Provider; !own {
		want.templates, want.people, want.organization = r.nobody, r.nobody, r.nobody
		if route.Door == httpapi.Provider {
			want.templates, want.people, want.organization = http.StatusUnauthorized, http.StatusUnauthorized, http.StatusUnauthorized
		}
	} else {
		Expect(there).To(BeTrue(), "the route has no line among officers: say which administrators may use it")
	}
	return []actor{
		{"a template administrator", w.templates.session, w.templates.aggregated, want.templates, want.templates},
		{"a user administrator", w.people.session, w.people.aggregated, want.people, want.people},
		{"an organization administrator", w.admin.session, w.admin.aggregated, want.organization, want.organization},
	}
}
