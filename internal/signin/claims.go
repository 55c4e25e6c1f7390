// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/berth-dev/berth/internal/outbound"
)

const (
	emailVerifiedClaim = "email_verified"
	// maxGroups is how many groups a claim may name. A provider that sends more is to be told which of them are wanted.
	maxGroups = 10_000
	// maxName and maxAvatar are how long what is only shown may be.
	maxName, maxAvatar = 128, 2048
)

// person reads the claims that the deployment names.
func (o *OIDC) person(c claims) (Person, error) {
	p := Person{EmailVerified: c.isTrue(emailVerifiedClaim)}
	var err error
	if p.Email, err = c.text(o.config.EmailField); err != nil {
		return Person{}, err
	}
	if p.Username, err = c.text(o.config.UsernameField); err != nil {
		return Person{}, err
	}
	// What is only shown is left out where it is odd.
	if name, err := c.text("name"); err == nil && len(name) <= maxName {
		p.Name = name
	}
	if picture, err := c.text("picture"); err == nil && len(picture) <= maxAvatar && outbound.CheckURL(picture) == nil {
		p.AvatarURL = picture
	}
	if o.config.GroupsField != "" {
		if p.Groups, err = c.list(o.config.GroupsField); err != nil {
			return Person{}, err
		}
	}
	if o.config.RolesField != "" {
		if p.Roles, err = c.list(o.config.RolesField); err != nil {
			return Person{}, err
		}
	}
	return p, nil
}

// with adds the claims of the user info that the ID token lacks. Whether an address is verified is taken from where the
// address is.
func (c claims) with(more claims, emailField string) claims {
	joined := maps.Clone(more)
	if _, own := c[emailField]; own && !bytes.Equal(c[emailField], more[emailField]) {
		delete(joined, emailVerifiedClaim)
	}
	maps.Copy(joined, c)
	return joined
}

// isTrue tells whether a claim is the JSON value true: a text that says so, or a number, is not.
func (c claims) isTrue(name string) bool { return string(bytes.TrimSpace(c[name])) == "true" }

// text is a claim that is a text; empty when it is absent or null.
func (c claims) text(name string) (string, error) {
	var text *string
	if raw, ok := c[name]; ok && json.Unmarshal(raw, &text) != nil {
		return "", refused("The identity provider's claim %q is no text. Ask who runs it.", name)
	}
	if text == nil {
		return "", nil
	}
	return *text, nil
}

// list is a claim that is a list of texts, or a single one; empty when it is absent or null.
func (c claims) list(name string) ([]string, error) {
	if one, err := c.text(name); err == nil {
		if one == "" {
			return nil, nil
		}
		return []string{one}, nil
	}
	var several []string
	if json.Unmarshal(c[name], &several) != nil {
		return nil, refused("The identity provider's claim %q is neither a text nor a list of texts. Ask who runs it.", name)
	}
	if len(several) > maxGroups {
		return nil, refused("The identity provider's claim %q names more than %d. Ask who runs it to send those that Berth needs.", name, maxGroups)
	}
	return several, nil
}
