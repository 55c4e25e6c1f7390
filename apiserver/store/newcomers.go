// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/policy"
	"github.com/berth-dev/berth/internal/signin"
)

// usernamesTried is how many usernames are tried before one that is random.
const usernamesTried = 9

// CreateUserLike is CreateUser by a username that is free and like what another system calls the person, such as an address.
func (s *Store) CreateUserLike(ctx context.Context, wish NewUser, like string) (*v1alpha1.User, error) {
	for i := 1; ; i++ {
		wish.Username = usernameLike(like, i)
		user, err := s.CreateUser(ctx, wish)
		if i > usernamesTried || !usernameTaken(err) {
			return user, err
		}
	}
}

// usernameLike is the i-th username that a person may get: what the person is called, that with a number, and in the end
// with a random word.
func usernameLike(like string, i int) string {
	suffix := ""
	switch {
	case i > usernamesTried:
		suffix = "-" + uuid.NewString()[:8]
	case i > 1:
		suffix = "-" + strconv.Itoa(i)
	}
	name := signin.Username(like, maxUserName-len(suffix)) + suffix
	if policy.IsReservedUsername(name) {
		name = signin.Username(like, maxUserName-len("-1")) + "-1"
	}
	return name
}

// usernameTaken tells whether another has the username, which nobody but us has chosen.
func usernameTaken(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Conflict && slices.ContainsFunc(f.Fields, func(of fault.Field) bool { return of.Path == "username" })
}
