// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"strconv"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/policy"
)

const (
	// DefaultMaxLifetime is how long a token may live where nobody says otherwise: a century.
	DefaultMaxLifetime = 876_600 * time.Hour
	// defaultLifetime is that of a token whose maker says none.
	defaultLifetime = 30 * 24 * time.Hour
	// maxName is how many characters a token's name may have.
	maxName = 32
)

// createSession makes a session for another client of the person's.
func (h *Handlers) createSession(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (codersdk.GenerateAPIKeyResponse, error) {
	key, _, err := h.Credentials.Issue(ctx, u, ids.Of(u), u.Spec.LoginType, sessionLifetime)
	return codersdk.GenerateAPIKeyResponse{Key: key}, err
}

func (h *Handlers) createToken(ctx context.Context, u *v1alpha1.User, in codersdk.CreateTokenRequest) (codersdk.GenerateAPIKeyResponse, error) {
	want, err := h.token(in)
	if err != nil {
		return codersdk.GenerateAPIKeyResponse{}, err
	}
	if want.Name == "" {
		keys, err := h.Credentials.Keys(ctx, ids.Of(u))
		if err != nil {
			return codersdk.GenerateAPIKeyResponse{}, err
		}
		want.Name = free(keys)
	}
	key, _, err := h.Credentials.IssueToken(ctx, u, ids.Of(u), want)
	return codersdk.GenerateAPIKeyResponse{Key: key}, err
}

// token is what a request asks for, with what it leaves out. Its fault names every field that is wrong.
func (h *Handlers) token(in codersdk.CreateTokenRequest) (credentials.Token, error) {
	want := credentials.Token{Name: in.TokenName, Scope: credentials.ScopeAll, Lifetime: in.Lifetime}
	wrong := &fault.Error{Kind: fault.Invalid, Message: "Validation failed."}
	refuse := func(field, detail string) {
		wrong.Fields = append(wrong.Fields, fault.Field{Path: field, Detail: detail})
	}
	switch {
	case in.Lifetime == 0:
		want.Lifetime = min(defaultLifetime, h.MaxLifetime)
	case in.Lifetime < time.Second:
		refuse("lifetime", "must be at least a second, in nanoseconds; 0 takes the default")
	case in.Lifetime > h.MaxLifetime:
		refuse("lifetime", "must be less than or equal to "+h.MaxLifetime.String()+", in nanoseconds")
	}
	switch in.Scope {
	case "", codersdk.APIKeyScopeAll:
	case codersdk.APIKeyScopeApplicationConnect:
		want.Scope = credentials.ScopeApplicationConnect
	default:
		refuse("scope", "must be all or application_connect")
	}
	switch {
	case in.TokenName == "":
	case !policy.IsName(in.TokenName, maxName):
		refuse("token_name", "must be at most "+strconv.Itoa(maxName)+" letters and digits, with single dashes between them")
	case in.TokenName == "tokenconfig":
		refuse("token_name", "is the path of something else; choose another name")
	}
	if len(wrong.Fields) > 0 {
		return credentials.Token{}, wrong
	}
	return want, nil
}

// free is a name that none of the keys has.
func free(keys []credentials.Key) string {
	taken := map[string]bool{}
	for _, k := range keys {
		taken[k.Name] = true
	}
	for n := 1; ; n++ {
		if name := "token-" + strconv.Itoa(n); !taken[name] {
			return name
		}
	}
}
