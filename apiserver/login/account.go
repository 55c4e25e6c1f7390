// SPDX-License-Identifier: Apache-2.0

package login

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/signin"
)

const (
	// accountTries and accountWait are how a sign-in waits for the account that another one, on another replica, makes of
	// the same person at the same moment.
	accountTries = 20
	accountWait  = 150 * time.Millisecond
	// groupSubject goes before a provider's group where spec.subjects of a Group names it, as the kube-apiserver does it
	// with --oidc-groups-prefix=oidc:
	groupSubject = "oidc:"
)

type admitted = signin.Admitted

// account is the User whom the provider's person is: who is linked to that very account, else who has the address and is
// linked to none yet, else a new one. Nobody becomes somebody who is linked to another.
func (h *Handlers) account(ctx context.Context, provider *Provider, a admitted) (*v1alpha1.User, error) {
	for try := 1; ; try++ {
		user, err := h.lookUp(ctx, provider, a)
		if !fault.Is(err, fault.Conflict) || try == accountTries {
			return user, err
		}
		select { // somebody else gives the name, the address or the account away at this moment: most likely to this person
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(accountWait):
		}
	}
}

func (h *Handlers) lookUp(ctx context.Context, provider *Provider, a admitted) (*v1alpha1.User, error) {
	user, err := h.Store.UserByIdentity(ctx, a.Identity)
	if err == nil {
		return user, mayEnter(provider, user)
	}
	if !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	user, err = h.Store.UserByEmail(ctx, a.Email)
	if fault.Is(err, fault.NotFound) {
		return h.signUp(ctx, provider, a)
	}
	if err != nil {
		return nil, err
	}
	if err := mayEnter(provider, user); err != nil {
		return nil, err
	}
	return h.Store.LinkUser(ctx, user, a.Identity, func(u *v1alpha1.User) error {
		if len(u.Spec.Identities) > 0 && !slices.Contains(u.Spec.Identities, a.Identity) {
			return fault.New(fault.Forbidden, "The account with your address signs in as somebody else at the identity provider. Ask a user administrator.")
		}
		return mayEnter(provider, u)
	})
}

// signUp makes an account without any role.
func (h *Handlers) signUp(ctx context.Context, provider *Provider, a admitted) (*v1alpha1.User, error) {
	if !provider.Rules.Signups {
		return nil, fault.New(fault.Forbidden, "There is no account for you, and nobody may sign up. Ask a user administrator to make one.")
	}
	organization, err := h.Store.DefaultOrganization(ctx)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Forbidden, "There is no default organization that a new account could belong to. Ask an owner.")
	}
	if err != nil {
		return nil, err
	}
	wish := store.NewUser{
		Email: a.Email, LoginType: provider.LoginType, Organization: organization.Name, Identity: &a.Identity,
		DisplayName: strings.TrimSpace(a.Name), AvatarURL: a.AvatarURL,
	}
	like := a.Username
	if strings.TrimSpace(like) == "" {
		like = a.Email
	}
	return h.Store.CreateUserLike(ctx, wish, like)
}

// groups are the Groups that the provider's groups mean: those of the name in the default organization, or, for a name that
// the deployment maps to ORGANIZATION/NAME, in that one; and those that list the provider's name among their subjects. As
// with every Group, one of an organization that the person does not belong to gives nothing.
func (h *Handlers) groups(ctx context.Context, u *v1alpha1.User, a admitted) ([]types.NamespacedName, error) {
	found := []types.NamespacedName{}
	for _, group := range a.Groups {
		organization, name := "", group.Name
		if o, rest, ok := strings.Cut(name, "/"); ok && group.Mapped {
			organization, name = o, rest
		}
		named, err := h.named(ctx, organization, name)
		if err != nil {
			return nil, err
		}
		listing, err := h.Store.GroupsBySubject(ctx, v1alpha1.Subject{Kind: "Group", Name: groupSubject + group.Raw})
		if err != nil {
			return nil, err
		}
		for _, g := range append(named, listing...) {
			found = append(found, types.NamespacedName{Namespace: g.Namespace, Name: g.Name})
		}
	}
	return found, nil
}

// named is the Group that has just the name in the organization, which is the default one where it is empty; none where there
// is none, or no such organization.
func (h *Handlers) named(ctx context.Context, organization, name string) ([]*v1alpha1.Group, error) {
	find := h.Store.DefaultOrganization
	if organization != "" {
		find = func(ctx context.Context) (*v1alpha1.Organization, error) {
			return h.Store.OrganizationOf(ctx, organization)
		}
	}
	o, err := find(ctx)
	var g store.GroupParts
	if err == nil {
		g, _, err = h.Store.GroupByName(ctx, o, name)
	}
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case g.Group == nil || g.WireName() != name:
		return nil, nil
	}
	return []*v1alpha1.Group{g.Group}, nil
}

// convertsID is the user of a conversion that has begun.
func convertsID(text string) (uuid.UUID, bool) { return credentials.ConversionOf(text) }

// sameAddress compares addresses as the claims of them do.
func sameAddress(a, b string) bool { return strings.EqualFold(a, b) }

// sameRoles tells whether two lists hold the same, in whatever order.
func sameRoles(a, b []v1alpha1.SiteRole) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
