// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/gitops"
	"github.com/berth-dev/berth/internal/index"
)

const (
	// maxUserName is how long a User's metadata.name may be.
	maxUserName = 32
	// namesTried is how many names are tried for a new object whose wish is taken by one that was renamed, or by references.
	namesTried = 50
)

// NewUser is who is to be made.
type NewUser struct {
	// Username and Email are the person's; no two Users have the same.
	Username, Email string
	// LoginType is how the person is to sign in.
	LoginType v1alpha1.LoginType
	// Identity is the account at an identity provider that signs in as the person; nil where none does yet.
	Identity *v1alpha1.LinkedIdentity
	// DisplayName and AvatarURL are what the person is shown as; "" is not said.
	DisplayName, AvatarURL string
	// Organization is the metadata.name of the one that the person belongs to.
	Organization string
	// CreatedBy is the metadata.name of the User who makes this one; empty for who signs up, or is provisioned.
	CreatedBy string
	// ProvisionedAs and ExternalID are the name and the id by which who provisions accounts knows the person; empty where
	// nobody does.
	ProvisionedAs, ExternalID string
	// Suspended locks the account from the start.
	Suspended bool
	// SetPassword gives the User, who is stored by then, a password; nil gives none.
	SetPassword func(context.Context, *v1alpha1.User) error
}

// CreateUser makes a User without any role. A username or an address that another has is a Conflict, on whichever replica
// it was given. Its metadata.name is one that nothing refers to any more: who is called as somebody was before does not
// get what that one had.
//
// A User whose password is still to be set carries a mark until it is. Whoever asks for the same again, after a minute, has
// the User finished that a process left without one as it died; nobody could sign in as that one, nor have it made anew.
func (s *Store) CreateUser(ctx context.Context, wish NewUser) (*v1alpha1.User, error) {
	left, err := s.leftUnfinished(ctx, wish)
	if err != nil {
		return nil, err
	}
	if left != nil {
		return s.finishUser(ctx, wish, left)
	}
	if err := s.unknown(ctx, wish); err != nil {
		return nil, err
	}
	name, err := s.freeName(ctx, strings.ToLower(wish.Username), maxUserName, s.userTaken(wish.Username))
	if err != nil {
		return nil, err
	}
	c, holder := s.claims(), claims.Holder{Name: name}
	wanted := []claims.Claim{{Kind: claims.Username, Value: wish.Username}, {Kind: claims.Email, Value: wish.Email}}
	if wish.Identity != nil {
		wanted = append([]claims.Claim{identityClaim(*wish.Identity)}, wanted...) // what tells one person's requests first
	}
	for i, claim := range wanted {
		if err := s.hold(ctx, c, claim, holder); err != nil {
			return nil, errors.Join(err, release(ctx, c, holder, wanted[:i]))
		}
	}
	user, err := s.makeUser(ctx, c, wish, name, wanted)
	if err != nil {
		left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
		defer cancel()
		return nil, errors.Join(err, release(left, c, holder, wanted))
	}
	return user, nil
}

// annotationUnfinished marks a User whose password is still to be set; its value is since when.
const annotationUnfinished = "berth.dev/becoming-user"

// leftUnfinished is the User of both the username and the address that a request has left without a password, and that has
// never signed in; nil when there is none, or when that request may still be at it.
func (s *Store) leftUnfinished(ctx context.Context, wish NewUser) (*v1alpha1.User, error) {
	u, err := s.UserByName(ctx, wish.Username)
	if fault.Is(err, fault.NotFound) || wish.SetPassword == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	since, err := time.Parse(time.RFC3339Nano, u.Annotations[annotationUnfinished])
	if err != nil || time.Since(since) < claims.Pending || u.Status.LastSeenAt != nil ||
		index.Fold(u.Spec.Email) != index.Fold(wish.Email) || u.Spec.LoginType != wish.LoginType {
		return nil, nil // it is somebody's, and so are its names
	}
	return u, nil
}

// finishUser gives a User its password, and takes the mark off.
func (s *Store) finishUser(ctx context.Context, wish NewUser, u *v1alpha1.User) (*v1alpha1.User, error) {
	if err := wish.SetPassword(ctx, u); err != nil {
		return nil, err
	}
	return s.ChangeUser(ctx, u, func(u *v1alpha1.User) error {
		delete(u.Annotations, annotationUnfinished)
		return nil
	})
}

// unknown is a Conflict when the cache knows a User of the username or the address. It tells at once what the claims would;
// for a User of a manifest that the manager has not seen yet there is none.
func (s *Store) unknown(ctx context.Context, wish NewUser) error {
	_, err := s.UserByName(ctx, wish.Username)
	if err == nil {
		return taken(string(claims.Username), wish.Username)
	}
	if fault.Is(err, fault.NotFound) {
		_, err = s.UserByEmail(ctx, wish.Email)
	}
	if err == nil {
		return taken(string(claims.Email), wish.Email)
	}
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// makeUser stores the User and makes the claims, which were reservations until then, the User's own.
func (s *Store) makeUser(ctx context.Context, c *claims.Claims, wish NewUser, name string, wanted []claims.Claim) (*v1alpha1.User, error) {
	u := &v1alpha1.User{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{
			v1alpha1.AnnotationCreatedAt: time.Now().UTC().Format(time.RFC3339Nano),
		}},
		Spec: v1alpha1.UserSpec{
			Email: wish.Email, LoginType: wish.LoginType, DisplayName: wish.DisplayName, AvatarURL: wish.AvatarURL,
			Memberships: []v1alpha1.Membership{{Organization: v1alpha1.ObjectName(wish.Organization)}},
			ExternalID:  wish.ExternalID, Suspended: wish.Suspended,
		},
	}
	if wish.ProvisionedAs != "" {
		u.Annotations[v1alpha1.AnnotationProvisionedAs] = wish.ProvisionedAs
	}
	if wish.CreatedBy != "" {
		u.Annotations[v1alpha1.AnnotationCreatedBy] = wish.CreatedBy
	}
	if wish.Identity != nil {
		u.Spec.Identities = []v1alpha1.LinkedIdentity{*wish.Identity}
	}
	if wish.Username != name {
		u.Spec.Username = v1alpha1.WireName(wish.Username)
	}
	if wish.SetPassword != nil {
		u.Annotations[annotationUnfinished] = u.Annotations[v1alpha1.AnnotationCreatedAt]
	}
	if err := s.client.Create(ctx, u); apierrors.IsAlreadyExists(err) {
		return nil, taken(string(claims.Username), wish.Username)
	} else if err != nil {
		return nil, asFault(err)
	}
	finished, err := s.settleUser(ctx, c, wish, u, wanted)
	if err != nil {
		left, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBack)
		defer cancel()
		return nil, errors.Join(err, client.IgnoreNotFound(s.client.Delete(left, u, client.Preconditions{UID: &u.UID})))
	}
	return finished, nil
}

func (s *Store) settleUser(ctx context.Context, c *claims.Claims, wish NewUser, u *v1alpha1.User, wanted []claims.Claim) (*v1alpha1.User, error) {
	for _, claim := range wanted {
		err := s.hold(ctx, c, claim, claims.Holder{Name: u.Name, UID: u.UID})
		if err != nil && !apierrors.IsConflict(causeOf(err)) { // a conflict is the manager, who does the same
			return nil, err
		}
	}
	if wish.SetPassword == nil {
		return u, nil
	}
	return s.finishUser(ctx, wish, u)
}

// causeOf is what a fault was made of; an error that is none stays.
func causeOf(err error) error {
	if f, ok := fault.As(err); ok && f.Cause != nil {
		return f.Cause
	}
	return err
}

// freeName is a metadata.name for what people call by the wish: the wish itself, or the wish with a number behind it where
// that is not to be had. It need not be free any more when it is used.
func (s *Store) freeName(ctx context.Context, wish string, longest int, isTaken func(context.Context, string) (bool, error)) (string, error) {
	for i := 1; i <= namesTried; i++ {
		name := wish
		if i > 1 {
			suffix := "-" + strconv.Itoa(i)
			name = strings.TrimSuffix(wish[:min(len(wish), longest-len(suffix))], "-") + suffix
		}
		if is, err := isTaken(ctx, name); err != nil || !is {
			return name, err
		}
	}
	return "", fault.New(fault.Conflict, "Too much is called %s already. Choose another name.", wish)
}

// userTaken tells whether a metadata.name is a User's, or was one's to whom something refers still. That it is a User's of
// the very username is a Conflict.
func (s *Store) userTaken(username string) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, name string) (bool, error) {
		there := &v1alpha1.User{}
		err := s.live.Get(ctx, client.ObjectKey{Name: name}, there)
		if err == nil {
			if index.Fold(there.WireName()) == index.Fold(username) && there.DeletionTimestamp == nil {
				return true, taken(string(claims.Username), username)
			}
			return true, nil
		}
		if !apierrors.IsNotFound(err) {
			return false, asFault(err)
		}
		return s.userReferred(ctx, name)
	}
}

// userReferred tells whether anything names the User, who need not exist.
func (s *Store) userReferred(ctx context.Context, name string) (bool, error) {
	groups, err := list[*v1alpha1.Group](ctx, s, &v1alpha1.GroupList{}, index.Member, name)
	if err != nil || len(groups) > 0 {
		return true, err
	}
	workspaces, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Owner, name)
	if err != nil || len(workspaces) > 0 {
		return true, err
	}
	deleted, err := list[*v1alpha1.DeletedWorkspace](ctx, s, &v1alpha1.DeletedWorkspaceList{}, index.Owner, name)
	if err != nil || len(deleted) > 0 {
		return true, err
	}
	templates, err := list[*v1alpha1.Template](ctx, s, &v1alpha1.TemplateList{}, "", "")
	return slices.ContainsFunc(templates, func(t *v1alpha1.Template) bool {
		return slices.ContainsFunc(t.Spec.Access, func(e v1alpha1.AccessEntry) bool {
			return e.Kind == v1alpha1.AccessKindUser && string(e.Name) == name
		})
	}), err
}

// DeleteUser removes a User. What names the User elsewhere stays: see CreateUser.
func (s *Store) DeleteUser(ctx context.Context, u *v1alpha1.User) error {
	if err := gitops.Editable(u, "User "+u.WireName()); err != nil {
		return err
	}
	for try := 1; ; try++ {
		fresh := &v1alpha1.User{}
		if err := s.live.Get(ctx, client.ObjectKeyFromObject(u), fresh); err != nil {
			return asFault(err)
		}
		remove := func() error {
			return s.client.Delete(ctx, fresh, client.Preconditions{UID: &u.UID, ResourceVersion: &fresh.ResourceVersion})
		}
		var err error
		if standing(fresh) {
			err = s.besidesOwner(ctx, u, remove)
		} else {
			err = remove()
		}
		if !apierrors.IsConflict(err) || try == tries {
			return asFault(err)
		}
	}
}

// OwnsWorkspaces tells whether any workspace is the User's, those that are off the wire included.
func (s *Store) OwnsWorkspaces(ctx context.Context, u *v1alpha1.User) (bool, error) {
	owned, err := list[*v1alpha1.Workspace](ctx, s, &v1alpha1.WorkspaceList{}, index.Owner, u.Name)
	return len(owned) > 0, err
}

var (
	errLosesOwner = errors.New("an owner would be lost")
	errBusy       = errors.New("the claim is another request's")
)

// standing tells whether a User is an owner who can act.
func standing(u *v1alpha1.User) bool { return isOwner(u) && !u.Spec.Suspended }

// ChangeStanding is ChangeUser by an edit of the roles or of whether the User is suspended. The last owner stays one, also
// where requests take the role from two at once.
func (s *Store) ChangeStanding(ctx context.Context, u *v1alpha1.User, edit func(*v1alpha1.User) error) (*v1alpha1.User, error) {
	guarded := func(safe bool) func(*v1alpha1.User) error {
		return func(u *v1alpha1.User) error {
			was := standing(u)
			if err := edit(u); err != nil {
				return err
			}
			if was && !standing(u) && !safe {
				return errLosesOwner
			}
			return nil
		}
	}
	changed, err := s.ChangeUser(ctx, u, guarded(false))
	if !errors.Is(err, errLosesOwner) {
		return changed, err
	}
	err = s.besidesOwner(ctx, u, func() (err error) {
		changed, err = s.ChangeUser(ctx, u, guarded(true))
		return err
	})
	return changed, err
}

// besidesOwner does what takes away an owner, if there is another. While it is done nobody else takes one away.
func (s *Store) besidesOwner(ctx context.Context, u *v1alpha1.User, do func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = s.alone(ctx, claims.Claim{Kind: claims.Owners}, func() error {
			if err := s.anotherOwner(ctx, u); err != nil {
				return err
			}
			return do()
		})
		return !errors.Is(last, errBusy), nil
	})
	if err != nil {
		return fault.New(fault.Conflict, "Another owner's account is being changed at this moment. Try again.")
	}
	return last
}

// anotherOwner is a fault when nobody but the User is an owner who can act. It reads live.
func (s *Store) anotherOwner(ctx context.Context, u *v1alpha1.User) error {
	var users v1alpha1.UserList
	if err := s.live.List(ctx, &users); err != nil {
		return asFault(err)
	}
	for i := range users.Items {
		o := &users.Items[i]
		if o.UID != u.UID && standing(o) && o.DeletionTimestamp == nil && !Hidden(o) {
			return nil
		}
	}
	return fault.New(fault.Invalid, "%s is the last owner. Make somebody else an owner first.", u.WireName())
}
