// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	parser "github.com/scim2/filter-parser/v2"

	"github.com/berth-dev/berth/api/coderd"
	"github.com/berth-dev/berth/internal/fault"
)

// What a fault is about, in SCIM's own words (RFC 7644, 3.12).
const (
	ReasonFilter     = "invalidFilter"
	ReasonPath       = "invalidPath"
	ReasonValue      = "invalidValue"
	ReasonSyntax     = "invalidSyntax"
	ReasonMutability = "mutability"
	ReasonUniqueness = "uniqueness"
)

// maxOperations is how many operations one PATCH may hold.
const maxOperations = 100

// Operation is one step of a PATCH.
type Operation struct {
	// Op is add, replace or remove, in whatever capitals.
	Op string `json:"op"`
	// Path is the attribute; empty where the value is an object of attributes.
	Path string `json:"path"`
	// Value is what it becomes.
	Value json.RawMessage `json:"value"`
}

// Change is what is to become of an account; nil leaves a thing as it is.
type Change struct {
	Active                      *bool
	UserName, ExternalID, Email *string
	// DisplayName is the whole name; GivenName and FamilyName are its parts, for who sends them one by one.
	DisplayName, GivenName, FamilyName *string
}

// Name is the name after the change.
func (c Change) Name(before string) string {
	if c.GivenName == nil && c.FamilyName == nil {
		if c.DisplayName != nil {
			return *c.DisplayName
		}
		return before
	}
	given, family := SplitName(before)
	if c.GivenName != nil {
		given = *c.GivenName
	}
	if c.FamilyName != nil {
		family = *c.FamilyName
	}
	return JoinName(given, family)
}

// ReadOperations is the change that the operations of a PATCH come to, one after the other. Attributes that are not kept
// are read past.
func ReadOperations(list []Operation) (Change, error) {
	var c Change
	if len(list) == 0 || len(list) > maxOperations {
		return c, fault.On("Operations", "must be 1 to %d operations", maxOperations).Because(ReasonSyntax)
	}
	for i, o := range list {
		at := fmt.Sprintf("Operations[%d]", i)
		var err error
		switch strings.ToLower(o.Op) {
		case "add", "replace":
			err = c.set(at, o)
		case "remove":
			err = c.remove(at, o)
		default:
			err = fault.On(at+".op", "must be add, replace or remove").Because(ReasonSyntax)
		}
		if err != nil {
			return Change{}, err
		}
	}
	return c, nil
}

// set takes over a value: that of the path, or of every attribute in an object.
func (c *Change) set(at string, o Operation) error {
	if o.Path != "" {
		path, err := readPath(at, o.Path)
		if err != nil {
			return err
		}
		return c.put(at+".value", path, o.Value)
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(o.Value, &values) != nil {
		return fault.On(at+".value", "must be an object of attributes where no path is given").Because(ReasonValue)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path, err := readPath(at, name)
		if err != nil {
			continue // an extension's schema, whose attributes are not kept
		}
		if err := c.put(at+".value."+name, path, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// remove clears what may be absent.
func (c *Change) remove(at string, o Operation) error {
	path, err := readPath(at, o.Path)
	if err != nil {
		return err
	}
	none := ""
	switch path {
	case attributeExternalID:
		c.ExternalID = &none
	case attributeDisplayName, attributeName, attributeFormatted:
		c.DisplayName, c.GivenName, c.FamilyName = &none, nil, nil
	case attributeGivenName:
		c.GivenName = &none
	case attributeFamilyName:
		c.FamilyName = &none
	case attributeActive, attributeUserName, attributeEmails, attributeEmailValue, attributeID:
		return fault.On(at+".path", "%s can't be removed", o.Path).Because(ReasonMutability)
	}
	return nil
}

// put takes over one attribute's value.
func (c *Change) put(at, path string, value json.RawMessage) error {
	switch path {
	case attributeActive:
		var active coderd.SCIMBool
		if err := read(at, value, &active); err != nil {
			return err
		}
		c.Active = (*bool)(&active)
		return nil
	case attributeEmails:
		var emails []coderd.SCIMEmail
		if err := read(at, value, &emails); err != nil {
			return err
		}
		if email := Primary(emails); email != "" {
			c.Email = &email
		}
		return nil
	case attributeName:
		var name struct{ GivenName, FamilyName, Formatted *string }
		if err := read(at, value, &name); err != nil {
			return err
		}
		c.GivenName, c.FamilyName = orElse(name.GivenName, c.GivenName), orElse(name.FamilyName, c.FamilyName)
		c.DisplayName = orElse(name.Formatted, c.DisplayName)
		return nil
	}
	into, kept := map[string]**string{
		attributeUserName: &c.UserName, attributeExternalID: &c.ExternalID, attributeEmailValue: &c.Email,
		attributeDisplayName: &c.DisplayName, attributeFormatted: &c.DisplayName,
		attributeGivenName: &c.GivenName, attributeFamilyName: &c.FamilyName,
	}[path]
	if !kept {
		return nil
	}
	var text string
	if err := read(at, value, &text); err != nil {
		return err
	}
	*into = &text
	return nil
}

func orElse(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

func read(at string, value json.RawMessage, into any) error {
	if len(value) == 0 || json.Unmarshal(value, into) != nil {
		return fault.On(at, "is not of the type that the attribute has").Because(ReasonValue)
	}
	return nil
}

// readPath is a path in lower case, without the name of its schema and without what selects one of several addresses.
func readPath(at, text string) (string, error) {
	wrong := fault.On(at+".path", "must name an attribute, such as active").Because(ReasonPath)
	if text == "" || len(text) > maxFilter || strings.Count(text, "(")+strings.Count(text, "[") > maxDepth {
		return "", wrong
	}
	p, err := parser.ParsePath([]byte(text))
	if err != nil {
		return "", wrong
	}
	path := pathOf("", p.AttributePath)
	if sub := p.SubAttributeName(); sub != "" {
		path += "." + strings.ToLower(sub)
	}
	return path, nil
}

// Primary is the address that counts: the primary one, or else the first.
func Primary(emails []coderd.SCIMEmail) string {
	first := ""
	for _, e := range emails {
		if e.Primary && e.Value != "" {
			return e.Value
		}
		if first == "" {
			first = e.Value
		}
	}
	return first
}
