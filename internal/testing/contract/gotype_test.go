// SPDX-License-Identifier: Apache-2.0

package contract_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/testing/contract"
)

type organization struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

type warning struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

type loginRequest struct {
	Email    string  `json:"email"`
	Password *string `json:"password,omitempty"`
}

func TestCheckType(t *testing.T) {
	for name, test := range map[string]struct {
		goType    reflect.Type
		schema    string
		role      contract.Role
		wantError string
	}{
		"right":              {goType: reflect.TypeFor[organization](), schema: "codersdk.Organization"},
		"right by embedding": {goType: reflect.TypeFor[struct{ organization }](), schema: "codersdk.Organization"},
		"unknown schema":     {goType: reflect.TypeFor[organization](), schema: "codersdk.Nothing", wantError: "no schema"},
		"lacks a field": {goType: reflect.TypeFor[struct {
			Field string `json:"field"`
		}](), schema: "codersdk.ValidationError", wantError: "detail: struct"},
		"has one too many": {goType: reflect.TypeFor[struct {
			warning
			Value string `json:"value"`
		}](), schema: "codersdk.ValidationError", wantError: "value: struct"},
		"another kind": {goType: reflect.TypeFor[struct {
			Field  string `json:"field"`
			Detail int    `json:"detail"`
		}](), schema: "codersdk.ValidationError", wantError: "detail: int encodes as integer"},
		"a text for an id": {goType: reflect.TypeFor[struct {
			organization
			ID string `json:"id"`
		}](), schema: "codersdk.Organization", wantError: "id: string encodes as string, want uuid"},
		"a number for a time": {goType: reflect.TypeFor[struct {
			organization
			Created int64 `json:"created_at"`
		}](), schema: "codersdk.Organization", wantError: "created_at: int64"},
		"can be left out": {goType: reflect.TypeFor[struct {
			Field  string `json:"field"`
			Detail string `json:"detail,omitempty"`
		}](), schema: "codersdk.ValidationError", wantError: "detail: can be left out"},
		"can be null": {goType: reflect.TypeFor[struct {
			Field  string  `json:"field"`
			Detail *string `json:"detail"`
		}](), schema: "codersdk.ValidationError", wantError: "detail: can be null"},
		"is never left out": {goType: reflect.TypeFor[struct {
			Message     string    `json:"message"`
			Detail      string    `json:"detail"`
			Validations []warning `json:"validations,omitempty"`
		}](), schema: "codersdk.Response", wantError: "detail: is always sent"},
		"wrong inside a list": {goType: reflect.TypeFor[struct {
			Message     string `json:"message"`
			Detail      string `json:"detail,omitempty"`
			Validations []struct {
				Field bool `json:"field"`
			} `json:"validations,omitempty"`
		}](), schema: "codersdk.Response", wantError: "validations[].field: bool"},
		"requests may leave out": {goType: reflect.TypeFor[loginRequest](), schema: "codersdk.LoginWithPasswordRequest", role: contract.Request},
		"answers may not":        {goType: reflect.TypeFor[loginRequest](), schema: "codersdk.LoginWithPasswordRequest", wantError: "password: can be left out"},
		"no object":              {goType: reflect.TypeFor[string](), schema: "codersdk.Response", wantError: "encodes as string"},
		"no text":                {goType: reflect.TypeFor[int](), schema: "codersdk.UserStatus", wantError: "encodes as integer"},
	} {
		t.Run(name, func(t *testing.T) {
			wantErrors(t, contract.Seed(t).CheckType(test.goType, test.schema, test.role), test.wantError)
		})
	}
}

func TestCheckRoute(t *testing.T) {
	right := contract.Route{
		Method: "POST", Path: "/api/v2/users/login", Tag: "Authorization", Auth: contract.AuthNone, Status: 201,
		In: reflect.TypeFor[loginRequest](),
	}
	for name, test := range map[string]struct {
		change    func(*contract.Route)
		wantError string
	}{
		"right":            {func(*contract.Route) {}, ""},
		"a request's path": {func(r *contract.Route) { r.Path = "/api/v2/workspaces/x/ttl"; r.Method = "PUT" }, "in this spelling"},
		"another tag":      {func(r *contract.Route) { r.Tag = "Users" }, "tag"},
		"another door":     {func(r *contract.Route) { r.Auth = contract.AuthSession }, "called by session"},
		"another status":   {func(r *contract.Route) { r.Status = 200 }, "want 201"},
		"another request":  {func(r *contract.Route) { r.In = reflect.TypeFor[organization]() }, "request: codersdk.LoginWithPasswordRequest"},
		"another answer":   {func(r *contract.Route) { r.Out = reflect.TypeFor[organization]() }, "answer: codersdk.LoginWithPasswordResponse"},
		"an answer too many": {func(r *contract.Route) {
			*r = contract.Route{Method: "PUT", Path: "/api/v2/workspaces/{workspace}/ttl", Tag: "Workspaces", Out: reflect.TypeFor[organization]()}
		}, "want no JSON body"},
	} {
		t.Run(name, func(t *testing.T) {
			r := right
			test.change(&r)
			wantErrors(t, contract.Seed(t).CheckRoute(r), test.wantError)
		})
	}
}
