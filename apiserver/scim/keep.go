// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/berth-dev/berth/api/coderd"
	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/scim"
)

// maxUserName is how long the provider's name for an account may be, in bytes.
const maxUserName = 256

// create makes the account of a person whom the provider has assigned. An account of the same e-mail address is taken over
// as it is, since it is the same person's; one that the provider keeps already by another name or id is not.
func (h *Handlers) create(ctx context.Context, _ httpapi.None, in coderd.SCIMUserRequest) (httpapi.Reply[coderd.SCIMUser], error) {
	none := httpapi.Reply[coderd.SCIMUser]{}
	email := scim.Primary(in.Emails)
	if email == "" && strings.Contains(in.UserName, "@") {
		email = in.UserName
	}
	if err := checkUser(in.UserName, email, in.ExternalID); err != nil {
		return none, err
	}
	u, err := h.Store.UserByEmail(ctx, email)
	switch {
	case fault.Is(err, fault.NotFound):
		err = h.Store.NameProvisioned(ctx, in.UserName, nil, func() (err error) {
			u, err = h.make(ctx, in, email)
			return err
		})
	case err == nil:
		u, err = h.takeOver(ctx, u, in)
	}
	if err != nil {
		return none, unique(err)
	}
	return httpapi.Reply[coderd.SCIMUser]{Body: wire(u), Header: media()}, nil
}

// checkUser says everything that is wrong with an account's names at once.
func checkUser(name, email, external string) error {
	var names, ids *fault.Error
	if name == "" || len(name) > maxUserName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		names = fault.On("userName", "must be 1 to %d characters of text", maxUserName)
	}
	if len(external) > maxUserName {
		ids = fault.On("externalId", "must have at most %d characters", maxUserName)
	}
	if f := fault.Join("The user can't be kept as it is.", names, identity.CheckEmail("emails", email), ids); f != nil {
		return f.Because(scim.ReasonValue)
	}
	return nil
}

// make stores a new account. It signs in at the provider, as OpenID Connect has it.
func (h *Handlers) make(ctx context.Context, in coderd.SCIMUserRequest, email string) (*v1alpha1.User, error) {
	organization, err := h.Store.DefaultOrganization(ctx)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Conflict, "There is no default organization, and new accounts belong to it.")
	}
	if err != nil {
		return nil, err
	}
	wish := store.NewUser{
		Email: email, LoginType: v1alpha1.LoginTypeOIDC, Organization: organization.Name,
		ProvisionedAs: in.UserName, ExternalID: in.ExternalID, DisplayName: shown(scim.JoinName(in.Name.GivenName, in.Name.FamilyName)),
		Suspended: in.Active != nil && !bool(*in.Active),
	}
	return h.Store.CreateUserLike(ctx, wish, in.UserName)
}

// unique gives a Conflict SCIM's word for it.
func unique(err error) error {
	if f, ok := fault.As(err); ok && f.Kind == fault.Conflict && f.Reason == "" {
		return f.Because(scim.ReasonUniqueness)
	}
	return err
}

// shown is a name as an account may have it.
func shown(name string) string {
	const most = 128
	if runes := []rune(strings.ToValidUTF8(name, "")); len(runes) > most {
		return strings.TrimSpace(string(runes[:most]))
	}
	return strings.ToValidUTF8(name, "")
}

// takeOver has the provider keep an account that is there.
func (h *Handlers) takeOver(ctx context.Context, u *v1alpha1.User, in coderd.SCIMUserRequest) (*v1alpha1.User, error) {
	if name := u.Annotations[v1alpha1.AnnotationProvisionedAs]; name != "" && index.Fold(name) != index.Fold(in.UserName) ||
		u.Spec.ExternalID != "" && in.ExternalID != "" && u.Spec.ExternalID != in.ExternalID {
		f := fault.New(fault.Conflict, "The e-mail address belongs to an account that is provisioned by another name or id.")
		f.Fields = []fault.Field{{Path: "emails", Detail: "This value is already in use and should be unique."}}
		return nil, f
	}
	c := scim.Change{UserName: &in.UserName}
	if in.ExternalID != "" {
		c.ExternalID = &in.ExternalID
	}
	if in.Active != nil {
		c.Active = (*bool)(in.Active)
	}
	return h.apply(ctx, u, c)
}

// change is a PATCH: the operations of SCIM, or the fields of a user, of which those that are absent stay as they are.
func (h *Handlers) change(ctx context.Context, u *v1alpha1.User, in patch) (httpapi.Reply[codersdk.User], error) {
	c := fields(in.SCIMUserRequest)
	if in.operations != nil {
		var err error
		if c, err = scim.ReadOperations(in.operations); err != nil {
			return httpapi.Reply[codersdk.User]{}, err
		}
	}
	u, err := h.apply(ctx, u, c)
	if err != nil {
		return httpapi.Reply[codersdk.User]{}, err
	}
	if in.operations != nil {
		// the provider knows what it has asked for, and would not know the answer that the contract has for the other form
		return httpapi.Reply[codersdk.User]{Status: http.StatusNoContent}, nil
	}
	return h.view(ctx, u)
}

// patch is a PATCH in either form.
type patch struct {
	coderd.SCIMUserRequest
	operations []scim.Operation
}

// UnmarshalJSON reads both forms.
func (p *patch) UnmarshalJSON(data []byte) error {
	var list struct{ Operations []scim.Operation }
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	p.operations = list.Operations
	return json.Unmarshal(data, &p.SCIMUserRequest)
}

// replace is a PUT. What the provider does not send it has nothing to say about.
func (h *Handlers) replace(ctx context.Context, u *v1alpha1.User, in coderd.SCIMUserRequest) (httpapi.Reply[coderd.SCIMUser], error) {
	u, err := h.apply(ctx, u, fields(in))
	if err != nil {
		return httpapi.Reply[coderd.SCIMUser]{}, err
	}
	return httpapi.Reply[coderd.SCIMUser]{Body: wire(u), Header: media()}, nil
}

// fields is the change that a user's fields come to.
func fields(in coderd.SCIMUserRequest) scim.Change {
	given := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return scim.Change{
		Active: (*bool)(in.Active), UserName: given(in.UserName), ExternalID: given(in.ExternalID), Email: given(scim.Primary(in.Emails)),
		GivenName: given(in.Name.GivenName), FamilyName: given(in.Name.FamilyName),
	}
}

// apply changes an account. Whether it may be used comes first: a provider that locks somebody out must not fail at a name.
func (h *Handlers) apply(ctx context.Context, u *v1alpha1.User, c scim.Change) (*v1alpha1.User, error) {
	if c.Active != nil {
		var err error
		if u, err = h.setActive(ctx, u, *c.Active); err != nil {
			return nil, err
		}
	}
	name, email := u.Annotations[v1alpha1.AnnotationProvisionedAs], u.Spec.Email
	if c.UserName != nil {
		name = *c.UserName
	}
	if c.Email != nil {
		email = *c.Email
	}
	external := u.Spec.ExternalID
	if c.ExternalID != nil {
		external = *c.ExternalID
	}
	if err := checkUser(name, email, external); err != nil {
		return nil, err
	}
	edit := func(u *v1alpha1.User) error {
		if u.Annotations == nil {
			u.Annotations = map[string]string{}
		}
		u.Annotations[v1alpha1.AnnotationProvisionedAs] = name
		u.Spec.Email, u.Spec.ExternalID, u.Spec.DisplayName = email, external, shown(c.Name(u.Spec.DisplayName))
		return nil
	}
	write := func() (err error) {
		u, err = h.Store.ReaddressUser(ctx, u, email, edit)
		return err
	}
	var err error
	if index.Fold(name) == index.Fold(u.Annotations[v1alpha1.AnnotationProvisionedAs]) {
		err = write()
	} else {
		err = h.Store.NameProvisioned(ctx, name, u, write)
	}
	return u, unique(err)
}

// setActive suspends an account, whose sessions and keys end with that, or brings it back.
func (h *Handlers) setActive(ctx context.Context, u *v1alpha1.User, active bool) (*v1alpha1.User, error) {
	changed, err := h.Store.ChangeStanding(ctx, u, func(u *v1alpha1.User) error {
		u.Spec.Suspended = !active
		return nil
	})
	if err != nil || active {
		return changed, err
	}
	return changed, h.Credentials.EndAll(ctx, changed, ids.Of(changed))
}

// leave has an account suspended and no longer kept by the provider, which does not see it any more. It is not removed: its
// owner's workspaces are not the provider's to lose, and an administrator can delete it.
func (h *Handlers) leave(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (httpapi.None, error) {
	u, err := h.setActive(ctx, u, false)
	if err != nil {
		return httpapi.None{}, err
	}
	_, err = h.Store.ChangeUser(ctx, u, func(u *v1alpha1.User) error {
		delete(u.Annotations, v1alpha1.AnnotationProvisionedAs)
		u.Spec.ExternalID = ""
		return nil
	})
	return httpapi.None{}, err
}
