// SPDX-License-Identifier: Apache-2.0

package login

import (
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/signin"
)

const (
	// flowCookie holds a sign-in on its way, and convertCookie that its person may change how the account signs in.
	flowCookie    = "oauth_state"
	convertCookie = "oauth_convert"
	// signsIn and converts are the kinds of flows: a sign-in, and one that was begun to change how an account signs in.
	signsIn, converts = "s", "c"
)

// at is the flow for one provider; a code of another provider is of no use in it.
func at(f httpapi.Flow, redirectURL string) signin.Flow {
	return signin.Flow{State: f.Part("state", redirectURL), Nonce: f.Part("nonce", redirectURL), Verifier: f.Part("verifier", redirectURL), RedirectURL: redirectURL}
}

// short are the cookies of sign-ins.
func (h *Handlers) short() httpapi.ShortCookies { return httpapi.ShortCookies{Secure: h.Secure} }
