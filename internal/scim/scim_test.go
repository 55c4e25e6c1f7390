// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/coderd"
	"github.com/berth-dev/berth/internal/fault"
)

var ada = Resource{
	ID: "0aa6a2cf-1d0e-4d2a-8c0e-3b1f5e7a9b11", ExternalID: "Ext-1", UserName: "ada@example.org",
	DisplayName: "Ada King Lovelace", Email: "ada@example.org", Active: true,
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]bool{
		``:                              true,
		`userName eq "ADA@example.org"`: true,
		`userName Eq "ada@example.org"`: true,
		`userName eq "bob"`:             false,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada@example.org"`: true,
		`externalId eq "Ext-1"`:                                     true,
		`externalId eq "ext-1"`:                                     false,
		`id eq "0aa6a2cf-1d0e-4d2a-8c0e-3b1f5e7a9b11"`:              true,
		`emails[type eq "work"].value eq "ada@example.org"`:         true,
		`emails[type eq "work" and value eq "ada@example.org"]`:     true,
		`emails[value eq "eve@example.org"]`:                        false,
		`emails.value sw "ada@"`:                                    true,
		`emails co "@example"`:                                      true,
		`name.familyName eq "Lovelace" and name.givenName sw "Ada"`: true,
		`displayName ew "lace"`:                                     true,
		`active eq true`:                                            true,
		`active ne true`:                                            false,
		`active eq false or userName pr`:                            true,
		`not (userName eq "bob")`:                                   true,
		`not (active eq true) and userName pr`:                      false,
		`externalId eq null`:                                        false,
		`externalId ne null`:                                        true,
		`userName gt "a" and userName lt "b"`:                       true,
		`userName ge "b" or userName le "a"`:                        false,
		`externalId pr`:                                             true,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			if strings.HasPrefix(text, "emails[type") && strings.Contains(text, "].value") {
				continue // the grammar has it for paths only
			}
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(ada); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFilterRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"an attribute that is not kept": `nickName eq "a"`,
		"no operator":                   `userName`,
		"no value":                      `userName eq`,
		"text for true":                 `active eq "yes"`,
		"an order of truths":            `active gt true`,
		"a number for text":             `userName eq 5`,
		"an open bracket":               `(userName eq "a"`,
		"values of something else":      `addresses[type eq "work"]`,
		"too long":                      `userName eq "` + strings.Repeat("a", maxFilter) + `"`,
		"too deep":                      strings.Repeat("(", 99) + `userName pr` + strings.Repeat(")", 99),
		"another language":              `'; drop table users --`,
	} {
		_, err := ParseFilter(text)
		f, ok := fault.As(err)
		if !ok || f.Kind != fault.Invalid || f.Reason != ReasonFilter || f.Fields[0].Path != "filter" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilterByUserNameAlone(t *testing.T) {
	for text, want := range map[string]string{
		`userName eq "ada"`:                 "ada",
		`USERNAME EQ "ada"`:                 "ada",
		`userName sw "ada"`:                 "",
		`userName eq "a" or active eq true`: "",
		``:                                  "",
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := f.UserName(); name != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", text, name, ok)
		}
	}
}

// What the common identity providers send.
func TestReadOperations(t *testing.T) {
	yes, no := true, false
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		body string
		want Change
	}{
		"text for false, with capitals":   {`[{"op":"Replace","path":"active","value":"False"}]`, Change{Active: &no}},
		"an object without a path":        {`[{"op":"replace","value":{"active":false}}]`, Change{Active: &no}},
		"an address by its type":          {`[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@b.org"}]`, Change{Email: text("a@b.org")}},
		"a list of addresses":             {`[{"op":"add","path":"emails","value":[{"value":"x@b.org"},{"value":"a@b.org","primary":true}]}]`, Change{Email: text("a@b.org")}},
		"one part of a name":              {`[{"op":"Add","path":"name.familyName","value":"King"}]`, Change{FamilyName: text("King")}},
		"a whole name":                    {`[{"op":"replace","path":"name","value":{"givenName":"Ada","familyName":"King"}}]`, Change{GivenName: text("Ada"), FamilyName: text("King")}},
		"a path with its schema":          {`[{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:userName","value":"ada"}]`, Change{UserName: text("ada")}},
		"several, the last of which wins": {`[{"op":"replace","path":"active","value":false},{"op":"replace","path":"active","value":true}]`, Change{Active: &yes}},
		"what is not kept": {`[{"op":"Add","path":"title","value":"Countess"},
			{"op":"replace","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"x","active":true}}]`, Change{Active: &yes}},
		"an external id that goes": {`[{"op":"remove","path":"externalId"}]`, Change{ExternalID: text("")}},
	} {
		t.Run(name, func(t *testing.T) {
			var list []Operation
			if err := json.Unmarshal([]byte(c.body), &list); err != nil {
				t.Fatal(err)
			}
			got, err := ReadOperations(list)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +have):\n%s", diff)
			}
		})
	}
}

func TestReadOperationsRefuses(t *testing.T) {
	for name, c := range map[string]struct{ body, reason string }{
		"none":                       {`[]`, ReasonSyntax},
		"an unknown one":             {`[{"op":"move","path":"active"}]`, ReasonSyntax},
		"a path that is none":        {`[{"op":"replace","path":"active]","value":true}]`, ReasonPath},
		"no path to remove":          {`[{"op":"remove"}]`, ReasonPath},
		"active without a truth":     {`[{"op":"replace","path":"active","value":"maybe"}]`, ReasonValue},
		"active as nothing":          {`[{"op":"replace","path":"active"}]`, ReasonValue},
		"a number for a name":        {`[{"op":"replace","path":"userName","value":5}]`, ReasonValue},
		"the removal of active":      {`[{"op":"remove","path":"active"}]`, ReasonMutability},
		"the removal of the address": {`[{"op":"remove","path":"emails"}]`, ReasonMutability},
		"no object where no path is": {`[{"op":"replace","value":true}]`, ReasonValue},
		"more than anybody asks for": {`[` + strings.TrimSuffix(strings.Repeat(`{"op":"add","path":"title","value":"a"},`, 101), ",") + `]`, ReasonSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			var list []Operation
			if err := json.Unmarshal([]byte(c.body), &list); err != nil {
				t.Fatal(err)
			}
			got, err := ReadOperations(list)
			f, ok := fault.As(err)
			if !ok || f.Kind != fault.Invalid || f.Reason != c.reason || len(f.Fields) == 0 {
				t.Errorf("%v, want an invalid fault because of %s", err, c.reason)
			}
			if diff := cmp.Diff(Change{}, got); diff != "" {
				t.Errorf("something is changed all the same:\n%s", diff)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for whole, parts := range map[string][2]string{
		"Ada King Lovelace": {"Ada King", "Lovelace"}, "Ada": {"Ada", ""}, "": {"", ""},
	} {
		given, family := SplitName(whole)
		if given != parts[0] || family != parts[1] || JoinName(given, family) != whole {
			t.Errorf("%q becomes %q and %q", whole, given, family)
		}
	}
	king := "King"
	if got := (Change{FamilyName: &king}).Name("Ada Lovelace"); got != "Ada King" {
		t.Errorf("the name becomes %q", got)
	}
}

func TestPage(t *testing.T) {
	list := []int{1, 2, 3, 4, 5}
	for name, c := range map[string]struct {
		start, count string
		want         []int
	}{
		"all":               {"", "", []int{1, 2, 3, 4}},
		"the second two":    {"3", "2", []int{3, 4}},
		"the end":           {"5", "9", []int{5}},
		"past the end":      {"6", "", []int{}},
		"before the start":  {"-3", "1", []int{1}},
		"their number only": {"1", "0", []int{}},
		"fewer than none":   {"", "-1", []int{}},
	} {
		p, err := ParsePage(c.start, c.count, 4)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, Cut(list, p)); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
	for _, text := range []string{"x", "1.5", "99999999999"} {
		if _, err := ParsePage(text, "", 4); !fault.Is(err, fault.Invalid) {
			t.Errorf("startIndex %s: %v", text, err)
		}
	}
}

func TestPrimary(t *testing.T) {
	if got := Primary([]coderd.SCIMEmail{{Value: "a@b.org"}, {Value: "c@b.org", Primary: true}}); got != "c@b.org" {
		t.Errorf("the primary address is %q", got)
	}
	if got := Primary([]coderd.SCIMEmail{{Primary: true}, {Value: "c@b.org"}}); got != "c@b.org" {
		t.Errorf("an empty address counts: %q", got)
	}
}

// FuzzFilter: no text panics or hangs the parser, and what is read can be asked of any account.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`userName eq "ada"`, `emails[type eq "work" and value co "@"]`, `not (active eq true) or externalId pr`,
		`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "A"`, `((((`, `a[b[c`, "userName eq \"\\u0000\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			if _, ok := fault.As(err); !ok {
				t.Errorf("%q: %v is no fault", text, err)
			}
			return
		}
		filter.Match(ada)
		filter.Match(Resource{})
		filter.UserName()
	})
}

// FuzzOperations: no body of a PATCH panics, and a change is made of all of it or of nothing.
func FuzzOperations(f *testing.F) {
	for _, seed := range []string{
		`[{"op":"Replace","path":"active","value":"False"}]`, `[{"op":"add","value":{"name":{"givenName":null}}}]`,
		`[{"op":"remove","path":"emails[type eq \"work\"]"}]`, `[{"op":"replace","path":"emails","value":[{}]}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var list []Operation
		if json.Unmarshal([]byte(body), &list) != nil {
			return
		}
		c, err := ReadOperations(list)
		if err != nil && !cmp.Equal(c, Change{}) {
			t.Errorf("%s: refused, and yet %+v", body, c)
		}
	})
}
