// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"reflect"
)

// Route is what a route table says about one endpoint that is built.
type Route struct {
	Method, Path, Tag string
	// Auth says who may call; "" is not compared.
	Auth Auth
	// Status is the status of a success; 0 is not compared, for routes that write their answer themselves.
	Status int
	// In and Out are the Go types of the body that is read and of the one that is written; nil where there is none, or
	// where the handler writes the bytes itself.
	In, Out reflect.Type
}

// CheckRoute compares a route with the endpoint of its method and path and returns all that differs.
func (f *Facts) CheckRoute(r Route) []error {
	e, ok := f.Endpoint(r.Method, r.Path)
	if !ok || e.Path != r.Path {
		return []error{fmt.Errorf("%s %s is not in the contract in this spelling", r.Method, r.Path)}
	}
	var errs []error
	if r.Tag != e.Tag {
		errs = append(errs, fmt.Errorf("%s: tag %q, want %q", e, r.Tag, e.Tag))
	}
	if r.Auth != "" && r.Auth != e.Auth {
		errs = append(errs, fmt.Errorf("%s: may be called by %s, want %s", e, r.Auth, e.Auth))
	}
	if r.Status != 0 && r.Status != e.Status {
		errs = append(errs, fmt.Errorf("%s: answers %d, want %d", e, r.Status, e.Status))
	}
	for _, side := range []struct {
		name string
		t    reflect.Type
		body body
		role Role
	}{{"request", r.In, e.request, Request}, {"answer", r.Out, e.response, Answer}} {
		for _, err := range f.checkSide(side.t, side.body, side.role) {
			errs = append(errs, fmt.Errorf("%s: %s: %w", e, side.name, err))
		}
	}
	return errs
}

func (f *Facts) checkSide(t reflect.Type, b body, role Role) []error {
	switch {
	case t == nil:
		return nil
	case b.term == nil:
		return []error{fmt.Errorf("%s, want no JSON body", t)}
	}
	c := &typeCheck{facts: f, role: role, seen: map[typeAt]bool{}}
	c.term(b.term, t, b.term.String())
	return c.errs
}
